/* SPDX-License-Identifier: MIT */
/* types.h - the words that every part shares: address spaces, page sizes, small helpers. */
#ifndef KERNEL_TYPES_H
#define KERNEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gpa_t; /* guest-physical address */
typedef uint64_t hpa_t; /* host-physical address */

#define PAGE_SHIFT 12u
#define PAGE_SIZE 4096ul
#define LARGE_SHIFT 21u
#define LARGE_SIZE (1ul << LARGE_SHIFT) /* 2 MiB */
#define HUGE_SHIFT 30u
#define HUGE_SIZE (1ul << HUGE_SHIFT) /* 1 GiB */

#define KIB (1ul << 10)
#define MIB (1ul << 20)
#define GIB (1ul << 30)

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_USEC 1000ull

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + ((a)-1)) & ~((a)-1)) /* a: power of two */
#define ALIGN_DOWN(x, a) ((x) & ~((a)-1))
#define BIT(n) (1ull << (n))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define PACKED __attribute__((packed))
#define NORETURN __attribute__((noreturn))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
