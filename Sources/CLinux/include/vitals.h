// A page of memory that the engine writes and its supervisor reads: when the engine's loop was last alive, what it promises
// about that, and what it was doing. A heartbeat is one store, so neither side can make the other wait. Also what a dying
// engine does with it: one line about a fatal signal. The page is handed around as a number, 0 for none, because Swift has no
// atomic access to memory that another process writes.
#ifndef VIPD_CLINUX_VITALS_H
#define VIPD_CLINUX_VITALS_H

#include <stdint.h>

// A new page as a memfd(2), close-on-exec and sealed against another size, or -1.
int vipd_vitals_make(void);
// Maps such a descriptor, which may be closed afterwards; 0 with errno, EINVAL where it is no such page.
uintptr_t vipd_vitals_map(int descriptor);
void vipd_vitals_unmap(uintptr_t page);

// CLOCK_MONOTONIC of the last heartbeat, nanoseconds; 0 before the first.
int64_t vipd_vitals_beat(uintptr_t page);
// The longest time between two heartbeats that the engine promises, nanoseconds; 0 while it promises nothing.
int64_t vipd_vitals_limit(uintptr_t page);
// What it was doing: the kind in the upper half, the virtual router's number in the lower.
uint64_t vipd_vitals_work(uintptr_t page);

// Notes the work only.
void vipd_vitals_note(uintptr_t page, uint64_t work);
// Notes the work and beats.
void vipd_vitals_mark(uintptr_t page, int64_t now, uint64_t work);
void vipd_vitals_promise(uintptr_t page, int64_t limit);

// The word for a kind of work; "unknown" for a number that is none.
const char *vipd_work_word(uint32_t kind);

// Of a fatal signal of its own (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGXCPU) this process writes one line to
// standard error, with what `page` says (0: nothing), and then dies by it as if there were no handler, with a core dump where
// the limits allow one. Called again it only takes the other page.
void vipd_tell_fatal_signals(uintptr_t page);

#endif
