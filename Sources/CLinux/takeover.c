// See takeover.h.
#define _GNU_SOURCE
#include "takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };

int vipd_sealed_memory(const void *bytes, size_t length) {
    int descriptor = memfd_create("vipd-takeover", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -1;
    const char *rest = bytes;
    while (length > 0) {
        ssize_t written = write(descriptor, rest, length);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) goto failed;
        rest += written;
        length -= (size_t)written;
    }
    if (lseek(descriptor, 0, SEEK_SET) < 0 || fcntl(descriptor, F_ADD_SEALS, SEALS) < 0) goto failed;
    return descriptor;
failed:;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

int vipd_is_sealed(int descriptor) { return fcntl(descriptor, F_GET_SEALS) == SEALS; }

// Before Linux 5.11 close_range(2) cannot do it.
static void close_all_on_exec(void) {
    if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
    for (int number = 3; number < 65536; number++) vipd_close_on_exec(number);
}

int vipd_take_over(const char *program, char *const *arguments, char *const *environment, const int *kept, size_t count) {
    close_all_on_exec();
    for (size_t index = 0; index < count; index++) {
        if (fcntl(kept[index], F_SETFD, 0) < 0) {
            int error = errno;
            close_all_on_exec();
            return error;
        }
    }
    execve(program, arguments, environment);
    int error = errno;
    close_all_on_exec();
    return error;
}

int vipd_signal_process(int descriptor, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0);
}

int vipd_close_on_exec(int descriptor) {
    int flags = fcntl(descriptor, F_GETFD);
    return flags < 0 ? -1 : fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC);
}
