// Starting and ending child processes: what must be C because between fork(2) and execve(2) only async-signal-safe calls
// are allowed, and what Swift cannot import (pidfd, waitid's union, getgrouplist).
#ifndef VIPD_CLINUX_PROCESS_H
#define VIPD_CLINUX_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vipd_spawn {
    // Paths to try in turn, ended by NULL, as execvp(3) tries them.
    char *const *candidates;
    char *const *arguments;
    char *const *environment;
    // Whom to run as; all ignored unless `change_user`.
    int change_user;
    uid_t user;
    gid_t group;
    const gid_t *groups;
    size_t group_count;
    // With `raise_oom`, the child's oom_score_adj is raised to this, 0 to 1000, if it is lower (proc_pid_oom_score_adj(5)); where
    // that cannot be done it stays what the caller's is.
    int raise_oom;
    int oom_score_adj;
    // With `ordinary`, the child has nothing real-time of its caller: SCHED_OTHER, no right to more (RLIMIT_RTPRIO 0), and no more
    // memory to lock than the kernel gives everybody.
    int ordinary;
    // Becomes descriptor 3; negative for none.
    int passed;
    // Becomes standard output and error; negative keeps those of the caller.
    int output;
    // The writing end of a close-on-exec pipe: an errno arrives there when the program could not be started;
    // ELIBACC, which execve(2) never gives on Linux, when its file exists and the interpreter or loader it names does not.
    int failure;
};

// The child's process id (it is its own process group), or -1. Does not wait for the exec.
pid_t vipd_spawn(const struct vipd_spawn *request);

// pidfd_open(2), close-on-exec.
int vipd_process_descriptor(pid_t process);

enum vipd_ending { VIPD_RUNNING = 0, VIPD_EXITED = 1, VIPD_KILLED = 2 };
// Reaps `process` if it has ended; *value is its exit status or signal. Negative on an error.
int vipd_reap(pid_t process, int *value);

// The user's ids and groups of the name service; 0, or the errno, ENOENT when there is no such user. A number that is no
// user's name is taken as a user id, known or not. At most *group_count groups are written and *group_count becomes their number.
int vipd_find_user(const char *name, uid_t *user, gid_t *group, gid_t *groups, size_t *group_count);
// The id of a group of the name service; 0, or the errno, ENOENT when there is no such group.
int vipd_find_group(const char *name, gid_t *group);

// Ignores SIGPIPE in this process; children get the default back.
void vipd_ignore_broken_pipes(void);

#endif
