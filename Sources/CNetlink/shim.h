// libnl-3 and the kernel's rtnetlink constants. The inline functions build one request each: a
// sequence of libnl calls that would be all casts in Swift.
#ifndef VIPD_CNETLINK_SHIM_H
#define VIPD_CNETLINK_SHIM_H

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

// linux/if_addr.h of kernel 5.18; Debian 12's headers have it, older ones do not.
#define VIPD_IFA_PROTO 11
// linux/rtnetlink.h RTEXT_FILTER_SKIP_STATS: interfaces without their counters.
#define VIPD_SKIP_STATISTICS 8

// RTM_NEWADDR (`request_flags` as NLM_F_*) or RTM_DELADDR for one address of 4 or 16 octets. `tag` 0 and `label` null are
// left out; `valid` and `preferred` are lifetimes in seconds, 0xffffffff for ever, and a `valid` of 0 leaves both out (for ever). Null when
// there is no memory. Put together by hand: an object of libnl-route and its way through caches and copies would cost a takeover several
// times as much.
static inline struct nl_msg *vipd_build_address_request(int add, int request_flags, int family, const void *octets, size_t length,
                                                        int prefix_length, uint32_t interface_index, uint32_t flags, uint8_t tag,
                                                        uint8_t scope, const char *label, uint32_t valid, uint32_t preferred) {
    struct ifaddrmsg body = {.ifa_family = (uint8_t)family, .ifa_prefixlen = (uint8_t)prefix_length,
                             .ifa_flags = (uint8_t)flags, .ifa_scope = scope, .ifa_index = interface_index};
    struct ifa_cacheinfo times = {.ifa_valid = valid, .ifa_prefered = preferred};
    // Some 100 octets at most.
    struct nl_msg *message = nlmsg_alloc_size(256);
    if (!message)
        return 0;
    if (!nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, add ? RTM_NEWADDR : RTM_DELADDR, 0, NLM_F_REQUEST | request_flags) ||
        nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 ||
        nla_put(message, IFA_LOCAL, (int)length, octets) < 0 || nla_put(message, IFA_ADDRESS, (int)length, octets) < 0 ||
        (flags > 255 && nla_put_u32(message, IFA_FLAGS, flags) < 0) || (label && nla_put_string(message, IFA_LABEL, label) < 0) ||
        (valid && nla_put(message, IFA_CACHEINFO, (int)sizeof times, &times) < 0) ||
        (tag && nla_put_u8(message, VIPD_IFA_PROTO, tag) < 0)) {
        nlmsg_free(message);
        return 0;
    }
    return message;
}

// Makes of a request one that the kernel acknowledges without looking at it, and without its configuration lock.
static inline void vipd_make_void(struct nl_msg *message) {
    nlmsg_hdr(message)->nlmsg_type = NLMSG_NOOP;
}

// RTM_GETADDR for all addresses of a family (0: both), on one interface (0: all). Null when there is no memory.
static inline struct nl_msg *vipd_build_address_dump(int family, uint32_t interface_index) {
    struct ifaddrmsg body = {.ifa_family = (uint8_t)family, .ifa_index = interface_index};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP);
    if (message && nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0) {
        nlmsg_free(message);
        message = 0;
    }
    return message;
}

// RTM_GETLINK for all interfaces, without their counters. Null when there is no memory.
static inline struct nl_msg *vipd_build_link_dump(void) {
    struct ifinfomsg body = {.ifi_family = 0};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP);
    if (message && (nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 ||
                    nla_put_u32(message, IFLA_EXT_MASK, VIPD_SKIP_STATISTICS) < 0)) {
        nlmsg_free(message);
        message = 0;
    }
    return message;
}

// RTM_GETROUTE: how the kernel would reach an address of 4 or 16 octets, by one interface or (0) by any. Null when there is no memory.
static inline struct nl_msg *vipd_build_route_query(int family, const void *octets, size_t length, uint32_t interface_index) {
    struct rtmsg body = {.rtm_family = (uint8_t)family, .rtm_dst_len = (uint8_t)(length * 8)};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST);
    if (message && (nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 ||
                    nla_put(message, RTA_DST, (int)length, octets) < 0 ||
                    (interface_index && nla_put_u32(message, RTA_OIF, interface_index) < 0))) {
        nlmsg_free(message);
        message = 0;
    }
    return message;
}

// RTM_GETNEIGH for the neighbours of a family on one interface. Null when there is no memory.
static inline struct nl_msg *vipd_build_neighbor_dump(int family, uint32_t interface_index) {
    struct ndmsg body = {.ndm_family = (uint8_t)family};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP);
    if (message && (nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 ||
                    nla_put_u32(message, NDA_IFINDEX, interface_index) < 0)) {
        nlmsg_free(message);
        message = 0;
    }
    return message;
}

// SOCK_DIAG_BY_FAMILY: the TCP connections of a family that a program of inet_diag finds: begun and established ones and those that are being
// closed, but no listening socket, no request and none that waits out its time. Null when there is no memory.
static inline struct nl_msg *vipd_build_connection_dump(int family, const void *program, size_t length) {
    struct inet_diag_req_v2 body = {.sdiag_family = (uint8_t)family, .sdiag_protocol = IPPROTO_TCP};
    body.idiag_states = 1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT |
                        1 << TCP_LAST_ACK | 1 << TCP_CLOSING;
    struct nl_msg *message = nlmsg_alloc_size(256 + length);
    if (message && (!nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, SOCK_DIAG_BY_FAMILY, 0, NLM_F_REQUEST | NLM_F_DUMP) ||
                    nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 ||
                    nla_put(message, INET_DIAG_REQ_BYTECODE, (int)length, program) < 0)) {
        nlmsg_free(message);
        message = 0;
    }
    return message;
}

// SOCK_DESTROY of one of them, by its struct inet_diag_sockid. Null when there is no memory or `length` is another one.
static inline struct nl_msg *vipd_build_connection_end(int family, const void *identity, size_t length) {
    struct inet_diag_req_v2 body = {.sdiag_family = (uint8_t)family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u};
    if (length != sizeof body.id)
        return 0;
    memcpy(&body.id, identity, length);
    struct nl_msg *message = nlmsg_alloc_simple(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK);
    if (message && nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0) {
        nlmsg_free(message);
        message = 0;
    }
    return message;
}

// A route whose addresses are `octets`: the destination's, then the gateway's and the preferred source's where it has them.
struct vipd_route {
    int family, address_length, prefix_length;
    bool has_gateway, has_source, is_on_link;
    uint32_t interface_index, table, metric;
    uint8_t scope, protocol;
};

// RTM_NEWROUTE that creates and does nothing else, or RTM_DELROUTE. Null when there is no memory.
static inline struct nl_msg *vipd_build_route_request(bool adding, const void *octets, const struct vipd_route *route) {
    struct rtmsg body = {.rtm_family = (uint8_t)route->family, .rtm_dst_len = (uint8_t)route->prefix_length,
                         .rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_COMPAT, .rtm_protocol = route->protocol,
                         .rtm_scope = route->scope, .rtm_type = RTN_UNICAST, .rtm_flags = route->is_on_link ? RTNH_F_ONLINK : 0};
    const uint8_t *next = (const uint8_t *)octets;
    int length = route->address_length;
    struct nl_msg *message = nlmsg_alloc_size(256);
    if (!message)
        return 0;
    int type = adding ? RTM_NEWROUTE : RTM_DELROUTE;
    int flags = NLM_F_REQUEST | (adding ? NLM_F_CREATE | NLM_F_EXCL : 0);
    if (!nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags) || nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 ||
        (route->prefix_length && nla_put(message, RTA_DST, length, next) < 0) ||
        (route->has_gateway && nla_put(message, RTA_GATEWAY, length, next + length) < 0) ||
        (route->has_source && nla_put(message, RTA_PREFSRC, length, next + length * (route->has_gateway ? 2 : 1)) < 0) ||
        nla_put_u32(message, RTA_OIF, route->interface_index) < 0 || nla_put_u32(message, RTA_PRIORITY, route->metric) < 0 ||
        nla_put_u32(message, RTA_TABLE, route->table) < 0) {
        nlmsg_free(message);
        return 0;
    }
    return message;
}

// RTM_GETROUTE for the routes of a family, in one table (0: all), with one rtm_protocol (0: any). Null when there is no memory.
static inline struct nl_msg *vipd_build_route_dump(int family, uint32_t table, uint8_t protocol) {
    struct rtmsg body = {.rtm_family = (uint8_t)family, .rtm_protocol = protocol};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP);
    if (message && (nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 || (table && nla_put_u32(message, RTA_TABLE, table) < 0))) {
        nlmsg_free(message);
        message = 0;
    }
    return message;
}

// RTM_NEWRULE that creates, or RTM_DELRULE; `octets` are two addresses, of which a prefix of 0 leaves one out. Null when there is no memory.
static inline struct nl_msg *vipd_build_rule_request(bool adding, int family, const void *octets, int address_length, int from_prefix,
                                                     int to_prefix, uint32_t priority, uint32_t table, uint8_t protocol) {
    struct fib_rule_hdr body = {.family = (uint8_t)family, .src_len = (uint8_t)from_prefix, .dst_len = (uint8_t)to_prefix,
                                .table = table < 256 ? (uint8_t)table : RT_TABLE_COMPAT, .action = FR_ACT_TO_TBL};
    struct nl_msg *message = nlmsg_alloc_size(256);
    if (!message)
        return 0;
    int type = adding ? RTM_NEWRULE : RTM_DELRULE;
    int flags = NLM_F_REQUEST | (adding ? NLM_F_CREATE | NLM_F_EXCL : 0);
    if (!nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags) || nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 ||
        (from_prefix && nla_put(message, FRA_SRC, address_length, octets) < 0) ||
        (to_prefix && nla_put(message, FRA_DST, address_length, (const uint8_t *)octets + address_length) < 0) ||
        nla_put_u32(message, FRA_PRIORITY, priority) < 0 || nla_put_u32(message, FRA_TABLE, table) < 0 ||
        nla_put_u8(message, FRA_PROTOCOL, protocol) < 0) {
        nlmsg_free(message);
        return 0;
    }
    return message;
}

// RTM_GETRULE for the rules of a family. Null when there is no memory.
static inline struct nl_msg *vipd_build_rule_dump(int family) {
    struct fib_rule_hdr body = {.family = (uint8_t)family};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP);
    if (message && nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0) {
        nlmsg_free(message);
        message = 0;
    }
    return message;
}

// The sequence number that nl_send_auto gave the message.
static inline uint32_t vipd_sequence(struct nl_msg *message) {
    return nlmsg_hdr(message)->nlmsg_seq;
}

// Turns on what the answers need: the kernel's own text, and answers that do not repeat the request. Kernels without
// one of them refuse it, which loses only that.
static inline int vipd_want_explanations(int descriptor) {
    int on = 1;
    setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return setsockopt(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
}

#endif
