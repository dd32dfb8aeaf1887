/* SPDX-License-Identifier: MIT */
/* vmsr.c - one table of all MSRs that a guest may touch, sorted by number; each row is a constant, a pair of
 * functions, the vCPU's own, or known to be absent. */
#include "guest/vmsr.h"

#include <string.h>

#include "guest/vmsr_mtrr.h"
#include "kernel/log.h"

enum row_kind {
    ROW_CONSTANT = 1, /* reads as `value`; a write is #GP */
    ROW_IGNORED,      /* reads as `value`; a write is dropped */
    ROW_VCPU,         /* lives in the VMCS or in the CPU */
    ROW_ABSENT,       /* #GP; kernels probe for it, so no log line */
    ROW_FUNCTIONS
};

struct row {
    uint32_t first, last;
    enum row_kind kind;
    uint64_t value;
    bool (*read)(struct vmsr *m, uint32_t msr, uint64_t *value); /* false = #GP */
    bool (*write)(struct vmsr *m, uint32_t msr, uint64_t value); /* NULL = #GP */
};

#define MISC_ENABLE_RESET (MISC_ENABLE_FAST_STRING | MISC_ENABLE_BTS_UNAVAIL | MISC_ENABLE_PEBS_UNAVAIL)
#define MISC_ENABLE_WRITABLE MISC_ENABLE_FAST_STRING
#define MTRRCAP (VMSR_NR_VAR_MTRRS | MTRRCAP_FIX | MTRRCAP_WC)
#define PERF_STATUS (1000ull | 4ull << 40) /* a ratio and voltage that stock kernels only print */

static bool read_tsc(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)msr;
    *value = vclock_tsc(m->lapic->clock) + m->lapic->tsc_adjust;
    return true;
}

static void set_adjust(struct vmsr *m, uint64_t adjust) {
    vlapic_set_tsc_adjust(m->lapic, adjust);
    if (m->ops.set_tsc_adjust != NULL)
        m->ops.set_tsc_adjust(m->ops.ctx, adjust);
}

static bool write_tsc(struct vmsr *m, uint32_t msr, uint64_t value) {
    (void)msr;
    set_adjust(m, value - vclock_tsc(m->lapic->clock));
    return true;
}

static bool read_tsc_adjust(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)msr;
    *value = m->lapic->tsc_adjust;
    return vcpuid_has(m->cpuid, VCPUID_7_0_EBX, CPUID_7_EBX_TSC_ADJUST);
}

static bool write_tsc_adjust(struct vmsr *m, uint32_t msr, uint64_t value) {
    (void)msr;
    if (!vcpuid_has(m->cpuid, VCPUID_7_0_EBX, CPUID_7_EBX_TSC_ADJUST))
        return false;
    set_adjust(m, value);
    return true;
}

static bool read_apic_base(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)msr;
    *value = m->lapic->base;
    return true;
}

static bool write_apic_base(struct vmsr *m, uint32_t msr, uint64_t value) {
    (void)msr;
    return vlapic_write_base(m->lapic, value, vcpuid_phys_bits(m->cpuid));
}

static bool read_microcode(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)msr;
    *value = (uint64_t)m->cpuid->microcode << 32;
    return true;
}

static bool write_nothing(struct vmsr *m, uint32_t msr, uint64_t value) {
    (void)m, (void)msr, (void)value;
    return true;
}

static uint64_t spec_ctrl_bits(const struct vmsr *m) {
    uint64_t bits = 0;
    if (vcpuid_has(m->cpuid, VCPUID_7_0_EDX, CPUID_7_EDX_IBRS_IBPB))
        bits |= SPEC_CTRL_IBRS;
    if (vcpuid_has(m->cpuid, VCPUID_7_0_EDX, CPUID_7_EDX_STIBP))
        bits |= SPEC_CTRL_STIBP;
    if (vcpuid_has(m->cpuid, VCPUID_7_0_EDX, CPUID_7_EDX_SSBD))
        bits |= SPEC_CTRL_SSBD;
    return bits;
}

static bool read_spec_ctrl(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)msr;
    *value = m->spec_ctrl;
    return spec_ctrl_bits(m) != 0;
}

static bool apply_spec(struct vmsr *m, uint32_t msr, uint64_t value) {
    if (m->ops.spec_write != NULL)
        m->ops.spec_write(m->ops.ctx, msr, value);
    return true;
}

static bool write_spec_ctrl(struct vmsr *m, uint32_t msr, uint64_t value) {
    uint64_t allowed = spec_ctrl_bits(m);
    if (allowed == 0 || (value & ~allowed) != 0)
        return false;
    m->spec_ctrl = value;
    return apply_spec(m, msr, value);
}

static bool read_nothing(struct vmsr *m, uint32_t msr, uint64_t *value) { /* write-only */
    (void)m, (void)msr, (void)value;
    return false;
}

static bool write_pred_cmd(struct vmsr *m, uint32_t msr, uint64_t value) {
    if (!vcpuid_has(m->cpuid, VCPUID_7_0_EDX, CPUID_7_EDX_IBRS_IBPB) || (value & ~PRED_CMD_IBPB) != 0)
        return false;
    return apply_spec(m, msr, value);
}

static bool write_flush_cmd(struct vmsr *m, uint32_t msr, uint64_t value) {
    if (!vcpuid_has(m->cpuid, VCPUID_7_0_EDX, CPUID_7_EDX_L1D_FLUSH) || (value & ~FLUSH_CMD_L1D) != 0)
        return false;
    return apply_spec(m, msr, value);
}

static bool read_arch_capabilities(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)msr;
    *value = m->cpuid->words[VCPUID_ARCH_CAP];
    return vcpuid_has(m->cpuid, VCPUID_7_0_EDX, CPUID_7_EDX_ARCH_CAPABILITIES);
}

static bool read_mcg_status(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)msr;
    *value = m->mcg_status;
    return true;
}

static bool write_mcg_status(struct vmsr *m, uint32_t msr, uint64_t value) {
    (void)msr;
    m->mcg_status = value;
    return true;
}

static bool read_misc_enable(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)msr;
    *value = m->misc_enable;
    return true;
}

static bool write_misc_enable(struct vmsr *m, uint32_t msr, uint64_t value) {
    (void)msr;
    m->misc_enable = (m->misc_enable & ~MISC_ENABLE_WRITABLE) | (value & MISC_ENABLE_WRITABLE);
    return true;
}

static bool write_zero_only(struct vmsr *m, uint32_t msr, uint64_t value) {
    (void)m, (void)msr;
    return value == 0;
}

static bool read_zero(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)m, (void)msr;
    *value = 0;
    return true;
}

/* Debug facilities that no vCPU has: asking for them is harmless, other bits are #GP. */
static bool write_debugctl(struct vmsr *m, uint32_t msr, uint64_t value) {
    (void)m, (void)msr;
    return (value & ~(DEBUGCTL_LBR | DEBUGCTL_BTF)) == 0;
}

static bool read_deadline(struct vmsr *m, uint32_t msr, uint64_t *value) {
    (void)msr;
    *value = vlapic_read_tsc_deadline(m->lapic);
    return true;
}

static bool read_kvm(struct vmsr *m, uint32_t msr, uint64_t *value) {
    return m->ops.kvm_read != NULL && m->ops.kvm_read(m->ops.ctx, msr, value);
}

static bool write_kvm(struct vmsr *m, uint32_t msr, uint64_t value) {
    return m->ops.kvm_write != NULL && m->ops.kvm_write(m->ops.ctx, msr, value);
}


#define FN(first, last, read, write) \
    { (first), (last), ROW_FUNCTIONS, 0, (read), (write) }
#define CONSTANT(msr, value) \
    { (msr), (msr), ROW_CONSTANT, (value), NULL, NULL }
#define IGNORED(first, last, value) \
    { (first), (last), ROW_IGNORED, (value), NULL, NULL }
#define VCPU(first, last) \
    { (first), (last), ROW_VCPU, 0, NULL, NULL }
#define ABSENT(first, last) \
    { (first), (last), ROW_ABSENT, 0, NULL, NULL }

/* Sorted by number, without overlaps: test_vmsr.c checks it through vmsr_table_is_sorted. */
static const struct row rows[] = {
    IGNORED(MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE, 0),
    FN(MSR_IA32_TSC, MSR_IA32_TSC, read_tsc, write_tsc),
    FN(MSR_KVM_WALL_CLOCK_OLD, MSR_KVM_SYSTEM_TIME_OLD, read_kvm, write_kvm),
    CONSTANT(MSR_IA32_PLATFORM_ID, 0),
    FN(MSR_IA32_APIC_BASE, MSR_IA32_APIC_BASE, read_apic_base, write_apic_base),
    IGNORED(MSR_EBL_CR_POWERON, MSR_EBL_CR_POWERON, 0),
    ABSENT(MSR_TEST_CTRL, MSR_TEST_CTRL),
    CONSTANT(MSR_SMI_COUNT, 0),
    ABSENT(MSR_CORE_THREAD_COUNT, MSR_CORE_THREAD_COUNT),
    CONSTANT(MSR_IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK), /* locked, without VMX and SGX */
    FN(MSR_IA32_TSC_ADJUST, MSR_IA32_TSC_ADJUST, read_tsc_adjust, write_tsc_adjust),
    FN(MSR_IA32_SPEC_CTRL, MSR_IA32_SPEC_CTRL, read_spec_ctrl, write_spec_ctrl),
    FN(MSR_IA32_PRED_CMD, MSR_IA32_PRED_CMD, read_nothing, write_pred_cmd),
    FN(MSR_IA32_BIOS_UPDT_TRIG, MSR_IA32_BIOS_UPDT_TRIG, read_nothing, write_nothing), /* no update takes */
    FN(MSR_IA32_BIOS_SIGN_ID, MSR_IA32_BIOS_SIGN_ID, read_microcode, write_nothing),
    ABSENT(MSR_IA32_PMC0, MSR_IA32_PMC0 + 7),
    ABSENT(MSR_FSB_FREQ, MSR_FSB_FREQ),
    CONSTANT(MSR_PLATFORM_INFO, 0), /* no CPUID faulting */
    ABSENT(MSR_IA32_CORE_CAPABILITIES, MSR_IA32_CORE_CAPABILITIES),
    ABSENT(MSR_PKG_CST_CONFIG_CONTROL, MSR_PMG_IO_CAPTURE_BASE),
    ABSENT(MSR_IA32_MPERF, MSR_IA32_APERF),
    CONSTANT(MSR_IA32_MTRRCAP, MTRRCAP),
    FN(MSR_IA32_ARCH_CAPABILITIES, MSR_IA32_ARCH_CAPABILITIES, read_arch_capabilities, NULL),
    FN(MSR_IA32_FLUSH_CMD, MSR_IA32_FLUSH_CMD, read_nothing, write_flush_cmd),
    IGNORED(MSR_BBL_CR_CTL3, MSR_BBL_CR_CTL3, 0xbe702111), /* an L2 cache that is there and enabled */
    ABSENT(MSR_IA32_TSX_CTRL, MSR_IA32_MCU_OPT_CTRL),
    FN(MSR_MISC_FEATURES_ENABLES, MSR_MISC_FEATURES_ENABLES, read_zero, write_zero_only),
    VCPU(MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_EIP),
    CONSTANT(MSR_IA32_MCG_CAP, 0), /* no banks */
    FN(MSR_IA32_MCG_STATUS, MSR_IA32_MCG_STATUS, read_mcg_status, write_mcg_status),
    ABSENT(MSR_IA32_PERFEVTSEL0, MSR_IA32_PERFEVTSEL0 + 7),
    IGNORED(MSR_IA32_PERF_STATUS, MSR_IA32_PERF_STATUS, PERF_STATUS),
    IGNORED(MSR_IA32_PERF_CTL, MSR_IA32_PERF_CTL, 0),
    ABSENT(MSR_IA32_CLOCK_MODULATION, MSR_IA32_THERM_STATUS),
    FN(MSR_IA32_MISC_ENABLE, MSR_IA32_MISC_ENABLE, read_misc_enable, write_misc_enable),
    ABSENT(MSR_MISC_FEATURE_CONTROL, MSR_OFFCORE_RSP_1),
    ABSENT(MSR_MISC_PWR_MGMT, MSR_TURBO_RATIO_LIMIT + 2),
    ABSENT(MSR_IA32_ENERGY_PERF_BIAS, MSR_IA32_PACKAGE_THERM_INTERRUPT),
    ABSENT(MSR_IA32_XFD, MSR_LASTBRANCH_TOS),
    FN(MSR_IA32_DEBUGCTL, MSR_IA32_DEBUGCTL, read_zero, write_debugctl),
    CONSTANT(MSR_LASTBRANCH_FROM_IP, 0),
    CONSTANT(MSR_LASTBRANCH_TO_IP, 0),
    CONSTANT(MSR_LAST_INT_FROM_IP, 0),
    CONSTANT(MSR_LAST_INT_TO_IP, 0),
    ABSENT(MSR_IA32_PLATFORM_DCA_CAP, MSR_POWER_CTL),
    FN(MSR_IA32_MTRR_PHYSBASE0, MSR_IA32_MTRR_PHYSBASE0 + 2 * VMSR_NR_VAR_MTRRS - 1, vmsr_mtrr_read,
       vmsr_mtrr_write),
    FN(MSR_IA32_MTRR_FIX64K_00000, MSR_IA32_MTRR_FIX4K_F8000, vmsr_mtrr_read, vmsr_mtrr_write),
    VCPU(MSR_IA32_PAT, MSR_IA32_PAT),
    ABSENT(MSR_IA32_MC0_CTL2, MSR_IA32_MC0_CTL2 + 31),
    FN(MSR_IA32_MTRR_DEF_TYPE, MSR_IA32_MTRR_DEF_TYPE, vmsr_mtrr_read, vmsr_mtrr_write),
    ABSENT(MSR_IA32_FIXED_CTR0, MSR_IA32_FIXED_CTR0 + 3),
    ABSENT(MSR_IA32_PERF_CAPABILITIES, MSR_IA32_PERF_CAPABILITIES),
    ABSENT(MSR_IA32_FIXED_CTR_CTRL, MSR_IA32_PERF_GLOBAL_OVF_CTRL),
    ABSENT(MSR_IA32_PEBS_ENABLE, MSR_IA32_PEBS_LD_LAT),
    ABSENT(MSR_IA32_MC0_CTL, MSR_IA32_MC0_CTL + 127),
    ABSENT(MSR_IA32_VMX_BASIC, MSR_IA32_VMX_EXIT_CTLS2),
    ABSENT(MSR_IA32_A_PMC0, MSR_IA32_A_PMC0 + 7),
    ABSENT(MSR_IA32_RTIT_OUTPUT_BASE, MSR_IA32_RTIT_STATUS),
    ABSENT(MSR_IA32_DS_AREA, MSR_IA32_DS_AREA),
    CONSTANT(MSR_RAPL_POWER_UNIT, 0), /* power meters that do not move */
    CONSTANT(MSR_PKG_ENERGY_STATUS, 0),
    CONSTANT(MSR_DRAM_ENERGY_STATUS, 0),
    CONSTANT(MSR_PP0_ENERGY_STATUS, 0),
    CONSTANT(MSR_PP1_ENERGY_STATUS, 0),
    ABSENT(MSR_IA32_U_CET, MSR_IA32_INTERRUPT_SSP_TABLE_ADDR),
    FN(MSR_IA32_TSC_DEADLINE, MSR_IA32_TSC_DEADLINE, read_deadline, NULL), /* writes: vmsr_write */
    ABSENT(MSR_IA32_PKRS, MSR_IA32_PKRS),
    ABSENT(MSR_IA32_PM_ENABLE, MSR_IA32_HWP_STATUS),
    ABSENT(MSR_IA32_BNDCFGS, MSR_IA32_BNDCFGS),
    ABSENT(MSR_IA32_XSS, MSR_IA32_XSS), /* XSAVES is hidden */
    FN(MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, read_kvm, write_kvm),
    ABSENT(MSR_KVM_ASYNC_PF_EN, MSR_KVM_ASYNC_PF_EN),
    FN(MSR_KVM_STEAL_TIME, MSR_KVM_PV_EOI_EN, read_kvm, write_kvm),
    ABSENT(MSR_KVM_POLL_CONTROL, MSR_KVM_MIGRATION_CONTROL),
    VCPU(MSR_IA32_EFER, MSR_IA32_FMASK),
    VCPU(MSR_IA32_FS_BASE, MSR_IA32_TSC_AUX),
    IGNORED(MSR_AMD_K7_HWCR, MSR_AMD_K7_HWCR, 0),
    IGNORED(MSR_AMD_NB_CFG, MSR_AMD_NB_CFG, 0),
};

bool vmsr_table_is_sorted(void) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].first > rows[i].last || (i > 0 && rows[i - 1].last >= rows[i].first))
            return false;
    return true;
}

static const struct row *find_row(uint32_t msr) {
    size_t low = 0, high = ARRAY_LEN(rows);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (msr > rows[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ARRAY_LEN(rows) && msr >= rows[low].first ? &rows[low] : NULL;
}

static enum vmsr_result unknown(struct vmsr *m, const char *what, uint32_t msr) {
    unsigned i = 0;
    while (i < m->nr_logged && m->logged[i].msr != msr)
        i++;
    if (i == VMSR_NR_LOGGED)
        return VMSR_GP; /* a guest that tries them all is not worth more lines */
    if (i == m->nr_logged) {
        m->logged[i].msr = msr;
        m->logged[i].count = 0;
        m->nr_logged++;
    }
    if (m->logged[i].count < VMSR_LOG_LIMIT) {
        m->logged[i].count++;
        log_info("guest: %s of unknown MSR 0x%x: #GP", what, msr);
    }
    return VMSR_GP;
}

enum vmsr_result vmsr_read(struct vmsr *m, uint32_t msr, uint64_t *value) {
    if (msr - MSR_IA32_X2APIC_FIRST <= MSR_IA32_X2APIC_LAST - MSR_IA32_X2APIC_FIRST)
        return vlapic_msr_read(m->lapic, msr, value) ? VMSR_OK : VMSR_GP;
    const struct row *row = find_row(msr);
    if (row == NULL)
        return unknown(m, "RDMSR", msr);
    switch (row->kind) {
    case ROW_CONSTANT:
    case ROW_IGNORED:
        *value = row->value;
        return VMSR_OK;
    case ROW_VCPU:
        return VMSR_NOT_MINE;
    case ROW_FUNCTIONS:
        return row->read(m, msr, value) ? VMSR_OK : VMSR_GP;
    default:
        return VMSR_GP;
    }
}

enum vmsr_result vmsr_write_slow(struct vmsr *m, uint32_t msr, uint64_t value) {
    const struct row *row = find_row(msr);
    if (row == NULL)
        return unknown(m, "WRMSR", msr);
    switch (row->kind) {
    case ROW_IGNORED:
        return VMSR_OK;
    case ROW_VCPU:
        return VMSR_NOT_MINE;
    case ROW_FUNCTIONS:
        return row->write != NULL && row->write(m, msr, value) ? VMSR_OK : VMSR_GP;
    default:
        return VMSR_GP;
    }
}

void vmsr_init(struct vmsr *m, const struct vcpuid *cpuid, struct vlapic *lapic, const struct vmsr_ops *ops) {
    memset(m, 0, sizeof *m);
    m->cpuid = cpuid;
    m->lapic = lapic;
    if (ops != NULL)
        m->ops = *ops;
    m->misc_enable = MISC_ENABLE_RESET;
    vmsr_mtrr_init(m);
}

void vmsr_snapshot(struct vmsr *m, struct snap *s) {
    snap_u64(s, &m->misc_enable);
    snap_require(s, (m->misc_enable & ~MISC_ENABLE_WRITABLE) == (MISC_ENABLE_RESET & ~MISC_ENABLE_WRITABLE));
    snap_u64(s, &m->mcg_status);
    snap_u64(s, &m->spec_ctrl);
    snap_require(s, (m->spec_ctrl & ~(SPEC_CTRL_IBRS | SPEC_CTRL_STIBP | SPEC_CTRL_SSBD)) == 0);
    snap_u64(s, &m->mtrr_def_type);
    for (unsigned i = 0; i < VMSR_NR_FIXED_MTRRS; i++)
        snap_u64(s, &m->mtrr_fixed[i]);
    for (unsigned i = 0; i < 2 * VMSR_NR_VAR_MTRRS; i++)
        snap_u64(s, &m->mtrr_var[i]);
}
