// One system call a function; see descriptors.h. Nothing here decides anything.
#define _GNU_SOURCE
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int vipd_socket(int domain, int type, int protocol) {
    return socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

int vipd_poller(void) { return epoll_create1(EPOLL_CLOEXEC); }

int vipd_poller_watch(int poller, int descriptor, uint64_t token) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = token}};
    return epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event);
}

int vipd_poller_unwatch(int poller, int descriptor) { return epoll_ctl(poller, EPOLL_CTL_DEL, descriptor, NULL); }

int vipd_poller_wait(int poller, uint64_t *tokens, int capacity, int milliseconds) {
    struct epoll_event events[64];
    int count = epoll_wait(poller, events, capacity < 64 ? capacity : 64, milliseconds);
    for (int index = 0; index < count; index++) tokens[index] = events[index].data.u64;
    return count;
}

int vipd_timer(void) { return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK); }

static int64_t reading(clockid_t clock) {
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t vipd_suspended(void) {
    int64_t suspended = 0;
    for (int attempt = 0; attempt < 8; attempt++) {
        int64_t before = reading(CLOCK_MONOTONIC);
        suspended = reading(CLOCK_BOOTTIME) - before;
        // A preemption in between would count as a suspension.
        if (reading(CLOCK_MONOTONIC) - before < 20000) break;
    }
    return suspended;
}

int vipd_timer_set(int timer, int64_t nanoseconds) {
    struct itimerspec setting = {0};
    if (nanoseconds >= 0) {
        nanoseconds += vipd_suspended();
        setting.it_value.tv_sec = nanoseconds / 1000000000;
        setting.it_value.tv_nsec = nanoseconds % 1000000000;
        // All zero would disarm it.
        if (nanoseconds == 0) setting.it_value.tv_nsec = 1;
    }
    return timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL);
}

int vipd_signals(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t index = 0; index < count; index++) sigaddset(&set, signals[index]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int vipd_signals_next(int descriptor) {
    struct signalfd_siginfo information;
    ssize_t length;
    do length = read(descriptor, &information, sizeof information);
    while (length < 0 && errno == EINTR);
    if (length == (ssize_t)sizeof information) return (int)information.ssi_signo;
    return length < 0 && errno != EAGAIN ? -1 : 0;
}

int vipd_wake(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int vipd_wake_up(int descriptor) { return eventfd_write(descriptor, 1); }

void vipd_drain(int descriptor) {
    uint64_t count;
    ssize_t length;
    do length = read(descriptor, &count, sizeof count);
    while (length < 0 && errno == EINTR);
}

int vipd_message_pair(int pair[2], int buffer) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) return -1;
    for (int end = 0; end < 2; end++) {
        if (setsockopt(pair[end], SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) < 0)
            (void)setsockopt(pair[end], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    }
    return 0;
}

ssize_t vipd_message_send(int socket, const void *bytes, size_t length, int passed) {
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr alignment;
    } control;
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (passed >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed, sizeof(int));
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent;
}

ssize_t vipd_message_receive(int socket, void *bytes, size_t capacity, int *passed) {
    struct iovec vector = {.iov_base = bytes, .iov_len = capacity};
    // Room for a few more than the one we expect, so that extra ones can be closed instead of being leaked.
    union {
        char space[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr alignment;
    } control;
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    *passed = -1;
    ssize_t length;
    do length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (length < 0 && errno == EINTR);
    if (length < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < count; index++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + index * sizeof(int), sizeof(int));
            if (*passed < 0) *passed = descriptor;
            else close(descriptor);
        }
    }
    if (message.msg_flags & MSG_TRUNC) {
        if (*passed >= 0) close(*passed);
        *passed = -1;
        errno = EMSGSIZE;
        return -1;
    }
    return length;
}

ssize_t vipd_datagram_send(const char *path, const void *bytes, size_t length) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, size);
    if (address.sun_path[0] == '@') address.sun_path[0] = 0;
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -1;
    ssize_t sent = sendto(descriptor, bytes, length, MSG_NOSIGNAL, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
    int error = errno;
    close(descriptor);
    errno = error;
    return sent;
}

int vipd_set_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? -1 : fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

int vipd_pipe(int pair[2]) {
    if (pipe2(pair, O_CLOEXEC) < 0) return -1;
    return vipd_set_nonblocking(pair[0]);
}
