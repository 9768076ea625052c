// What Swift cannot import of the Linux headers that the event loop and the socket pairs need: macros, variadic calls,
// and functions behind _GNU_SOURCE. Each wrapper is one call and leaves its error in errno.
#ifndef VIPD_CLINUX_DESCRIPTORS_H
#define VIPD_CLINUX_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/types.h>

// SOCK_CLOEXEC | SOCK_NONBLOCK as plain numbers: the headers spell them as an enum and as macros of it.
int vipd_socket(int domain, int type, int protocol);

// epoll(7), level-triggered EPOLLIN. `wait` writes at most `capacity` (at most 64) tokens and returns their number.
int vipd_poller(void);
int vipd_poller_watch(int poller, int descriptor, uint64_t token);
int vipd_poller_unwatch(int poller, int descriptor);
int vipd_poller_wait(int poller, uint64_t *tokens, int capacity, int milliseconds);

// CLOCK_BOOTTIME minus CLOCK_MONOTONIC, nanoseconds.
int64_t vipd_suspended(void);

// timerfd(2) for moments of CLOCK_MONOTONIC that fires at once after a suspension; a negative time disarms, a time in the past
// fires at once.
int vipd_timer(void);
int vipd_timer_set(int timer, int64_t nanoseconds);

// Blocks `signals` in the calling thread and opens a signalfd(2) for them.
int vipd_signals(const int *signals, size_t count);
// The next pending signal's number, 0 when there is none, -1 on an error.
int vipd_signals_next(int descriptor);

// eventfd(2), non-blocking. `drain` empties whatever counter or expiry count the descriptor holds.
int vipd_wake(void);
int vipd_wake_up(int descriptor);
void vipd_drain(int descriptor);

// A connected pair of AF_UNIX SOCK_SEQPACKET sockets with `buffer` octets of room each (SO_SNDBUFFORCE, or as much as
// SO_SNDBUF gives where that is not permitted).
int vipd_message_pair(int pair[2], int buffer);
// One message; `passed` travels with it unless it is negative. Never blocks, never raises SIGPIPE.
ssize_t vipd_message_send(int socket, const void *bytes, size_t length, int passed);
// One message; *passed is a close-on-exec descriptor that came with it, or -1. A message longer than `capacity` is
// dropped with EMSGSIZE. 0 is the end.
ssize_t vipd_message_receive(int socket, void *bytes, size_t capacity, int *passed);

// One datagram to the AF_UNIX address `path` (`@` first: the abstract name space), as sd_notify(3) sends them.
ssize_t vipd_datagram_send(const char *path, const void *bytes, size_t length);

// fcntl(2): O_NONBLOCK on.
int vipd_set_nonblocking(int descriptor);
// pipe2(2) with O_CLOEXEC; only the reading end is non-blocking.
int vipd_pipe(int pair[2]);

#endif
