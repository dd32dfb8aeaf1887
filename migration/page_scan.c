/* SPDX-License-Identifier: MIT */
#include "migration/page_scan.h"

#define WORDS (PAGE_SIZE / 8)

#define OR4(i) (p[i] | p[(i) + 1] | p[(i) + 2] | p[(i) + 3])
#define OR16(i) (OR4(i) | OR4((i) + 4) | OR4((i) + 8) | OR4((i) + 12))

bool page_is_zero(const void *page) {
    const uint64_t *p = page, *end = p + WORDS;
    if (OR4(0) != 0) /* most pages with content end here */
        return false;
    for (; p < end; p += 32)
        if ((OR16(0) | OR16(16)) != 0)
            return false;
    return true;
}

static uint64_t mix(uint64_t index, uint64_t ab, uint64_t cd) {
    uint64_t h = (ab + (index + 1) * 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
    h = ((h ^ h >> 32) + cd) * 0x94d049bb133111ebull;
    h = ((h ^ h >> 29) + index) * 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

uint64_t page_hash_zero(uint64_t index) {
    return mix(index, 0, 0); /* a CRC that starts at 0 stays 0 over zeros */
}

#define CRC4(i)                                                                \
    __asm__("crc32q %4, %0\n\tcrc32q %5, %1\n\tcrc32q %6, %2\n\tcrc32q %7, %3" \
            : "+&r"(a), "+&r"(b), "+&r"(c), "+&r"(d)                           \
            : "m"(p[i]), "m"(p[(i) + 1]), "m"(p[(i) + 2]), "m"(p[(i) + 3]))
#define CRC16(i)        \
    do {                \
        CRC4(i);        \
        CRC4((i) + 4);  \
        CRC4((i) + 8);  \
        CRC4((i) + 12); \
    } while (0)

uint64_t page_hash(uint64_t index, const void *page) {
    const uint64_t *p = page, *end = p + WORDS;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; p < end; p += 32) {
        CRC16(0);
        CRC16(16);
    }
    return mix(index, a | b << 32, c | d << 32);
}
