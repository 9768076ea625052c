// Giving up what the engine does not need.
#ifndef VIPD_CLINUX_PRIVILEGES_H
#define VIPD_CLINUX_PRIVILEGES_H

// Keeps CAP_NET_ADMIN and CAP_NET_RAW of what the process has, drops everything else from all its sets, and sets
// no_new_privs (capabilities(7), prctl(2)). 0, or -1 with errno. Capabilities that it does not have are not missed here: the
// call that needs one says so.
int vipd_confine(void);

// Takes away every way to write, make, remove or run a file, but for /proc/sys/net (landlock(7)); after vipd_confine, whose
// no_new_privs it needs. 0, or -1 with errno: ENOSYS or EOPNOTSUPP where the kernel has no Landlock, which is no harm.
int vipd_freeze_files(void);

// Locks the memory that is mapped now, and that of the future where RLIMIT_MEMLOCK is or can be made unlimited (mlockall(2),
// MCL_ONFAULT: what is never touched costs nothing), so that the engine does not wait for a disk to be paged in. 0; 1
// where only what is mapped now was locked; or -1 with errno and nothing locked: EPERM or ENOMEM without CAP_IPC_LOCK.
int vipd_lock_memory(void);

#endif
