/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/vmsr.h"
#include "tests/unit/fake_cpuid.h"

#define HZ NSEC_PER_SEC

struct bench {
    struct fake_cpu cpu;
    struct vcpuid_host host;
    struct vcpuid cpuid;
    struct vclock time; /* tsc_offset is the TSC */
    struct vlapic_env env;
    struct vlapic lapic;
    struct vmsr m;
    uint64_t adjust, kvm_value, spec_value;
    uint32_t kvm_msr, spec_msr;
    unsigned adjust_calls;
};

static uint64_t read_tsc(const struct vclock *c) {
    return c->tsc_offset;
}
static void on_adjust(void *ctx, uint64_t adjust) {
    struct bench *b = ctx;
    b->adjust = adjust;
    b->adjust_calls++;
}
static bool on_kvm_read(void *ctx, uint32_t msr, uint64_t *value) {
    struct bench *b = ctx;
    b->kvm_msr = msr;
    *value = b->kvm_value;
    return true;
}
static bool on_kvm_write(void *ctx, uint32_t msr, uint64_t value) {
    struct bench *b = ctx;
    b->kvm_msr = msr;
    b->kvm_value = value;
    return value != 0xbad;
}
static void on_spec(void *ctx, uint32_t msr, uint64_t value) {
    struct bench *b = ctx;
    b->spec_msr = msr;
    b->spec_value = value;
}
static void on_eoi(void *ctx, uint8_t vector) {
    (void)ctx, (void)vector;
}

static void create(struct bench *b, enum cpu_baseline baseline) {
    const struct vmsr_ops ops = {b, on_adjust, on_kvm_read, on_kvm_write, on_spec};
    struct vcpuid_config config = {baseline, 1, HZ};
    struct reason why;
    assert_int_equal(vcpuid_build(&b->cpuid, &config, &b->host, &why), OK);
    b->env = (struct vlapic_env){.ctx = b, .eoi = on_eoi};
    vlapic_init(&b->lapic, 0, &b->time, &b->env);
    vmsr_init(&b->m, &b->cpuid, &b->lapic, &ops);
}

static int setup(void **state) {
    struct bench *b = aligned_alloc(4096, sizeof *b);
    memset(b, 0, sizeof *b);
    fake_cpu_init(&b->cpu);
    b->host = fake_cpu_host(&b->cpu);
    vclock_init(&b->time, HZ, read_tsc);
    b->time.tsc_offset = 1000;
    create(b, CPU_BASELINE_V3);
    *state = b;
    return 0;
}
static int teardown(void **state) {
    free(*state);
    return 0;
}

static uint64_t rd(struct bench *b, uint32_t msr) {
    uint64_t value = 0;
    assert_int_equal(vmsr_read(&b->m, msr, &value), VMSR_OK);
    return value;
}
static void wr(struct bench *b, uint32_t msr, uint64_t value) {
    assert_int_equal(vmsr_write(&b->m, msr, value), VMSR_OK);
}
static void assert_read_gp(struct bench *b, uint32_t msr) {
    uint64_t value = 0x1234;
    assert_int_equal(vmsr_read(&b->m, msr, &value), VMSR_GP);
}
static void assert_write_gp(struct bench *b, uint32_t msr, uint64_t value) {
    assert_int_equal(vmsr_write(&b->m, msr, value), VMSR_GP);
}

static void test_vmsr_table(void **state) {
    (void)state;
    assert_true(vmsr_table_is_sorted());
}

/* No number may crash, be unanswered, or change state by being read. */
static void test_vmsr_every_number(void **state) {
    struct bench *b = *state;
    uint64_t value;
    for (uint32_t msr = 0; msr < 0x2000; msr++) {
        enum vmsr_result r = vmsr_read(&b->m, msr, &value), w = vmsr_write(&b->m, msr, 0);
        assert_in_range(r, VMSR_OK, VMSR_NOT_MINE);
        assert_int_equal(r == VMSR_NOT_MINE, w == VMSR_NOT_MINE);
        if (msr == MSR_IA32_APIC_BASE)
            wr(b, msr, LAPIC_DEFAULT_BASE | APIC_BASE_EN);
    }
    for (uint32_t msr = 0xc0000000; msr < 0xc0002000; msr++)
        assert_in_range(vmsr_read(&b->m, msr, &value), VMSR_OK, VMSR_NOT_MINE);
    assert_read_gp(b, 0xffffffff);
}

static void test_vmsr_belongs_to_the_vcpu(void **state) {
    struct bench *b = *state;
    static const uint32_t msr[] = {MSR_IA32_EFER,        MSR_IA32_STAR,           MSR_IA32_LSTAR,
                                   MSR_IA32_CSTAR,       MSR_IA32_FMASK,          MSR_IA32_FS_BASE,
                                   MSR_IA32_GS_BASE,     MSR_IA32_KERNEL_GS_BASE, MSR_IA32_TSC_AUX,
                                   MSR_IA32_PAT,         MSR_IA32_SYSENTER_CS,    MSR_IA32_SYSENTER_ESP,
                                   MSR_IA32_SYSENTER_EIP};
    uint64_t value;
    for (size_t i = 0; i < ARRAY_LEN(msr); i++) {
        assert_int_equal(vmsr_read(&b->m, msr[i], &value), VMSR_NOT_MINE);
        assert_int_equal(vmsr_write(&b->m, msr[i], 0), VMSR_NOT_MINE);
    }
}

static void test_vmsr_tsc(void **state) {
    struct bench *b = *state;
    assert_int_equal(rd(b, MSR_IA32_TSC), 1000);
    assert_int_equal(rd(b, MSR_IA32_TSC_ADJUST), 0);
    wr(b, MSR_IA32_TSC, 5000);
    assert_int_equal(rd(b, MSR_IA32_TSC), 5000);
    assert_int_equal(rd(b, MSR_IA32_TSC_ADJUST), 4000); /* the SDM: a write to the TSC moves both */
    assert_int_equal(b->adjust, 4000);
    b->time.tsc_offset = 1500;
    assert_int_equal(rd(b, MSR_IA32_TSC), 5500);
    wr(b, MSR_IA32_TSC_ADJUST, (uint64_t)-100);
    assert_int_equal(rd(b, MSR_IA32_TSC), 1400);
    assert_true(b->adjust == (uint64_t)-100);
    assert_int_equal(b->adjust_calls, 2);
    assert_true(b->lapic.tsc_adjust == (uint64_t)-100);
    create(b, CPU_BASELINE_V2); /* without TSC_ADJUST in CPUID */
    assert_read_gp(b, MSR_IA32_TSC_ADJUST);
    assert_write_gp(b, MSR_IA32_TSC_ADJUST, 0);
    wr(b, MSR_IA32_TSC, 0);
    assert_int_equal(rd(b, MSR_IA32_TSC), 0);
}

static void test_vmsr_apic(void **state) {
    struct bench *b = *state;
    assert_true(rd(b, MSR_IA32_APIC_BASE) == (LAPIC_DEFAULT_BASE | APIC_BASE_EN | APIC_BASE_BSP));
    assert_read_gp(b, MSR_IA32_X2APIC_APICID);
    assert_write_gp(b, MSR_IA32_APIC_BASE, LAPIC_DEFAULT_BASE | APIC_BASE_EXTD);
    assert_write_gp(b, MSR_IA32_APIC_BASE, BIT(39) | APIC_BASE_EN); /* beyond MAXPHYADDR */
    wr(b, MSR_IA32_APIC_BASE, LAPIC_DEFAULT_BASE | APIC_BASE_EN | APIC_BASE_EXTD | APIC_BASE_BSP);
    assert_int_equal(rd(b, MSR_IA32_X2APIC_VERSION), 0x01050014);
    wr(b, MSR_IA32_X2APIC_SIVR, 0x1ff);
    wr(b, MSR_IA32_X2APIC_LVT_TIMER, 0x400ec);
    wr(b, MSR_IA32_TSC_DEADLINE, 2000);
    assert_int_equal(rd(b, MSR_IA32_TSC_DEADLINE), 2000);
    assert_true(vlapic_next_event_tsc(&b->lapic) == 2000);
    wr(b, MSR_IA32_TSC, 0); /* the guest's TSC falls behind the clock by 1000 */
    assert_true(vlapic_next_event_tsc(&b->lapic) == 3000);
    b->time.tsc_offset = 3000;
    assert_int_equal(rd(b, MSR_IA32_TSC_DEADLINE), 0);
    assert_int_equal(vlapic_accept(&b->lapic), 0xec);
    wr(b, MSR_IA32_X2APIC_EOI, 0);
    assert_write_gp(b, MSR_IA32_X2APIC_EOI, 1);
    assert_write_gp(b, MSR_IA32_X2APIC_VERSION, 0);
}

static void test_vmsr_identity(void **state) {
    struct bench *b = *state;
    assert_true(rd(b, MSR_IA32_BIOS_SIGN_ID) >> 32 >=
                0x22); /* Linux: the first good revision of this model */
    wr(b, MSR_IA32_BIOS_SIGN_ID, 0);
    assert_true(rd(b, MSR_IA32_BIOS_SIGN_ID) >> 32 >= 0x22);
    assert_int_equal(rd(b, MSR_IA32_FEATURE_CONTROL), FEATURE_CONTROL_LOCK);
    assert_write_gp(b, MSR_IA32_FEATURE_CONTROL, 5);
    assert_int_equal(rd(b, MSR_SMI_COUNT), 0);
    assert_int_equal(rd(b, MSR_IA32_MCG_CAP) & MCG_CAP_COUNT_MASK, 0);
    assert_read_gp(b, MSR_IA32_MC0_CTL);
    assert_read_gp(b, MSR_IA32_VMX_BASIC);
    assert_read_gp(b, MSR_IA32_PERF_GLOBAL_CTRL);
    create(b, CPU_BASELINE_HOST);
    assert_true(rd(b, MSR_IA32_BIOS_SIGN_ID) >> 32 == b->host.microcode);
}

static void test_vmsr_misc_enable(void **state) {
    struct bench *b = *state;
    assert_int_equal(rd(b, MSR_IA32_MISC_ENABLE), 0x1801);
    wr(b, MSR_IA32_MISC_ENABLE, 0x1800 | MISC_ENABLE_LIMIT_CPUID | MISC_ENABLE_XD_DISABLE);
    assert_int_equal(rd(b, MSR_IA32_MISC_ENABLE), 0x1800); /* only fast strings can be switched */
}

static void test_vmsr_spec_ctrl(void **state) {
    struct bench *b = *state;
    assert_read_gp(b, MSR_IA32_SPEC_CTRL); /* v3 does not show it */
    assert_write_gp(b, MSR_IA32_PRED_CMD, 1);
    assert_read_gp(b, MSR_IA32_ARCH_CAPABILITIES);
    create(b, CPU_BASELINE_HOST);
    wr(b, MSR_IA32_SPEC_CTRL, SPEC_CTRL_IBRS | SPEC_CTRL_SSBD);
    assert_int_equal(rd(b, MSR_IA32_SPEC_CTRL), 5);
    assert_int_equal(b->spec_msr, MSR_IA32_SPEC_CTRL);
    assert_int_equal(b->spec_value, 5);
    assert_write_gp(b, MSR_IA32_SPEC_CTRL, BIT(7));
    wr(b, MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
    assert_int_equal(b->spec_msr, MSR_IA32_PRED_CMD);
    assert_read_gp(b, MSR_IA32_PRED_CMD);
    assert_write_gp(b, MSR_IA32_PRED_CMD, 2);
    wr(b, MSR_IA32_FLUSH_CMD, 1);
    uint64_t caps = rd(b, MSR_IA32_ARCH_CAPABILITIES);
    assert_true((caps & ARCH_CAP_RDCL_NO) != 0);
    assert_true((caps & (ARCH_CAP_TSX_CTRL | ARCH_CAP_MISC_PACKAGE_CTRLS | ARCH_CAP_XAPIC_DISABLE)) == 0);
    assert_write_gp(b, MSR_IA32_ARCH_CAPABILITIES, caps);
    b->host.spec_ctrl = false;
    create(b, CPU_BASELINE_HOST);
    assert_read_gp(b, MSR_IA32_SPEC_CTRL);
}

static void test_vmsr_mtrr(void **state) {
    struct bench *b = *state;
    assert_int_equal(rd(b, MSR_IA32_MTRRCAP), 0x508);
    assert_int_equal(rd(b, MSR_IA32_MTRR_DEF_TYPE), 0xc06);
    assert_true(rd(b, MSR_IA32_MTRR_PHYSBASE0) == 0xc0000000);
    assert_true(rd(b, MSR_IA32_MTRR_PHYSMASK0) == 0x7fc0000800);
    assert_true(rd(b, MSR_IA32_MTRR_FIX16K_A0000) == 0);
    assert_true(rd(b, MSR_IA32_MTRR_FIX64K_00000) == 0x0606060606060606);
    wr(b, MSR_IA32_MTRR_PHYSBASE0 + 14, 0x10000000 | MEMTYPE_WC);
    assert_int_equal(rd(b, MSR_IA32_MTRR_PHYSBASE0 + 14), 0x10000001);
    assert_read_gp(b, MSR_IA32_MTRR_PHYSBASE0 + 16);
    wr(b, MSR_IA32_MTRR_FIX4K_F8000, 0x0505050505050505);
    assert_true(rd(b, MSR_IA32_MTRR_FIX4K_F8000) == 0x0505050505050505);
    assert_true(rd(b, MSR_IA32_MTRR_FIX4K_C0000) == 0x0606060606060606);
    assert_write_gp(b, MSR_IA32_MTRR_FIX4K_F8000, 0x0502050505050505); /* type 2 */
    assert_write_gp(b, MSR_IA32_MTRR_DEF_TYPE, 0x3);
    assert_write_gp(b, MSR_IA32_MTRR_DEF_TYPE, 0x1006);
    assert_write_gp(b, MSR_IA32_MTRR_PHYSBASE0, 0x7);
    assert_write_gp(b, MSR_IA32_MTRR_PHYSBASE0, 0x100);
    assert_write_gp(b, MSR_IA32_MTRR_PHYSMASK0, BIT(39));
    assert_write_gp(b, MSR_IA32_MTRRCAP, 0);
    wr(b, MSR_IA32_MTRR_DEF_TYPE, 0x6);
    assert_read_gp(b, 0x251); /* between the fixed registers */
    assert_write_gp(b, 0x25a, 0);
}

static void test_vmsr_kvm_clock(void **state) {
    struct bench *b = *state;
    wr(b, MSR_KVM_SYSTEM_TIME, 0x12345001);
    assert_int_equal(b->kvm_msr, MSR_KVM_SYSTEM_TIME);
    assert_int_equal(rd(b, MSR_KVM_SYSTEM_TIME), 0x12345001);
    assert_write_gp(b, MSR_KVM_WALL_CLOCK, 0xbad);
    assert_write_gp(b, MSR_KVM_ASYNC_PF_EN, 1);
    vmsr_init(&b->m, &b->cpuid, &b->lapic, NULL);
    assert_write_gp(b, MSR_KVM_SYSTEM_TIME, 1);
    assert_read_gp(b, MSR_KVM_SYSTEM_TIME);
    wr(b, MSR_IA32_TSC, 5); /* works without anyone listening */
}

static void test_vmsr_unknown_are_counted(void **state) {
    struct bench *b = *state;
    for (unsigned n = 0; n < 100; n++)
        assert_read_gp(b, 0x9999);
    assert_int_equal(b->m.nr_logged, 1);
    assert_int_equal(b->m.logged[0].count, VMSR_LOG_LIMIT);
    for (uint32_t msr = 0x10000; msr < 0x10100; msr++)
        assert_write_gp(b, msr, 0);
    assert_int_equal(b->m.nr_logged, VMSR_NR_LOGGED);
    assert_read_gp(b, MSR_IA32_PERF_CAPABILITIES); /* known to be absent: no line */
}

static size_t save(struct vmsr *m, uint8_t *buf, size_t cap) {
    struct snap s;
    size_t used = 0;
    snap_begin_save(&s, buf, cap);
    vmsr_snapshot(m, &s);
    assert_int_equal(snap_end(&s, &used), OK);
    return used;
}

static void test_vmsr_snapshot(void **state) {
    struct bench *b = *state;
    uint8_t first[1024], second[1024];
    struct snap s;
    create(b, CPU_BASELINE_HOST);
    wr(b, MSR_IA32_MISC_ENABLE, 0);
    wr(b, MSR_IA32_MCG_STATUS, 5);
    wr(b, MSR_IA32_SPEC_CTRL, 1);
    wr(b, MSR_IA32_MTRR_PHYSBASE0 + 2, 0x4000000006);
    wr(b, MSR_IA32_MTRR_FIX16K_80000, 0);
    size_t n = save(&b->m, first, sizeof first);
    vmsr_init(&b->m, &b->cpuid, &b->lapic, NULL);
    snap_begin_load(&s, first, n);
    vmsr_snapshot(&b->m, &s);
    assert_int_equal(snap_end(&s, NULL), OK);
    assert_int_equal(save(&b->m, second, sizeof second), n);
    assert_memory_equal(first, second, n);
    assert_int_equal(rd(b, MSR_IA32_MCG_STATUS), 5);
    snap_begin_load(&s, first, n - 1);
    vmsr_snapshot(&b->m, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
    b->m.spec_ctrl = ~0ull;
    n = save(&b->m, first, sizeof first);
    snap_begin_load(&s, first, n);
    vmsr_snapshot(&b->m, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_vmsr_table),      T(test_vmsr_every_number), T(test_vmsr_belongs_to_the_vcpu),
        T(test_vmsr_tsc),        T(test_vmsr_apic),         T(test_vmsr_identity),
        T(test_vmsr_misc_enable), T(test_vmsr_spec_ctrl),   T(test_vmsr_mtrr),
        T(test_vmsr_kvm_clock),  T(test_vmsr_unknown_are_counted), T(test_vmsr_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
