#define _GNU_SOURCE
#include "sockets.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static struct vipd_address from_ipv4(struct in_addr address) {
    return (struct vipd_address){0, ntohl(address.s_addr)};
}

static struct in_addr to_ipv4(const struct vipd_address *address) {
    return (struct in_addr){htonl((uint32_t)address->low)};
}

static struct vipd_address from_ipv6(const struct in6_addr *address) {
    uint64_t halves[2];
    memcpy(halves, address, sizeof halves);
    return (struct vipd_address){be64toh(halves[0]), be64toh(halves[1])};
}

static struct in6_addr to_ipv6(const struct vipd_address *address) {
    uint64_t halves[2] = {htobe64(address->high), htobe64(address->low)};
    struct in6_addr result;
    memcpy(&result, halves, sizeof result);
    return result;
}

ssize_t vipd_receive_packet(int descriptor, void *bytes, size_t capacity, struct vipd_received *received) {
    union {
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr any;
    } from;
    _Alignas(struct cmsghdr) char control[512];
    struct iovec part = {bytes, capacity};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1,
                             .msg_control = control, .msg_controllen = sizeof control};
    memset(received, 0, sizeof *received);
    received->hop_limit = -1;
    ssize_t length = recvmsg(descriptor, &message, MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0)
        return length;
    if (message.msg_namelen >= sizeof from.ipv4 && from.any.sa_family == AF_INET)
        received->source = from_ipv4(from.ipv4.sin_addr);
    else if (message.msg_namelen >= sizeof from.ipv6 && from.any.sa_family == AF_INET6)
        received->source = from_ipv6(&from.ipv6.sin6_addr);
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(item), sizeof info);
            received->interface_index = (uint32_t)info.ipi_ifindex;
            received->destination = from_ipv4(info.ipi_addr);
        } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(item), sizeof info);
            received->interface_index = (uint32_t)info.ipi6_ifindex;
            received->destination = from_ipv6(&info.ipi6_addr);
        } else if ((item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TTL) ||
                   (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_HOPLIMIT)) {
            int limit;
            memcpy(&limit, CMSG_DATA(item), sizeof limit);
            received->hop_limit = limit;
        } else if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(item), sizeof stamp);
            received->stamp = (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
        }
    }
    return length;
}

ssize_t vipd_send_packet(int descriptor, int family, const void *bytes, size_t length, uint32_t interface_index,
                         const struct vipd_address *source, const struct vipd_address *destination) {
    union {
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } to;
    memset(&to, 0, sizeof to);
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] = {0};
    struct iovec part = {(void *)bytes, length};
    struct msghdr message = {.msg_name = &to, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
    if (family == AF_INET) {
        to.ipv4.sin_family = AF_INET;
        to.ipv4.sin_addr = to_ipv4(destination);
        message.msg_namelen = sizeof to.ipv4;
        message.msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo));
        struct cmsghdr *item = CMSG_FIRSTHDR(&message);
        item->cmsg_level = IPPROTO_IP;
        item->cmsg_type = IP_PKTINFO;
        item->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        struct in_pktinfo info = {.ipi_ifindex = (int)interface_index, .ipi_spec_dst = to_ipv4(source)};
        memcpy(CMSG_DATA(item), &info, sizeof info);
    } else {
        to.ipv6.sin6_family = AF_INET6;
        to.ipv6.sin6_addr = to_ipv6(destination);
        to.ipv6.sin6_scope_id = interface_index;
        message.msg_namelen = sizeof to.ipv6;
        message.msg_controllen = CMSG_SPACE(sizeof(struct in6_pktinfo));
        struct cmsghdr *item = CMSG_FIRSTHDR(&message);
        item->cmsg_level = IPPROTO_IPV6;
        item->cmsg_type = IPV6_PKTINFO;
        item->cmsg_len = CMSG_LEN(sizeof(struct in6_pktinfo));
        struct in6_pktinfo info = {.ipi6_addr = to_ipv6(source), .ipi6_ifindex = interface_index};
        memcpy(CMSG_DATA(item), &info, sizeof info);
    }
    return sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void vipd_drop_socket_errors(int descriptor) {
    char bytes[1];
    // Bounded: a peer that floods us with ICMP errors must not hold the caller here.
    for (int count = 0; count < 64; count++) {
        if (recv(descriptor, bytes, sizeof bytes, MSG_ERRQUEUE | MSG_DONTWAIT | MSG_TRUNC) < 0 && errno != EINTR)
            return;
    }
}

int vipd_set_option(int descriptor, int level, int option, int value) {
    return setsockopt(descriptor, level, option, &value, sizeof value);
}

int vipd_bind_device(int descriptor, const char *interface) {
    return setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface) + 1);
}

int vipd_change_group(int descriptor, int family, const struct vipd_address *group, uint32_t interface_index, bool join) {
    if (family == AF_INET) {
        struct ip_mreqn request = {.imr_multiaddr = to_ipv4(group), .imr_ifindex = (int)interface_index};
        return setsockopt(descriptor, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request, sizeof request);
    }
    struct ipv6_mreq request = {.ipv6mr_multiaddr = to_ipv6(group), .ipv6mr_interface = interface_index};
    return setsockopt(descriptor, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request, sizeof request);
}

int vipd_send_multicast_from(int descriptor, int family, uint32_t interface_index) {
    if (family == AF_INET) {
        struct ip_mreqn request = {.imr_ifindex = (int)interface_index};
        return setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
    }
    return vipd_set_option(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)interface_index);
}

int vipd_set_receive_queue(int descriptor, int size) {
    if (vipd_set_option(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, size) == 0)
        return 0;
    return vipd_set_option(descriptor, SOL_SOCKET, SO_RCVBUF, size);
}

int vipd_open_netlink(uint32_t groups) {
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (descriptor < 0)
        return -1;
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0)
        return descriptor;
    int code = errno;
    close(descriptor);
    errno = code;
    return -1;
}

ssize_t vipd_receive_netlink(int descriptor, void *bytes, size_t capacity) {
    struct sockaddr_nl from = {0};
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(descriptor, bytes, capacity, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &size);
    // Any process may send to our port; only the kernel has port 0.
    if (length > 0 && (size < sizeof from || from.nl_pid != 0))
        return 0;
    return length;
}

int vipd_kernel_is_at_least(int major, int minor) {
    struct utsname name;
    int running_major = 0, running_minor = 0;
    if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &running_major, &running_minor) < 1)
        return 0;
    return running_major > major || (running_major == major && running_minor >= minor);
}
