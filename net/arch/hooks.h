/* SPDX-License-Identifier: MIT */
/* hooks.h - functions that lwIP calls instead of its own. Included by lwIP only. */
#ifndef NET_ARCH_HOOKS_H
#define NET_ARCH_HOOKS_H

#include "lwip/ip_addr.h"

/* Initial sequence numbers that nobody can guess: RFC 6528, section 3 "Proposed Initial Sequence Number
 * Generation Algorithm". */
u32_t net_tcp_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port);
#define LWIP_HOOK_TCP_ISN net_tcp_isn

#endif
