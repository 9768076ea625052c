// libpcap. The inline functions keep errno, which libpcap only puts into words.
#ifndef VIPD_CPCAP_SHIM_H
#define VIPD_CPCAP_SHIM_H

#include <errno.h>
#include <pcap/pcap.h>

// pcap_inject(3PCAP): 0, or the errno of the send.
static inline int vipd_inject(pcap_t *capture, const void *bytes, size_t length) {
    errno = 0;
    if (pcap_inject(capture, bytes, length) >= 0)
        return 0;
    return errno ? errno : EIO;
}

#endif
