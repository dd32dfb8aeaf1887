/* SPDX-License-Identifier: MIT */
#include "guest/vmsr_mtrr.h"

#define DEF_TYPE_WRITABLE (MTRR_DEF_TYPE_MASK | MTRR_DEF_TYPE_FE | MTRR_DEF_TYPE_E)
#define EIGHT(type) ((type)*0x0101010101010101ull)
#define VGA_RANGE 2u /* FIX16K_A0000 */
#define VAR_LAST (MSR_IA32_MTRR_PHYSBASE0 + 2 * VMSR_NR_VAR_MTRRS - 1)

void vmsr_mtrr_init(struct vmsr *m) {
    uint64_t phys_mask = BIT(vcpuid_phys_bits(m->cpuid)) - 1;
    m->mtrr_def_type = MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE | MEMTYPE_WB;
    for (unsigned i = 0; i < VMSR_NR_FIXED_MTRRS; i++)
        m->mtrr_fixed[i] = EIGHT(i == VGA_RANGE ? MEMTYPE_UC : MEMTYPE_WB);
    m->mtrr_var[0] = 3 * GIB | MEMTYPE_UC; /* devices: [3 GiB, 4 GiB) */
    m->mtrr_var[1] = (phys_mask & ~(GIB - 1)) | MTRR_PHYSMASK_VALID;
}

/* FIX64K, the two FIX16K and the eight FIX4K in this order; NULL for another number. */
static uint64_t *fixed_of(struct vmsr *m, uint32_t msr) {
    if (msr == MSR_IA32_MTRR_FIX64K_00000)
        return &m->mtrr_fixed[0];
    if (msr == MSR_IA32_MTRR_FIX16K_80000 || msr == MSR_IA32_MTRR_FIX16K_A0000)
        return &m->mtrr_fixed[1 + msr - MSR_IA32_MTRR_FIX16K_80000];
    if (msr >= MSR_IA32_MTRR_FIX4K_C0000 && msr <= MSR_IA32_MTRR_FIX4K_F8000)
        return &m->mtrr_fixed[3 + msr - MSR_IA32_MTRR_FIX4K_C0000];
    return NULL;
}

static uint64_t *register_of(struct vmsr *m, uint32_t msr) {
    if (msr == MSR_IA32_MTRR_DEF_TYPE)
        return &m->mtrr_def_type;
    if (msr >= MSR_IA32_MTRR_PHYSBASE0 && msr <= VAR_LAST)
        return &m->mtrr_var[msr - MSR_IA32_MTRR_PHYSBASE0];
    return fixed_of(m, msr);
}

static bool is_type(uint64_t type) {
    return type <= MEMTYPE_WB && type != 2 && type != 3;
}

static bool is_valid(const struct vmsr *m, uint32_t msr, uint64_t value) {
    uint64_t beyond = ~(BIT(vcpuid_phys_bits(m->cpuid)) - 1);
    if (msr == MSR_IA32_MTRR_DEF_TYPE)
        return (value & ~DEF_TYPE_WRITABLE) == 0 && is_type(value & MTRR_DEF_TYPE_MASK);
    if (msr <= VAR_LAST && (msr & 1) == 0)
        return (value & (beyond | 0xf00)) == 0 && is_type(value & 0xff);
    if (msr <= VAR_LAST)
        return (value & (beyond | 0x7ff)) == 0;
    for (unsigned i = 0; i < 8; i++)
        if (!is_type(value >> (8 * i) & 0xff))
            return false;
    return true;
}

bool vmsr_mtrr_read(struct vmsr *m, uint32_t msr, uint64_t *value) {
    const uint64_t *reg = register_of(m, msr);
    if (reg == NULL)
        return false;
    *value = *reg;
    return true;
}

bool vmsr_mtrr_write(struct vmsr *m, uint32_t msr, uint64_t value) {
    uint64_t *reg = register_of(m, msr);
    if (reg == NULL || !is_valid(m, msr, value))
        return false;
    *reg = value;
    return true;
}
