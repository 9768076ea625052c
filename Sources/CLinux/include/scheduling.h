// How the engine is scheduled, kept in memory and spared: sched(7), mlock(2), proc(5). C because the calls take macros, masks and
// flags behind _GNU_SOURCE. What is set, and whether it had to be, is decided by the callers.
#ifndef VIPD_CLINUX_SCHEDULING_H
#define VIPD_CLINUX_SCHEDULING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The threads of a process, at most `capacity`; their number, or -1 with errno.
int vipd_threads(pid_t process, pid_t *threads, int capacity);

// SCHED_FIFO at `priority` (1 to 99), or SCHED_OTHER with 0, for one thread; with SCHED_RESET_ON_FORK in both, so that nothing that
// the thread starts is real-time. 0, or -1 with errno: EPERM without CAP_SYS_NICE and above RLIMIT_RTPRIO.
int vipd_set_real_time(pid_t thread, int priority);

// The policy (SCHED_* without flags) and priority of a thread; 0, or -1 with errno.
int vipd_get_real_time(pid_t thread, int *policy, int *priority);

// The processors that a thread may run on, ascending. `set` returns 0, or -1 with errno: EINVAL when none of them is there; `get` the
// number of processors, at most `capacity`, or -1 with errno.
int vipd_set_processors(pid_t thread, const uint32_t *processors, int count);
int vipd_get_processors(pid_t thread, uint32_t *processors, int capacity);

// /proc/PID/oom_score_adj, -1000 to 1000. 0, or -1 with errno: EACCES when it would fall below what this process was given, without
// CAP_SYS_RESOURCE.
int vipd_set_oom_score(pid_t process, int score);
int vipd_get_oom_score(pid_t process, int *score);

// Kibibytes of locked memory of a process (VmLck), or -1.
long vipd_locked_memory(pid_t process);

// RLIMIT_RTTIME of this process: a real-time thread that runs for `soft` microseconds without ever waiting gets SIGXCPU, after `hard`
// SIGKILL. 0, or -1 with errno.
int vipd_limit_real_time(uint64_t soft, uint64_t hard);

// Makes malloc keep what it has been given, and gives it some memory beforehand. Before the first threads.
void vipd_reserve_heap(void);

// Touches what the engine works with: its own code and that of the libraries that it calls, their data, and some of the stack. With
// memory that is locked on fault it stays then. Nothing that fails here matters.
void vipd_touch_working_set(void);

// Names the calling thread, at most 15 octets.
void vipd_name_thread(const char *name);

#endif
