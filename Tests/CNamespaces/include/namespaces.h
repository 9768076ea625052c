// What tests need of namespaces(7): two calls that Swift cannot import. Used by tests only.
#ifndef VIPD_CNAMESPACES_H
#define VIPD_CNAMESPACES_H

// Gives the calling thread a new network namespace.
int vipd_unshare_network(void);
// Moves the calling thread into the network namespace behind `descriptor`.
int vipd_enter_network(int descriptor);

#endif
