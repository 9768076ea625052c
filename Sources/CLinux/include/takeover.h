// What one program hands to the next that takes its process over: a sealed state in memory, and the descriptors that stay open.
#ifndef VIPD_CLINUX_TAKEOVER_H
#define VIPD_CLINUX_TAKEOVER_H

#include <stddef.h>

// A memfd(2) with these octets, sealed against every change, close-on-exec; or -1.
int vipd_sealed_memory(const void *bytes, size_t length);
// The seals of vipd_sealed_memory are on it.
int vipd_is_sealed(int descriptor);

// execve(2) with only `kept` and 0 to 2 left open. Returns the errno when the program cannot be started; then every descriptor
// is still open, and close-on-exec.
int vipd_take_over(const char *program, char *const *arguments, char *const *environment, const int *kept, size_t count);

// pidfd_send_signal(2): 0, or -1 with errno, ESRCH when the process has ended.
int vipd_signal_process(int descriptor, int signal);
// FD_CLOEXEC on; -1 where there is no such descriptor.
int vipd_close_on_exec(int descriptor);

#endif
