/* SPDX-License-Identifier: MIT */
/* cc.h - lwIP's view of the compiler and of Godwit. Included by lwIP only. */
#ifndef NET_ARCH_CC_H
#define NET_ARCH_CC_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "net/copy.h"

#define LWIP_NO_UNISTD_H 1
#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX /* or lwIP makes its own ssize_t */
#endif
#define LWIP_TIMEVAL_PRIVATE 0
#ifndef BYTE_ORDER
#define BYTE_ORDER 1234 /* LITTLE_ENDIAN */
#endif

uint32_t net_random32(void);
void net_lwip_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void net_lwip_assert(const char *text, const char *file, int line) __attribute__((noreturn));
void *net_mem_alloc(size_t len);
void *net_mem_calloc(size_t count, size_t len);
void net_mem_free(void *p);
uint16_t net_lwip_checksum(const void *data, int len);

#define LWIP_RAND() net_random32()
#define LWIP_PLATFORM_DIAG(x) net_lwip_diag x
#define LWIP_PLATFORM_ASSERT(x) net_lwip_assert(x, __FILE__, __LINE__)
#define MEMCPY(dst, src, len) net_copy(dst, src, len)

#define lwip_htons(x) __builtin_bswap16((uint16_t)(x))
#define lwip_htonl(x) __builtin_bswap32((uint32_t)(x))
#define lwip_ntohs(x) __builtin_bswap16((uint16_t)(x))
#define lwip_ntohl(x) __builtin_bswap32((uint32_t)(x))

#endif
