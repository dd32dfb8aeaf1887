/* SPDX-License-Identifier: MIT */
/* copy.h - memcpy for packet data: long ones in eight-octet string moves, which count one step per element on
 * emulated machines and run at full width on real ones. */
#ifndef NET_COPY_H
#define NET_COPY_H

#include <stddef.h>
#include <string.h>

#define NET_COPY_STRING_MIN 64u

static inline void *net_copy(void *dst, const void *src, size_t len) {
    if (__builtin_constant_p(len) || len < NET_COPY_STRING_MIN)
        return memcpy(dst, src, len);
    void *d = dst;
    const void *s = src;
    size_t words = len / 8, rest = len % 8;
    __asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(rest) : : "memory");
    return dst;
}

#endif
