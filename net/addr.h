/* SPDX-License-Identifier: MIT */
/* addr.h - IPv4 addresses as text. net_addr_parse is declared in net/stream.h. Pure. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include "net/stream.h"

#define NET_ADDR_TEXT_LEN 24 /* "255.255.255.255:65535" and the end mark */

/* net_ipv4_parse - exactly four decimal octets, "10.0.0.2". ERR_INVAL otherwise. */
result_t net_ipv4_parse(const char *text, uint32_t *out) MUST_CHECK;
/* net_ipv4_format, net_addr_format - into buf; returns buf. */
const char *net_ipv4_format(uint32_t ipv4, char buf[NET_ADDR_TEXT_LEN]);
const char *net_addr_format(struct net_addr addr, char buf[NET_ADDR_TEXT_LEN]);

#endif
