/* SPDX-License-Identifier: MIT */
#include "guest/gmem.h"

#include <string.h>

result_t gmem_init(struct gmem *g, uint64_t bytes, uint8_t **chunk) {
    if (bytes == 0 || bytes % LARGE_SIZE != 0)
        return fail(ERR_INVAL);
    *g = (struct gmem){
        .chunk = chunk,
        .nr_chunks = bytes / LARGE_SIZE,
        .nr_pages = bytes / PAGE_SIZE,
        .low_bytes = MIN(bytes, GMEM_LOW_MAX),
        .high_bytes = bytes - MIN(bytes, GMEM_LOW_MAX),
    };
    return OK;
}

result_t gmem_index(const struct gmem *g, gpa_t gpa, uint64_t *index) {
    if (gpa < g->low_bytes) {
        *index = gpa >> PAGE_SHIFT;
        return OK;
    }
    if (gpa >= GMEM_HIGH_START && gpa - GMEM_HIGH_START < g->high_bytes) {
        *index = (g->low_bytes + (gpa - GMEM_HIGH_START)) >> PAGE_SHIFT;
        return OK;
    }
    return fail(ERR_RANGE);
}

gpa_t gmem_gpa(const struct gmem *g, uint64_t index) {
    gpa_t linear = index << PAGE_SHIFT;
    return linear < g->low_bytes ? linear : GMEM_HIGH_START + (linear - g->low_bytes);
}

/* Is [gpa, gpa + len) inside one RAM range? An empty range is, wherever it starts. */
static bool is_ram(const struct gmem *g, gpa_t gpa, size_t len) {
    if (len == 0)
        return true;
    if (gpa < g->low_bytes)
        return len <= g->low_bytes - gpa;
    return gpa >= GMEM_HIGH_START && gpa - GMEM_HIGH_START < g->high_bytes &&
           len <= g->high_bytes - (gpa - GMEM_HIGH_START);
}

/* The part of [gpa, gpa + len) in gpa's page; sets the host address and, for writes, the dirty bit. */
static size_t page_part(const struct gmem *g, gpa_t gpa, size_t len, uint8_t **host, uint64_t *index) {
    size_t offset = gpa & (PAGE_SIZE - 1);
    uint64_t linear = gpa < g->low_bytes ? gpa : g->low_bytes + (gpa - GMEM_HIGH_START);
    *index = linear >> PAGE_SHIFT;
    *host = g->chunk[*index >> 9] + ((*index & 511) << PAGE_SHIFT) + offset;
    return MIN(len, PAGE_SIZE - offset);
}

result_t gmem_read(const struct gmem *g, gpa_t gpa, void *buf, size_t len) {
    if (!is_ram(g, gpa, len))
        return fail(ERR_RANGE);
    for (uint8_t *out = buf; len > 0;) {
        uint8_t *host;
        uint64_t index;
        size_t n = page_part(g, gpa, len, &host, &index);
        memcpy(out, host, n);
        out += n, gpa += n, len -= n;
    }
    return OK;
}

result_t gmem_write(struct gmem *g, gpa_t gpa, const void *buf, size_t len) {
    if (!is_ram(g, gpa, len))
        return fail(ERR_RANGE);
    for (const uint8_t *in = buf; len > 0;) {
        uint8_t *host;
        uint64_t index;
        size_t n = page_part(g, gpa, len, &host, &index);
        memcpy(host, in, n);
        gmem_mark_dirty(g, index);
        in += n, gpa += n, len -= n;
    }
    return OK;
}

result_t gmem_zero(struct gmem *g, gpa_t gpa, size_t len) {
    if (!is_ram(g, gpa, len))
        return fail(ERR_RANGE);
    while (len > 0) {
        uint8_t *host;
        uint64_t index;
        size_t n = page_part(g, gpa, len, &host, &index);
        memset(host, 0, n);
        gmem_mark_dirty(g, index);
        gpa += n, len -= n;
    }
    return OK;
}
