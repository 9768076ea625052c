// Requests about whole interfaces: a macvlan is made, put up or down, described and removed. Each is put together by hand, as those about
// addresses are.
#ifndef VIPD_CNETLINK_LINKS_H
#define VIPD_CNETLINK_LINKS_H

#include "shim.h"
#include <linux/if.h>

// RTM_NEWLINK that creates and never replaces: a macvlan in bridge mode over the interface `parent`, with a hardware address of 6 octets. Null
// when there is no memory.
static inline struct nl_msg *vipd_build_macvlan(const char *name, uint32_t parent, const void *hardware) {
    struct ifinfomsg body = {.ifi_family = 0};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL);
    struct nlattr *information, *data;
    if (!message)
        return 0;
    if (nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 || nla_put_string(message, IFLA_IFNAME, name) < 0 ||
        nla_put_u32(message, IFLA_LINK, parent) < 0 || nla_put(message, IFLA_ADDRESS, 6, hardware) < 0 ||
        !(information = nla_nest_start(message, IFLA_LINKINFO)) || nla_put_string(message, IFLA_INFO_KIND, "macvlan") < 0 ||
        !(data = nla_nest_start(message, IFLA_INFO_DATA)) || nla_put_u32(message, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE) < 0) {
        nlmsg_free(message);
        return 0;
    }
    nla_nest_end(message, data);
    nla_nest_end(message, information);
    return message;
}

// RTM_GETLINK, RTM_SETLINK or RTM_DELLINK (`type`) of one interface, by its index or, where that is 0, by its name. `flags` are IFF_*, those
// in `change` alone. Null when there is no memory.
static inline struct nl_msg *vipd_build_link_request(int type, uint32_t index, const char *name, uint32_t flags, uint32_t change) {
    struct ifinfomsg body = {.ifi_family = 0, .ifi_index = (int)index, .ifi_flags = flags, .ifi_change = change};
    struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_REQUEST);
    if (message && (nlmsg_append(message, &body, sizeof body, NLMSG_ALIGNTO) < 0 ||
                    (name && nla_put_string(message, IFLA_IFNAME, name) < 0))) {
        nlmsg_free(message);
        message = 0;
    }
    return message;
}

// IFLA_IFALIAS. Negative when there is no memory.
static inline int vipd_add_alias(struct nl_msg *message, const char *alias, size_t length) {
    return nla_put(message, IFLA_IFALIAS, (int)length, alias);
}

// IPv4 settings of an interface: pairs of IPV4_DEVCONF_* (linux/ip.h) and a value. Negative when there is no memory.
static inline int vipd_add_ipv4_settings(struct nl_msg *message, const uint32_t *pairs, size_t count) {
    struct nlattr *families = nla_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *family = families ? nla_nest_start(message, AF_INET) : 0;
    struct nlattr *settings = family ? nla_nest_start(message, IFLA_INET_CONF) : 0;
    if (!settings)
        return -1;
    for (size_t place = 0; place < count; place++)
        if (nla_put_u32(message, (int)pairs[2 * place], pairs[2 * place + 1]) < 0)
            return -1;
    nla_nest_end(message, settings);
    nla_nest_end(message, family);
    nla_nest_end(message, families);
    return 0;
}

// IPv6 makes no link-local address by itself (IN6_ADDR_GEN_MODE_NONE). Negative when there is no memory.
static inline int vipd_add_no_own_addresses(struct nl_msg *message) {
    struct nlattr *families = nla_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *family = families ? nla_nest_start(message, AF_INET6) : 0;
    if (!family || nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE) < 0)
        return -1;
    nla_nest_end(message, family);
    nla_nest_end(message, families);
    return 0;
}

#endif
