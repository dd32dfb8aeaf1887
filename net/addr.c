/* SPDX-License-Identifier: MIT */
#include "net/addr.h"

#include <stdio.h>

/* A decimal number of at most max without leading zeros; moves *at behind it. */
static bool number(const char **at, uint32_t max, uint32_t *out) {
    const char *p = *at;
    uint32_t value = 0;
    if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint32_t)(*p - '0');
        if (value > max)
            return false;
    }
    *at = p;
    *out = value;
    return true;
}

static bool dotted(const char **at, uint32_t *out) {
    uint32_t ipv4 = 0, octet = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (i != 0 && *(*at)++ != '.')
            return false;
        if (!number(at, 255, &octet))
            return false;
        ipv4 = ipv4 << 8 | octet;
    }
    *out = ipv4;
    return true;
}

result_t net_ipv4_parse(const char *text, uint32_t *out) {
    uint32_t ipv4 = 0;
    if (!dotted(&text, &ipv4) || *text != '\0')
        return fail(ERR_INVAL);
    *out = ipv4;
    return OK;
}

result_t net_addr_parse(const char *text, uint16_t default_port, struct net_addr *out) {
    uint32_t ipv4 = 0, port = default_port;
    if (!dotted(&text, &ipv4))
        return fail(ERR_INVAL);
    if (*text == ':') {
        text++;
        if (!number(&text, UINT16_MAX, &port) || port == 0)
            return fail(ERR_INVAL);
    }
    if (*text != '\0')
        return fail(ERR_INVAL);
    *out = (struct net_addr){ipv4, (uint16_t)port};
    return OK;
}

const char *net_ipv4_format(uint32_t ipv4, char buf[NET_ADDR_TEXT_LEN]) {
    snprintf(buf, NET_ADDR_TEXT_LEN, "%u.%u.%u.%u", (unsigned)(ipv4 >> 24), (unsigned)(ipv4 >> 16 & 255),
             (unsigned)(ipv4 >> 8 & 255), (unsigned)(ipv4 & 255));
    return buf;
}

const char *net_addr_format(struct net_addr addr, char buf[NET_ADDR_TEXT_LEN]) {
    snprintf(buf, NET_ADDR_TEXT_LEN, "%u.%u.%u.%u:%u", (unsigned)(addr.ipv4 >> 24),
             (unsigned)(addr.ipv4 >> 16 & 255), (unsigned)(addr.ipv4 >> 8 & 255), (unsigned)(addr.ipv4 & 255),
             (unsigned)addr.port);
    return buf;
}
