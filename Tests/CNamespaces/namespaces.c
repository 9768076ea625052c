#define _GNU_SOURCE
#include "namespaces.h"

#include <sched.h>

int vipd_unshare_network(void) {
    return unshare(CLONE_NEWNET);
}

int vipd_enter_network(int descriptor) {
    return setns(descriptor, CLONE_NEWNET);
}
