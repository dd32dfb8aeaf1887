/* SPDX-License-Identifier: MIT */
/* vmcs.h - the current VMCS's fields, one C type per width so that a width error does not compile.
 * - VMCS_<NAME> constants from vmcs_fields.def; vmcs_read_{16,32,64,nat}, vmcs_write_{16,32,64,nat}.
 * - vmcs_load / vmcs_clear: VMPTRLD, VMCLEAR.   - vmcs_dump: every field to a line function, for a VM that stopped.
 * Context: VMX root operation; the VMCS current on this CPU.
 * Source: SDM Vol. 3C, chapter 24 "Virtual Machine Control Structures". */
#ifndef VMX_VMCS_H
#define VMX_VMCS_H

#include "kernel/types.h"

typedef struct { uint32_t enc; } vmcs_16_t;
typedef struct { uint32_t enc; } vmcs_32_t;
typedef struct { uint32_t enc; } vmcs_64_t;
typedef struct { uint32_t enc; } vmcs_nat_t;

enum { VMCS_WIDTH_16 = 0, VMCS_WIDTH_64 = 1, VMCS_WIDTH_32 = 2, VMCS_WIDTH_nat = 3 };

/* The bare encodings, for tables of fields. */
enum vmcs_encoding {
#define VMCS_FIELD(width, name, encoding) VMCS_ENC_##name = (encoding),
#include "vmx/vmcs_fields.def"
#undef VMCS_FIELD
};

#define VMCS_FIELD(width, name, encoding)                                                                  \
    _Static_assert((((encoding) >> 13) & 3) == VMCS_WIDTH_##width, "width of VMCS field " #name);         \
    static const vmcs_##width##_t VMCS_##name = {encoding};
#include "vmx/vmcs_fields.def"
#undef VMCS_FIELD

static inline uint64_t vmcs_read_raw(uint64_t enc) {
    uint64_t v;
    __asm__ volatile("vmread %1, %0" : "=rm"(v) : "r"(enc) : "cc");
    return v;
}

static inline void vmcs_write_raw(uint64_t enc, uint64_t v) {
    __asm__ volatile("vmwrite %1, %0" : : "r"(enc), "rm"(v) : "cc", "memory");
}

#define VMCS_ACCESSORS(width, type)                                        \
    static inline type vmcs_read_##width(vmcs_##width##_t f) {             \
        return (type)vmcs_read_raw(f.enc);                                 \
    }                                                                      \
    static inline void vmcs_write_##width(vmcs_##width##_t f, type v) {    \
        vmcs_write_raw(f.enc, v);                                          \
    }
VMCS_ACCESSORS(16, uint16_t)
VMCS_ACCESSORS(32, uint32_t)
VMCS_ACCESSORS(64, uint64_t)
VMCS_ACCESSORS(nat, uint64_t)

static inline bool vmcs_load(hpa_t pa) {
    bool fail;
    __asm__ volatile("vmptrld %1" : "=@ccna"(fail) : "m"(pa) : "memory");
    return !fail;
}

static inline bool vmcs_clear(hpa_t pa) {
    bool fail;
    __asm__ volatile("vmclear %1" : "=@ccna"(fail) : "m"(pa) : "memory");
    return !fail;
}

void vmcs_dump(void (*line)(const char *text));

#endif
