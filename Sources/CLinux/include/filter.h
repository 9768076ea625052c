// Classic BPF programs: one for advert sockets, which keeps most of a flood out of user space, and one for the netlink monitor, which
// keeps out what we caused ourselves. Built here because BPF_STMT and BPF_JUMP are macros that Swift cannot read. What the first
// looks for is described where it is used, in Kernel's FloodFilter.
#ifndef VIPD_CLINUX_FILTER_H
#define VIPD_CLINUX_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What an expected packet looks like.
struct vipd_expected {
    uint32_t vrids[8];        // bit v % 32 of word v / 32: VRID v is listened for
    uint8_t first_octets[2];  // version and type, either of the two
    uint8_t least_hops;       // TTL or hop limit
};

// SO_ATTACH_FILTER: expected packets pass, and of the others one in `one_in` (a power of two), chosen at random. 0, or -1 with
// errno. It takes the place of an earlier one.
int vipd_attach_filter(int descriptor, bool ipv6, const struct vipd_expected *expected, uint32_t one_in);

// SO_ATTACH_FILTER on a netlink socket that hears of addresses: renewed lifetimes of addresses with the tag `tag` (IFA_PROTO) are left
// out. They are RTM_NEWADDR of an address that was made before it was last changed and has not failed. That it is deprecated is no news:
// many of ours are, from the beginning. Everything else passes. 0, or -1 with errno.
int vipd_ignore_renewals(int descriptor, uint8_t tag);

// SO_ATTACH_FILTER on a netlink socket that hears of routes and rules: what passes is that somebody else than the owner of the netlink port
// `own_port` removed a rule, or removed, replaced or appended to a route whose prefix length is one of the `count` (at most 129) `lengths`. It
// takes the place of an earlier one. 0, or -1 with errno.
int vipd_hear_removals(int descriptor, uint32_t own_port, const uint8_t *lengths, size_t count);

// SO_DETACH_FILTER; without effect where there is none.
void vipd_detach_filter(int descriptor);

#endif
