/* SPDX-License-Identifier: MIT */
/* snapshot.h - one field list per device, used to save and to load.
 * A device writes `void vfoo_snapshot(struct vfoo *, struct snap *)` that names each field once, in order.
 * Saving appends little-endian fields; loading reads them back; errors stick in snap->status and later calls do nothing.
 * - snap_begin_save / snap_begin_load: bind a buffer.
 * - snap_u8 .. snap_u64, snap_bool, snap_bytes: one field.
 * - snap_require: a loaded value must satisfy a condition (bounds!), else ERR_CORRUPT. No-op while saving.
 * - snap_end: the result; loading must have consumed every byte.
 * Save, load and save again must give identical bytes. Loading must not run reset code afterwards. */
#ifndef GUEST_SNAPSHOT_H
#define GUEST_SNAPSHOT_H

#include "kernel/result.h"

struct snap {
    uint8_t *buf;
    size_t cap; /* bytes available */
    size_t pos; /* bytes used so far */
    bool loading;
    result_t status;
};

void snap_begin_save(struct snap *s, void *buf, size_t cap);
void snap_begin_load(struct snap *s, const void *buf, size_t len);
void snap_u8(struct snap *s, uint8_t *v);
void snap_u16(struct snap *s, uint16_t *v);
void snap_u32(struct snap *s, uint32_t *v);
void snap_u64(struct snap *s, uint64_t *v);
void snap_bool(struct snap *s, bool *v); /* one octet, 0 or 1; anything else is ERR_CORRUPT */
void snap_bytes(struct snap *s, void *v, size_t len);
void snap_require(struct snap *s, bool condition);

/* snap_end - OK, ERR_FULL (save: buffer too small), ERR_CORRUPT (load: short, long, or out of bounds).
 * used: bytes written or read; may be NULL. */
result_t snap_end(struct snap *s, size_t *used) MUST_CHECK;

#endif
