/* SPDX-License-Identifier: MIT */
/* lwip_err.h - lwIP's err_t beside our result_t: the two lists share one name, ERR_TIMEOUT, which is ours.
 * Included before any header of lwIP. lwIP's stays reachable as LWIP_ERR_TIMEOUT. */
#ifndef NET_LWIP_ERR_H
#define NET_LWIP_ERR_H

#include "kernel/result.h"

#define ERR_TIMEOUT LWIP_ERR_TIMEOUT
#include "lwip/err.h"
#undef ERR_TIMEOUT

#endif
