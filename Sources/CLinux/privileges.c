#define _GNU_SOURCE
#include "privileges.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int vipd_confine(void) {
    const unsigned kept = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    // The bounding set first, while CAP_SETPCAP is still there; without it the set cannot shrink, and no_new_privs makes
    // it unreachable all the same.
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++) {
        if (capability != CAP_NET_ADMIN && capability != CAP_NET_RAW) {
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capget, &header, data) != 0) return -1;
    for (int half = 0; half < 2; half++) {
        unsigned mask = half == 0 ? kept : 0;
        data[half].permitted &= mask;
        data[half].effective = data[half].permitted;
        data[half].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, data);
}

int vipd_lock_memory(void) {
    // Without CAP_IPC_LOCK, which goes with the confinement, the limit holds for every later mapping: unless there is none,
    // only what is mapped now can be locked, or an allocation would fail one day.
    const struct rlimit unlimited = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    int future = setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0 ? MCL_FUTURE : 0;
    if (mlockall(MCL_CURRENT | future | MCL_ONFAULT) != 0) return -1;
    return future ? 0 : 1;
}

// What landlock_create_ruleset and its kin are told is refused: every way to write, make, remove or run a file.
#define REFUSED                                                                                                       \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                      \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                     \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                       \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

int vipd_freeze_files(void) {
    const struct landlock_ruleset_attr attributes = {.handled_access_fs = REFUSED};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (rules < 0) return -1;
    // promote_secondaries is switched on where an address with a short prefix is added.
    struct landlock_path_beneath_attr network = {.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE};
    network.parent_fd = open("/proc/sys/net", O_PATH | O_CLOEXEC);
    if (network.parent_fd >= 0) {
        syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &network, 0);
        close(network.parent_fd);
    }
    int result = (int)syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
    return result;
}
