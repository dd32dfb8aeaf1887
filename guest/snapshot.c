/* SPDX-License-Identifier: MIT */
#include "guest/snapshot.h"

#include <string.h>

void snap_begin_save(struct snap *s, void *buf, size_t cap) {
    *s = (struct snap){.buf = buf, .cap = cap, .loading = false, .status = OK};
}

void snap_begin_load(struct snap *s, const void *buf, size_t len) {
    *s = (struct snap){.buf = (uint8_t *)(uintptr_t)buf, .cap = len, .loading = true, .status = OK};
}

/* Room for len bytes at the current position, or NULL with the status set. */
static uint8_t *claim(struct snap *s, size_t len) {
    if (s->status != OK)
        return NULL;
    if (len > s->cap - s->pos) {
        s->status = s->loading ? ERR_CORRUPT : ERR_FULL;
        return NULL;
    }
    uint8_t *p = s->buf + s->pos;
    s->pos += len;
    return p;
}

/* An integer of `size` octets, little-endian; returns the value to keep. */
static uint64_t field(struct snap *s, uint64_t value, size_t size) {
    uint8_t *p = claim(s, size);
    if (p == NULL)
        return value;
    if (s->loading) {
        value = 0;
        for (size_t i = 0; i < size; i++)
            value |= (uint64_t)p[i] << (8 * i);
    } else {
        for (size_t i = 0; i < size; i++)
            p[i] = (uint8_t)(value >> (8 * i));
    }
    return value;
}

void snap_u8(struct snap *s, uint8_t *v) {
    *v = (uint8_t)field(s, *v, 1);
}

void snap_u16(struct snap *s, uint16_t *v) {
    *v = (uint16_t)field(s, *v, 2);
}

void snap_u32(struct snap *s, uint32_t *v) {
    *v = (uint32_t)field(s, *v, 4);
}

void snap_u64(struct snap *s, uint64_t *v) {
    *v = field(s, *v, 8);
}

void snap_bool(struct snap *s, bool *v) {
    uint64_t value = field(s, *v ? 1 : 0, 1);
    snap_require(s, value <= 1);
    *v = value == 1;
}

void snap_bytes(struct snap *s, void *v, size_t len) {
    uint8_t *p = claim(s, len);
    if (p == NULL)
        return;
    if (s->loading)
        memcpy(v, p, len);
    else
        memcpy(p, v, len);
}

void snap_require(struct snap *s, bool condition) {
    if (s->loading && s->status == OK && !condition)
        s->status = ERR_CORRUPT;
}

result_t snap_end(struct snap *s, size_t *used) {
    if (s->status == OK && s->loading && s->pos != s->cap)
        s->status = ERR_CORRUPT;
    if (s->status == OK && used != NULL)
        *used = s->pos;
    return s->status;
}
