#define _GNU_SOURCE
#include "filter.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <sys/socket.h>

// Where a jump leads that is not known yet.
enum { SUSPECT = 254, PASS = 255 };

struct program {
    struct sock_filter code[160];
    unsigned length;
};

static void add(struct program *program, uint16_t code, uint32_t value) {
    program->code[program->length++] = (struct sock_filter)BPF_STMT(code, value);
}

static void jump(struct program *program, uint16_t code, uint32_t value, uint8_t when_true, uint8_t when_false) {
    program->code[program->length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | code | BPF_K, value, when_true, when_false);
}

// A jump over `distance` instructions, or to one of the ends.
static uint8_t target(uint8_t jump, unsigned place, unsigned suspect, unsigned pass) {
    if (jump == SUSPECT) return (uint8_t)(suspect - place - 1);
    return jump == PASS ? (uint8_t)(pass - place - 1) : jump;
}

static int attach(int descriptor, struct program *program, unsigned suspect, unsigned pass) {
    for (unsigned place = 0; place < program->length; place++) {
        struct sock_filter *step = &program->code[place];
        if (BPF_CLASS(step->code) != BPF_JMP || BPF_OP(step->code) == BPF_JA) continue;
        step->jt = target(step->jt, place, suspect, pass);
        step->jf = target(step->jf, place, suspect, pass);
    }
    struct sock_fprog request = {.len = (unsigned short)program->length, .filter = program->code};
    return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &request, sizeof request);
}

int vipd_attach_filter(int descriptor, bool ipv6, const struct vipd_expected *expected, uint32_t one_in) {
    struct program program = {.length = 0};
    // X: where the VRRP message begins. IPv4 sockets see the packet from its header on, IPv6 sockets from the message on.
    if (ipv6)
        add(&program, BPF_LDX | BPF_IMM, 0);
    else
        add(&program, BPF_LDX | BPF_B | BPF_MSH, 0);
    // A load behind the end would drop the packet whatever its luck.
    add(&program, BPF_LD | BPF_W | BPF_LEN, 0);
    add(&program, BPF_ALU | BPF_SUB | BPF_X, 0);
    jump(&program, BPF_JGE, 0x80000000, SUSPECT, 0);
    jump(&program, BPF_JGE, 8, 0, SUSPECT);
    add(&program, BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF + (ipv6 ? 7 : 8));
    jump(&program, BPF_JGE, expected->least_hops, 0, SUSPECT);
    add(&program, BPF_LD | BPF_B | BPF_IND, 0);
    jump(&program, BPF_JEQ, expected->first_octets[0], 1, 0);
    jump(&program, BPF_JEQ, expected->first_octets[1], 0, SUSPECT);
    // The word of the table, chosen by the upper three bits of the VRID, shifted by the lower five.
    add(&program, BPF_LD | BPF_B | BPF_IND, 1);
    add(&program, BPF_ST, 0);
    add(&program, BPF_ALU | BPF_AND | BPF_K, 31);
    add(&program, BPF_MISC | BPF_TAX, 0);
    add(&program, BPF_LD | BPF_MEM, 0);
    add(&program, BPF_ALU | BPF_RSH | BPF_K, 5);
    for (uint32_t word = 0; word < 7; word++) {
        jump(&program, BPF_JEQ, word, 0, 2);
        add(&program, BPF_LD | BPF_IMM, expected->vrids[word]);
        // Over the three of each word that follows, and the load of the last.
        add(&program, BPF_JMP | BPF_JA, (6 - word) * 3 + 1);
    }
    add(&program, BPF_LD | BPF_IMM, expected->vrids[7]);
    add(&program, BPF_ALU | BPF_RSH | BPF_X, 0);
    jump(&program, BPF_JSET, 1, PASS, SUSPECT);
    unsigned suspect = program.length;
    add(&program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
    jump(&program, BPF_JSET, one_in - 1, 1, 0);
    unsigned pass = program.length;
    add(&program, BPF_RET | BPF_K, 0xFFFFFFFF);
    add(&program, BPF_RET | BPF_K, 0);
    return attach(descriptor, &program, suspect, pass);
}

// Puts into A and X where the attribute `type` of an address message begins; away to the end where it is not there.
static void find_attribute(struct program *program, uint32_t type) {
    enum { HEADERS = 24 };  // struct nlmsghdr, struct ifaddrmsg
    add(program, BPF_LD | BPF_IMM, HEADERS);
    add(program, BPF_LDX | BPF_IMM, type);
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR));
    jump(program, BPF_JEQ, 0, PASS, 0);
    add(program, BPF_MISC | BPF_TAX, 0);
}

int vipd_ignore_renewals(int descriptor, uint8_t tag) {
    enum { VIPD_IFA_PROTO = 11, HEADER = 4 };
    struct program program = {.length = 0};
    // Loads take the octets for a number in network order, and netlink has them in the host's.
    add(&program, BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type));
    jump(&program, BPF_JEQ, htons(RTM_NEWADDR), 0, PASS);
    find_attribute(&program, VIPD_IFA_PROTO);
    add(&program, BPF_LD | BPF_B | BPF_IND, HEADER);
    jump(&program, BPF_JEQ, tag, 0, PASS);
    find_attribute(&program, IFA_FLAGS);
    add(&program, BPF_LD | BPF_W | BPF_IND, HEADER);
    jump(&program, BPF_JSET, htonl(IFA_F_DADFAILED | IFA_F_TENTATIVE), PASS, 0);
    find_attribute(&program, IFA_CACHEINFO);
    add(&program, BPF_LD | BPF_W | BPF_IND, HEADER + offsetof(struct ifa_cacheinfo, cstamp));
    add(&program, BPF_ST, 0);
    add(&program, BPF_LD | BPF_W | BPF_IND, HEADER + offsetof(struct ifa_cacheinfo, tstamp));
    add(&program, BPF_LDX | BPF_MEM, 0);
    program.code[program.length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, PASS, 0);
    add(&program, BPF_RET | BPF_K, 0);
    unsigned pass = program.length;
    add(&program, BPF_RET | BPF_K, 0xFFFFFFFF);
    return attach(descriptor, &program, pass, pass);
}

int vipd_hear_removals(int descriptor, uint32_t own_port, const uint8_t *lengths, size_t count) {
    enum { HEADER = sizeof(struct nlmsghdr) };
    struct program program = {.length = 0};
    add(&program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid));
    jump(&program, BPF_JEQ, htonl(own_port), SUSPECT, 0);
    add(&program, BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type));
    jump(&program, BPF_JEQ, htons(RTM_DELRULE), PASS, 0);
    jump(&program, BPF_JEQ, htons(RTM_DELROUTE), 3, 0);
    jump(&program, BPF_JEQ, htons(RTM_NEWROUTE), 0, SUSPECT);
    add(&program, BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_flags));
    jump(&program, BPF_JSET, htons(NLM_F_REPLACE | NLM_F_APPEND), 0, SUSPECT);
    add(&program, BPF_LD | BPF_B | BPF_ABS, HEADER + offsetof(struct rtmsg, rtm_dst_len));
    for (size_t place = 0; place < count && place < 129; place++) jump(&program, BPF_JEQ, lengths[place], PASS, 0);
    unsigned suspect = program.length;
    add(&program, BPF_RET | BPF_K, 0);
    unsigned pass = program.length;
    add(&program, BPF_RET | BPF_K, 0xFFFFFFFF);
    return attach(descriptor, &program, suspect, pass);
}

void vipd_detach_filter(int descriptor) {
    int unused = 0;
    setsockopt(descriptor, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
}
