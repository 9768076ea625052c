// Child processes; see process.h. Between fork and exec nothing here allocates, locks or calls into the name service:
// the supervisor has other threads, and their locks are held for ever in the child.
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

// Above every number that the child's own descriptors get.
enum { HIGH = 16 };

static _Noreturn void report_and_exit(int failure, int error) {
    ssize_t written;
    do written = write(failure, &error, sizeof error);
    while (written < 0 && errno == EINTR);
    _exit(127);
}

static int move_up(int descriptor) { return descriptor < 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, HIGH); }

static int arrange_descriptors(const struct vipd_spawn *request, int failure) {
    int empty = move_up(open("/dev/null", O_RDWR | O_CLOEXEC));
    int passed = move_up(request->passed);
    int output = move_up(request->output);
    if (empty < 0 || (request->passed >= 0 && passed < 0) || (request->output >= 0 && output < 0)) return -1;
    if (dup2(empty, 0) < 0) return -1;
    if (output >= 0 && (dup2(output, 1) < 0 || dup2(output, 2) < 0)) return -1;
    int next = 3;
    if (passed >= 0) {
        if (dup2(passed, 3) < 0) return -1;
        next = 4;
    }
    if (dup3(failure, next, O_CLOEXEC) < 0) return -1;
    if (syscall(SYS_close_range, next + 1, ~0U, 0) < 0) {
        // Before Linux 5.9.
        for (int number = next + 1; number < 65536; number++) close(number);
    }
    return next;
}

// The system calls themselves: glibc's wrappers would try to reach the threads that fork(2) did not copy.
static int change_user(const struct vipd_spawn *request) {
    if (!request->change_user) return 0;
    if (syscall(SYS_setgroups, request->group_count, request->groups) < 0) return -1;
    if (syscall(SYS_setresgid, request->group, request->group, request->group) < 0) return -1;
    if (syscall(SYS_setresuid, request->user, request->user, request->user) < 0) return -1;
    return 0;
}

// Raising needs no privilege, but the file is not ours any more once the user is another's.
static void raise_oom_score(int wanted) {
    int file = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    char text[16];
    ssize_t length = read(file, text, sizeof text);
    int present = 0, is_negative = length > 0 && text[0] == '-';
    for (ssize_t at = is_negative; at < length && text[at] >= '0' && text[at] <= '9'; at++) {
        present = present * 10 + (text[at] - '0');
    }
    if (is_negative) present = -present;
    if (length > 0 && present < wanted) {
        size_t at = sizeof text;
        do text[--at] = (char)('0' + wanted % 10);
        while ((wanted /= 10) > 0 && at > 0);
        ssize_t written = pwrite(file, text + at, sizeof text - at, 0);
        (void)written;
    }
    close(file);
}

// Lowering needs no privilege. 8 MiB is RLIMIT_MEMLOCK as the kernel sets it since Linux 5.16.
static void become_ordinary(void) {
    int policy = (int)syscall(SYS_sched_getscheduler, 0) & ~SCHED_RESET_ON_FORK;
    if (policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE) {
        const struct sched_param normal = {.sched_priority = 0};
        (void)syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &normal);
    }
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_RTPRIO, &none);
    const rlim_t usual = 8 << 20;
    struct rlimit locked;
    if (getrlimit(RLIMIT_MEMLOCK, &locked) != 0) return;
    if (locked.rlim_max > usual) locked.rlim_max = usual;
    if (locked.rlim_cur > locked.rlim_max) locked.rlim_cur = locked.rlim_max;
    (void)setrlimit(RLIMIT_MEMLOCK, &locked);
}

static void reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) (void)sigaction(number, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become(const struct vipd_spawn *request) {
    int failure = move_up(request->failure);
    if (failure < 0) _exit(127);
    if (setpgid(0, 0) < 0) report_and_exit(failure, errno);
    if (request->raise_oom) raise_oom_score(request->oom_score_adj);
    if (request->ordinary) become_ordinary();
    int kept = arrange_descriptors(request, failure);
    if (kept < 0) report_and_exit(failure, errno);
    if (change_user(request) < 0) report_and_exit(kept, errno);
    reset_signals();
    int error = ENOENT;
    for (char *const *candidate = request->candidates; *candidate; candidate++) {
        execve(*candidate, request->arguments, request->environment);
        // As execvp(3): a directory without the program is passed over, one that forbids it is remembered.
        if (errno == EACCES) error = EACCES;
        // The file is there, so what is not is the interpreter after its #! or the loader of its ELF header, execve(2).
        else if (errno == ENOENT && access(*candidate, F_OK) == 0) report_and_exit(kept, ELIBACC);
        else if (errno != ENOENT && errno != ENOTDIR) report_and_exit(kept, errno);
    }
    report_and_exit(kept, error);
}

pid_t vipd_spawn(const struct vipd_spawn *request) {
    // No handler of ours may run in the child before its dispositions are reset.
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t process = fork();
    if (process == 0) become(request);
    int error = errno;
    // Both sides do it, so that the group exists before either goes on; EACCES after its exec is no matter.
    if (process > 0) (void)setpgid(process, process);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return process;
}

int vipd_process_descriptor(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

int vipd_reap(pid_t process, int *value) {
    siginfo_t information = {0};
    int result;
    do result = waitid(P_PID, (id_t)process, &information, WEXITED | WNOHANG);
    while (result < 0 && errno == EINTR);
    if (result < 0) return -1;
    if (information.si_pid == 0) return VIPD_RUNNING;
    *value = information.si_status;
    return information.si_code == CLD_EXITED ? VIPD_EXITED : VIPD_KILLED;
}

// Whether `text` is a user id in decimal; not 4294967295, which setresuid(2) takes for "no change".
static int is_user_id(const char *text, uid_t *user) {
    uint64_t number = 0;
    if (!*text) return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return 0;
        number = number * 10 + (uint64_t)(*text - '0');
        if (number >= UINT32_MAX) return 0;
    }
    *user = (uid_t)number;
    return 1;
}

int vipd_find_user(const char *name, uid_t *user, gid_t *group, gid_t *groups, size_t *group_count) {
    enum { SIZE = 65536 };
    char *space = malloc(SIZE);
    if (!space) return ENOMEM;
    struct passwd entry, *found = NULL;
    int error = getpwnam_r(name, &entry, space, SIZE, &found);
    int is_number = !found && is_user_id(name, user);
    if (is_number) error = getpwuid_r(*user, &entry, space, SIZE, &found);
    // Nobody's number: its own group and no other. A name service that cannot answer is an error all the same.
    if (is_number && !found && (error == 0 || error == ENOENT || error == ESRCH)) {
        *group = (gid_t)*user;
        *group_count = 0;
        free(space);
        return 0;
    }
    if (found) {
        *user = entry.pw_uid;
        *group = entry.pw_gid;
        int count = (int)*group_count;
        // -1 means that there are more; the first ones are there all the same.
        if (getgrouplist(entry.pw_name, entry.pw_gid, groups, &count) < 0) count = (int)*group_count;
        *group_count = (size_t)count;
    }
    free(space);
    return found ? 0 : (error ? error : ENOENT);
}

int vipd_find_group(const char *name, gid_t *group) {
    enum { SIZE = 65536 };
    char *space = malloc(SIZE);
    if (!space) return ENOMEM;
    struct group entry, *found = NULL;
    int error = getgrnam_r(name, &entry, space, SIZE, &found);
    if (found) *group = entry.gr_gid;
    free(space);
    return found ? 0 : (error ? error : ENOENT);
}

void vipd_ignore_broken_pipes(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
}
