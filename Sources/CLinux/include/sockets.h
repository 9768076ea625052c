// What Swift cannot write of raw-socket input and output: control messages (CMSG_* are macros) and structures behind
// _GNU_SOURCE. Each function is one call, leaves its error in errno and allocates nothing. Addresses are numbers in host
// order (IPv4 in the low 32 bits), so that no byte array has to cross into Swift.
#ifndef VIPD_CLINUX_SOCKETS_H
#define VIPD_CLINUX_SOCKETS_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// An IPv4 (low 32 bits of `low`) or IPv6 address.
struct vipd_address {
    uint64_t high;
    uint64_t low;
};

// What the kernel says about a received packet beside its octets.
struct vipd_received {
    struct vipd_address source;       // from the socket address
    struct vipd_address destination;  // from IP_PKTINFO or IPV6_PKTINFO
    int64_t stamp;                    // CLOCK_REALTIME in nanoseconds, 0 if none
    uint32_t interface_index;         // where it came in, 0 if unknown
    int32_t hop_limit;                // TTL or hop limit, -1 if unknown
};

// recvmsg(2) with every control message that the socket was told to give. Returns the packet's true length, which is
// above `capacity` when it did not fit.
ssize_t vipd_receive_packet(int descriptor, void *bytes, size_t capacity, struct vipd_received *received);

// sendmsg(2) from an address of our own out of one interface (IP_PKTINFO ipi_spec_dst, IPV6_PKTINFO ipi6_addr).
ssize_t vipd_send_packet(int descriptor, int family, const void *bytes, size_t length, uint32_t interface_index,
                         const struct vipd_address *source, const struct vipd_address *destination);

// Throws away everything in the socket's error queue; never blocks.
void vipd_drop_socket_errors(int descriptor);

// setsockopt(2) of an int.
int vipd_set_option(int descriptor, int level, int option, int value);

// SO_BINDTODEVICE.
int vipd_bind_device(int descriptor, const char *interface);

// Joins or leaves a group on one interface by its index (ip_mreqn, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP).
int vipd_change_group(int descriptor, int family, const struct vipd_address *group, uint32_t interface_index, bool join);
int vipd_send_multicast_from(int descriptor, int family, uint32_t interface_index);

// A receive queue of `size` octets: SO_RCVBUFFORCE, or SO_RCVBUF where that is not permitted.
int vipd_set_receive_queue(int descriptor, int size);

// An rtnetlink socket that listens to `groups` (a bit mask of RTMGRP_*), close-on-exec and non-blocking, or -1.
int vipd_open_netlink(uint32_t groups);

// recv(2) of one rtnetlink datagram, which is dropped when it is not from the kernel (0 is returned). Returns its true
// length, which is above `capacity` when it did not fit.
ssize_t vipd_receive_netlink(int descriptor, void *bytes, size_t capacity);

// uname(2): whether the running kernel is at least major.minor.
int vipd_kernel_is_at_least(int major, int minor);

#endif
