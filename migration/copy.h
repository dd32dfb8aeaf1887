/* SPDX-License-Identifier: MIT */
/* copy.h - copy octets into a guest page in as few instructions as possible: `rep movsq`, one per 8 octets on
 * an emulator. Hosted builds use memcpy, so that sanitizers see the access. */
#ifndef MIGRATION_COPY_H
#define MIGRATION_COPY_H

#include "kernel/types.h"

#include <string.h>

static inline void copy_octets(void *to, const void *from, size_t len) {
#ifdef GODWIT_HOSTED
    memcpy(to, from, len);
#else
    size_t words = len / 8, rest = len % 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
#endif
}

static inline void zero_page(void *page) {
#ifdef GODWIT_HOSTED
    memset(page, 0, PAGE_SIZE);
#else
    size_t words = PAGE_SIZE / 8;
    __asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0ull) : "memory");
#endif
}

#endif
