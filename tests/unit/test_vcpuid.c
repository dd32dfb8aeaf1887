/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "tests/unit/fake_cpuid.h"

#define HZ 100000000ull

struct bench {
    struct fake_cpu cpu;
    struct vcpuid_host host;
    struct vcpuid v;
    struct vcpuid_context c;
    struct reason why;
};

static void build(struct bench *b, enum cpu_baseline baseline, uint32_t nr_vcpus, uint64_t hz) {
    struct vcpuid_config config = {baseline, nr_vcpus, hz};
    memset(&b->c, 0, sizeof b->c);
    b->c.xcr0 = 1;
    assert_int_equal(vcpuid_build(&b->v, &config, &b->host, &b->why), OK);
}

static int setup(void **state) {
    struct bench *b = calloc(1, sizeof *b);
    fake_cpu_init(&b->cpu);
    b->host = fake_cpu_host(&b->cpu);
    *state = b;
    return 0;
}
static int teardown(void **state) {
    free(*state);
    return 0;
}

static struct cpuid_regs ask(struct bench *b, uint32_t leaf, uint32_t subleaf) {
    uint32_t out[4];
    vcpuid_query(&b->v, leaf, subleaf, &b->c, out);
    return (struct cpuid_regs){out[0], out[1], out[2], out[3]};
}

static void assert_zero(struct cpuid_regs r) {
    assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
}

static void test_vcpuid_identity(void **state) {
    struct bench *b = *state;
    char vendor[13] = {0}, brand[49] = {0}, signature[13] = {0};
    for (int i = CPU_BASELINE_V2; i <= CPU_BASELINE_HOST; i++) {
        build(b, (enum cpu_baseline)i, 1, HZ);
        struct cpuid_regs r = ask(b, 0, 0);
        assert_int_equal(r.eax, 0x1f);
        memcpy(vendor, &r.ebx, 4);
        memcpy(vendor + 4, &r.edx, 4);
        memcpy(vendor + 8, &r.ecx, 4);
        assert_string_equal(vendor, "GenuineIntel");
        r = ask(b, 0x40000000, 0);
        assert_int_equal(r.eax, 0x40000010);
        memcpy(signature, &r.ebx, 12);
        assert_string_equal(signature, "KVMKVMKVM");
        r = ask(b, 0x40000001, 0);
        assert_int_equal(r.eax, 0x010008ea);
        for (unsigned n = 0; n < 3; n++) {
            r = ask(b, 0x80000002 + n, 0);
            memcpy(brand + 16 * n, &r, 16);
        }
        if (i == CPU_BASELINE_HOST)
            assert_string_equal(brand, "Test");
        else
            assert_non_null(strstr(brand, i == CPU_BASELINE_V2 ? "x86-64-v2" : "x86-64-v3"));
    }
}

/* Bits that must never show, whatever the host says. */
static void assert_nothing_dangerous(struct bench *b) {
    struct cpuid_regs r = ask(b, 1, 0);
    assert_int_equal(r.ecx & (CPUID_1_ECX_VMX | CPUID_1_ECX_SMX | CPUID_1_ECX_PDCM | CPUID_1_ECX_MONITOR |
                              CPUID_1_ECX_DCA | CPUID_1_ECX_XTPR | CPUID_1_ECX_EIST | CPUID_1_ECX_TM2 |
                              CPUID_1_ECX_DTES64 | CPUID_1_ECX_SDBG),
                     0);
    assert_int_equal(r.edx & (CPUID_1_EDX_DS | CPUID_1_EDX_ACPI | CPUID_1_EDX_TM | CPUID_1_EDX_PBE), 0);
    r = ask(b, 7, 0);
    assert_int_equal(r.ebx & (CPUID_7_EBX_SGX | CPUID_7_EBX_HLE | CPUID_7_EBX_RTM | CPUID_7_EBX_MPX |
                              CPUID_7_EBX_PT | CPUID_7_EBX_RDT_M | CPUID_7_EBX_RDT_A),
                     0);
    assert_int_equal(r.ecx & (CPUID_7_ECX_WAITPKG | CPUID_7_ECX_CET_SS | CPUID_7_ECX_LA57 | CPUID_7_ECX_PKS |
                              CPUID_7_ECX_ENQCMD | CPUID_7_ECX_SGX_LC | CPUID_7_ECX_KL | CPUID_7_ECX_TME),
                     0);
    assert_int_equal(r.edx & (CPUID_7_EDX_AMX_TILE | CPUID_7_EDX_UINTR | CPUID_7_EDX_CET_IBT |
                              CPUID_7_EDX_ARCH_LBR | CPUID_7_EDX_PCONFIG | CPUID_7_EDX_CORE_CAPABILITIES |
                              CPUID_7_EDX_HYBRID),
                     0);
    assert_int_equal(ask(b, 0xd, 1).eax & (CPUID_D_1_EAX_XSAVES | CPUID_D_1_EAX_XFD), 0);
    assert_int_equal(ask(b, 6, 0).eax, CPUID_6_EAX_ARAT);
    static const uint32_t empty[] = {
        3,    5,    9,    0xa,        0xf,        0x10,       0x12,       0x14,       0x17,      0x18,
        0x1d, 0x1e, 0x20, 0x40000002, 0x40000011, 0x80000005, 0x80000009, 0xc0000000, 0xffffffff};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++)
        assert_zero(ask(b, empty[i], 0));
}

static void test_vcpuid_hides_and_shows(void **state) {
    struct bench *b = *state;
    for (int i = CPU_BASELINE_V2; i <= CPU_BASELINE_HOST; i++) {
        build(b, (enum cpu_baseline)i, 2, HZ);
        assert_nothing_dangerous(b);
        const uint32_t always = CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE | CPUID_1_ECX_HYPERVISOR;
        assert_int_equal(ask(b, 1, 0).ecx & always, always);
        assert_int_equal(ask(b, 0x80000007, 0).edx, CPUID_EXT7_EDX_INVARIANT_TSC);
        assert_true((ask(b, 0x80000001, 0).edx & CPUID_EXT1_EDX_SYSCALL) != 0);
    }
}

static void test_vcpuid_baselines_do_not_depend_on_the_host(void **state) {
    struct bench *b = *state;
    struct fake_cpu plain;
    struct vcpuid other;
    fake_cpu_init(&plain);
    /* Another model with less: only what v3 contains, other caches, sizes, names. */
    *fake_cpu_leaf(&plain, 1, 0) = (struct cpuid_regs){0x000406f1, 0, 0x7ffafbff, 0xbfebfbff};
    *fake_cpu_leaf(&plain, 7, 0) = (struct cpuid_regs){0, 0x000037ab, 0, 0};
    *fake_cpu_leaf(&plain, 0xd, 0) = (struct cpuid_regs){7, 832, 832, 0};
    *fake_cpu_leaf(&plain, 0xd, 1) = (struct cpuid_regs){1, 0, 0, 0};
    *fake_cpu_leaf(&plain, 4, 0) = (struct cpuid_regs){0, 0, 0, 0};
    *fake_cpu_leaf(&plain, 0x80000001, 0) = (struct cpuid_regs){0, 0, 0x21, 0x2c100000};
    *fake_cpu_leaf(&plain, 0x80000002, 0) = (struct cpuid_regs){1, 2, 3, 4};
    *fake_cpu_leaf(&plain, 0x80000008, 0) = (struct cpuid_regs){0x3027, 0, 0, 0};
    struct vcpuid_host host = fake_cpu_host(&plain);
    host.arch_capabilities = 0;
    host.spec_ctrl = false;
    for (int i = CPU_BASELINE_V2; i <= CPU_BASELINE_V3; i++) {
        struct vcpuid_config config = {(enum cpu_baseline)i, 2, HZ};
        build(b, config.baseline, 2, HZ);
        assert_int_equal(vcpuid_build(&other, &config, &host, &b->why), OK);
        memcpy(other.limit, b->v.limit, sizeof other.limit);
        assert_memory_equal(&other, &b->v, sizeof other);
    }
}

static void test_vcpuid_levels(void **state) {
    struct bench *b = *state;
    build(b, CPU_BASELINE_V2, 1, HZ);
    const uint32_t psabi2 = CPUID_1_ECX_SSE3 | CPUID_1_ECX_SSSE3 | CPUID_1_ECX_SSE4_1 | CPUID_1_ECX_SSE4_2 |
                            CPUID_1_ECX_POPCNT | CPUID_1_ECX_CMPXCHG16B;
    assert_true(vcpuid_has(&b->v, VCPUID_1_ECX, psabi2));
    assert_true(vcpuid_has(&b->v, VCPUID_EXT1_ECX, CPUID_EXT1_ECX_LAHF_LM));
    assert_false(vcpuid_has(&b->v, VCPUID_1_ECX, CPUID_1_ECX_AVX));
    assert_int_equal(vcpuid_xcr0(&b->v), 3);
    assert_zero(ask(b, 0xd, 0));
    build(b, CPU_BASELINE_V3, 1, HZ);
    const uint32_t psabi3 =
        CPUID_1_ECX_AVX | CPUID_1_ECX_F16C | CPUID_1_ECX_FMA | CPUID_1_ECX_MOVBE | CPUID_1_ECX_XSAVE;
    assert_true(vcpuid_has(&b->v, VCPUID_1_ECX, psabi2 | psabi3));
    assert_true(vcpuid_has(&b->v, VCPUID_7_0_EBX, CPUID_7_EBX_AVX2 | CPUID_7_EBX_BMI1 | CPUID_7_EBX_BMI2));
    assert_true(vcpuid_has(&b->v, VCPUID_EXT1_ECX, CPUID_EXT1_ECX_LZCNT));
    assert_int_equal(vcpuid_xcr0(&b->v), 7);
    assert_int_equal(vcpuid_phys_bits(&b->v), 39);
    build(b, CPU_BASELINE_HOST, 1, HZ);
    assert_true(vcpuid_has(&b->v, VCPUID_7_0_EBX, CPUID_7_EBX_AVX512F));
    assert_int_equal(vcpuid_xcr0(&b->v), 0x2e7);
    assert_int_equal(vcpuid_phys_bits(&b->v), 46);
}

static void test_vcpuid_xsave_sizes(void **state) {
    struct bench *b = *state;
    build(b, CPU_BASELINE_V3, 1, HZ);
    assert_int_equal(ask(b, 0xd, 0).ecx, 832);
    assert_int_equal(ask(b, 0xd, 0).ebx, 576); /* XCR0 = x87 */
    b->c.xcr0 = 7;
    assert_int_equal(ask(b, 0xd, 0).ebx, 832);
    assert_int_equal(ask(b, 0xd, 2).eax, 256);
    assert_zero(ask(b, 0xd, 9));
    assert_int_equal(ask(b, 0xd, 1).ebx, 0); /* no XSAVEC */
    build(b, CPU_BASELINE_HOST, 1, HZ);
    b->c.xcr0 = 0x2e7;
    assert_int_equal(ask(b, 0xd, 0).eax, 0x2e7);
    assert_int_equal(ask(b, 0xd, 0).ecx, 2696); /* without the AMX tiles */
    assert_int_equal(ask(b, 0xd, 0).ebx, 2696);
    assert_int_equal(ask(b, 0xd, 1).ebx, 576 + 256 + 64 + 512 + 1024 + 8);
    assert_zero(ask(b, 0xd, 3));
    assert_zero(ask(b, 0xd, 8));
    assert_zero(ask(b, 0xd, 18));
    assert_zero(ask(b, 0xd, 1000));
}

static void test_vcpuid_host_without_avx512_state(void **state) {
    struct bench *b = *state;
    fake_cpu_leaf(&b->cpu, 0xd, 0)->eax = 0x67; /* Hi16_ZMM is missing */
    build(b, CPU_BASELINE_HOST, 1, HZ);
    assert_int_equal(vcpuid_xcr0(&b->v), 7);
    assert_int_equal(ask(b, 7, 0).ebx & (CPUID_7_EBX_AVX512F | CPUID_7_EBX_AVX512VL), 0);
    assert_int_equal(ask(b, 7, 0).ecx & (CPUID_7_ECX_AVX512_VNNI | CPUID_7_ECX_PKU), 0);
    assert_true(vcpuid_has(&b->v, VCPUID_7_0_EBX, CPUID_7_EBX_AVX2));
    fake_cpu_leaf(&b->cpu, 0xd, 0)->eax = 3;
    build(b, CPU_BASELINE_HOST, 1, HZ);
    assert_false(vcpuid_has(&b->v, VCPUID_1_ECX, CPUID_1_ECX_AVX));
    assert_false(vcpuid_has(&b->v, VCPUID_7_0_EBX, CPUID_7_EBX_AVX2));
}

static void test_vcpuid_host_limits(void **state) {
    struct bench *b = *state;
    b->host.rdtscp = b->host.invpcid = b->host.spec_ctrl = false;
    b->host.arch_capabilities = 0;
    build(b, CPU_BASELINE_HOST, 1, HZ);
    assert_false(vcpuid_has(&b->v, VCPUID_EXT1_EDX, CPUID_EXT1_EDX_RDTSCP));
    assert_false(vcpuid_has(&b->v, VCPUID_7_0_ECX, CPUID_7_ECX_RDPID));
    assert_false(vcpuid_has(&b->v, VCPUID_7_0_EBX, CPUID_7_EBX_INVPCID));
    assert_int_equal(
        ask(b, 7, 0).edx & (CPUID_7_EDX_IBRS_IBPB | CPUID_7_EDX_SSBD | CPUID_7_EDX_ARCH_CAPABILITIES), 0);
    struct vcpuid_config config = {CPU_BASELINE_V3, 1, HZ};
    assert_int_equal(vcpuid_build(&b->v, &config, &b->host, &b->why), ERR_UNSUPP);
    assert_non_null(strstr(b->why.text, "INVPCID"));
}

static void test_vcpuid_refuses_by_name(void **state) {
    struct bench *b = *state;
    struct vcpuid_config config = {CPU_BASELINE_V3, 1, HZ};
    fake_cpu_leaf(&b->cpu, 7, 0)->ebx &= ~CPUID_7_EBX_BMI2;
    assert_int_equal(vcpuid_build(&b->v, &config, &b->host, &b->why), ERR_UNSUPP);
    assert_non_null(strstr(b->why.text, "BMI2"));
    config.baseline = CPU_BASELINE_V2;
    assert_int_equal(vcpuid_build(&b->v, &config, &b->host, &b->why), OK);
    config.baseline = CPU_BASELINE_INVALID;
    assert_int_equal(vcpuid_build(&b->v, &config, &b->host, &b->why), ERR_INVAL);
    config = (struct vcpuid_config){CPU_BASELINE_V2, 0, HZ};
    assert_int_equal(vcpuid_build(&b->v, &config, &b->host, &b->why), ERR_INVAL);
}

static void test_vcpuid_dynamic_bits(void **state) {
    struct bench *b = *state;
    build(b, CPU_BASELINE_HOST, 4, HZ);
    assert_int_equal(ask(b, 1, 0).ecx & CPUID_1_ECX_OSXSAVE, 0);
    assert_int_equal(ask(b, 7, 0).ecx & CPUID_7_ECX_OSPKE, 0);
    assert_int_equal(ask(b, 1, 0).ebx, 4u << 16 | 8u << 8);
    assert_true((ask(b, 1, 0).edx & CPUID_1_EDX_APIC) != 0);
    assert_true((ask(b, 1, 0).edx & CPUID_1_EDX_HTT) != 0);
    b->c = (struct vcpuid_context){.apic_id = 3, .cr4 = BIT(18) | BIT(22), .xcr0 = 1, .apic_disabled = true};
    assert_true((ask(b, 1, 0).ecx & CPUID_1_ECX_OSXSAVE) != 0);
    assert_true((ask(b, 7, 0).ecx & CPUID_7_ECX_OSPKE) != 0);
    assert_int_equal(ask(b, 1, 0).ebx >> 24, 3);
    assert_int_equal(ask(b, 1, 0).edx & CPUID_1_EDX_APIC, 0);
}

static void test_vcpuid_topology(void **state) {
    struct bench *b = *state;
    build(b, CPU_BASELINE_V2, 6, HZ);
    b->c.apic_id = 5;
    static const uint32_t leaves[] = {0xb, 0x1f};
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        struct cpuid_regs r = ask(b, leaves[i], 0);
        assert_int_equal(r.eax, 0);
        assert_int_equal(r.ebx, 1);
        assert_int_equal(r.ecx, 0x100);
        assert_int_equal(r.edx, 5);
        r = ask(b, leaves[i], 1);
        assert_int_equal(r.eax, 3);
        assert_int_equal(r.ebx, 6);
        assert_int_equal(r.ecx, 0x201);
        r = ask(b, leaves[i], 2);
        assert_int_equal(r.ebx, 0);
        assert_int_equal(r.ecx, 2);
    }
    assert_int_equal(ask(b, 4, 0).eax, 7u << 26 | 0x121);           /* L1D: one CPU */
    assert_int_equal(ask(b, 4, 3).eax, 7u << 26 | 7u << 14 | 0x163); /* L3: all of them */
    assert_zero(ask(b, 4, 4));
    assert_zero(ask(b, 4, 1000));
    build(b, CPU_BASELINE_V2, 1, HZ);
    assert_int_equal(ask(b, 1, 0).edx & CPUID_1_EDX_HTT, 0);
    assert_int_equal(ask(b, 0xb, 1).eax, 0);
}

static void test_vcpuid_tsc_frequency_is_exact(void **state) {
    struct bench *b = *state;
    static const uint64_t hz[] = {100000000, 1000000000,    2400000000ull, 2999998123ull, 3000000000ull,
                                  99999873,  4294967295ull, 4294967296ull, 5000000000ull};
    for (size_t i = 0; i < ARRAY_LEN(hz); i++) {
        build(b, CPU_BASELINE_V2, 1, hz[i]);
        struct cpuid_regs r = ask(b, 0x15, 0);
        assert_true(r.eax != 0 && r.ebx != 0);
        assert_true((uint64_t)r.ecx * r.ebx % r.eax == 0);
        assert_true((uint64_t)r.ecx * r.ebx / r.eax == hz[i]);
        /* What Linux computes in 32 bits, kHz: no overflow, at most the last kHz lost per unit of the ratio.
         */
        uint64_t product = (uint64_t)(r.ecx / 1000) * r.ebx;
        assert_true(product <= UINT32_MAX);
        assert_true(hz[i] / 1000 - product / r.eax <= r.ebx);
        assert_int_equal(ask(b, 0x40000010, 0).eax, hz[i] / 1000);
        assert_int_equal(ask(b, 0x40000010, 0).ebx, 1000000);
        assert_int_equal(ask(b, 0x16, 0).eax, (hz[i] + 500000) / 1000000);
    }
    build(b, CPU_BASELINE_V2, 1, HZ);
    assert_int_equal(ask(b, 0x15, 0).ecx, 1000000000); /* simple ratio: the crystal is the APIC's bus clock */
}

static void test_vcpuid_cr4(void **state) {
    struct bench *b = *state;
    build(b, CPU_BASELINE_V2, 1, HZ);
    assert_true(vcpuid_cr4_allowed(&b->v) == (0x7ff | BIT(17)));
    build(b, CPU_BASELINE_V3, 1, HZ);
    assert_true(vcpuid_cr4_allowed(&b->v) == (0x7ff | BIT(16) | BIT(17) | BIT(18) | BIT(20)));
    build(b, CPU_BASELINE_HOST, 1, HZ);
    assert_true(vcpuid_cr4_allowed(&b->v) ==
                (0xfff | BIT(16) | BIT(17) | BIT(18) | BIT(20) | BIT(21) | BIT(22)));
}

static void test_vcpuid_check_host(void **state) {
    struct bench *b = *state;
    uint32_t words[VM_CPU_FEATURE_WORDS];
    build(b, CPU_BASELINE_HOST, 1, HZ);
    vcpuid_features(&b->v, words);
    assert_int_equal(vcpuid_check_host(words, &b->host, &b->why), OK);
    static const struct {
        uint32_t leaf, subleaf;
        enum cpuid_reg reg;
        uint32_t bit;
        const char *name;
    } row[] = {
        {1, 0, CPUID_ECX, CPUID_1_ECX_AES, "AESNI"},
        {7, 0, CPUID_EBX, CPUID_7_EBX_AVX512VL, "AVX512VL"},
        {7, 0, CPUID_ECX, CPUID_7_ECX_GFNI, "GFNI"},
        {7, 0, CPUID_EDX, CPUID_7_EDX_SERIALIZE, "SERIALIZE"},
        {7, 1, CPUID_EAX, CPUID_7_1_EAX_AVX_VNNI, "AVX-VNNI"},
        {0xd, 1, CPUID_EAX, CPUID_D_1_EAX_XSAVEC, "XSAVEC"},
        {0x80000001, 0, CPUID_EDX, CPUID_EXT1_EDX_PDPE1GB, "1-GByte pages"},
    };
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        fake_cpu_init(&b->cpu);
        ((uint32_t *)(void *)fake_cpu_leaf(&b->cpu, row[i].leaf, row[i].subleaf))[row[i].reg] &= ~row[i].bit;
        assert_int_equal(vcpuid_check_host(words, &b->host, &b->why), ERR_UNSUPP);
        assert_non_null(strstr(b->why.text, row[i].name));
    }
    fake_cpu_init(&b->cpu);
    b->host.arch_capabilities &= ~(uint64_t)0x20; /* MDS_NO */
    assert_int_equal(vcpuid_check_host(words, &b->host, &b->why), ERR_UNSUPP);
    assert_non_null(strstr(b->why.text, "MDS_NO"));
    b->host = fake_cpu_host(&b->cpu);
    words[VM_CPU_FEATURE_WORDS - 1] = 1;
    assert_int_equal(vcpuid_check_host(words, &b->host, &b->why), ERR_UNSUPP);
    /* What Godwit provides itself is never missing. */
    build(b, CPU_BASELINE_V2, 1, HZ);
    vcpuid_features(&b->v, words);
    fake_cpu_leaf(&b->cpu, 1, 0)->ecx &=
        ~(CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE | CPUID_1_ECX_HYPERVISOR);
    fake_cpu_leaf(&b->cpu, 0x80000007, 0)->edx = 0;
    assert_int_equal(vcpuid_check_host(words, &b->host, &b->why), OK);
}

static void test_vcpuid_every_shown_bit_has_a_name(void **state) {
    struct bench *b = *state;
    char buf[48];
    build(b, CPU_BASELINE_HOST, 1, HZ);
    for (unsigned w = 0; w < VCPUID_NR_WORDS; w++)
        for (unsigned bit = 0; bit < 32; bit++)
            if ((b->v.words[w] >> bit & 1) != 0)
                assert_ptr_not_equal(vcpuid_feature_name((enum vcpuid_word)w, bit, buf, sizeof buf), buf);
    assert_string_equal(vcpuid_feature_name(VCPUID_7_0_ECX, 15, buf, sizeof buf), "CPUID.7.0:ECX bit 15");
    assert_string_equal(vcpuid_feature_name(VCPUID_NR_WORDS, 99, buf, sizeof buf), "word? bit 99");
}

static size_t save(struct vcpuid *v, uint8_t *buf, size_t cap) {
    struct snap s;
    size_t used = 0;
    snap_begin_save(&s, buf, cap);
    vcpuid_snapshot(v, &s);
    assert_int_equal(snap_end(&s, &used), OK);
    return used;
}

static result_t load(struct vcpuid *v, const uint8_t *buf, size_t len) {
    struct snap s;
    snap_begin_load(&s, buf, len);
    vcpuid_snapshot(v, &s);
    return snap_end(&s, NULL);
}

static void test_vcpuid_snapshot(void **state) {
    struct bench *b = *state;
    static uint8_t first[8192], second[8192];
    struct vcpuid target;
    build(b, CPU_BASELINE_HOST, 2, 2999998123ull);
    size_t n = save(&b->v, first, sizeof first);
    /* The target is another model with the same features: it must answer as the source did. */
    fake_cpu_leaf(&b->cpu, 1, 0)->eax = 0x000806f8;
    fake_cpu_leaf(&b->cpu, 0x80000002, 0)->eax = 0x12345678;
    struct vcpuid_config config = {CPU_BASELINE_HOST, 2, 2999998123ull};
    assert_int_equal(vcpuid_build(&target, &config, &b->host, &b->why), OK);
    assert_int_equal(load(&target, first, n), OK);
    assert_int_equal(save(&target, second, sizeof second), n);
    assert_memory_equal(first, second, n);
    assert_memory_equal(&target, &b->v, sizeof target);
    assert_int_equal(load(&target, first, n - 1), ERR_CORRUPT);
}

static void test_vcpuid_snapshot_rejects_what_the_host_lacks(void **state) {
    struct bench *b = *state;
    static uint8_t buf[8192];
    struct vcpuid good, target;
    build(b, CPU_BASELINE_V3, 1, HZ);
    good = b->v;
    target = b->v;
    b->v.words[VCPUID_XCR0] |= XCR0_TILEDATA; /* XSETBV with this would fault in the hypervisor */
    b->v.xsave[0].eax = b->v.words[VCPUID_XCR0];
    assert_int_equal(load(&target, buf, save(&b->v, buf, sizeof buf)), ERR_CORRUPT);
    b->v = good;
    b->v.basic[1].ecx |= CPUID_1_ECX_VMX; /* shown, but not in the words */
    target = good;
    assert_int_equal(load(&target, buf, save(&b->v, buf, sizeof buf)), ERR_CORRUPT);
    b->v = good;
    b->v.ext[8].eax = 0x3040; /* 64 physical bits */
    target = good;
    assert_int_equal(load(&target, buf, save(&b->v, buf, sizeof buf)), ERR_CORRUPT);
    b->v = good;
    b->v.nr_vcpus = 2;
    target = good;
    assert_int_equal(load(&target, buf, save(&b->v, buf, sizeof buf)), ERR_CORRUPT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_vcpuid_identity),
        T(test_vcpuid_hides_and_shows),
        T(test_vcpuid_baselines_do_not_depend_on_the_host),
        T(test_vcpuid_levels),
        T(test_vcpuid_xsave_sizes),
        T(test_vcpuid_host_without_avx512_state),
        T(test_vcpuid_host_limits),
        T(test_vcpuid_refuses_by_name),
        T(test_vcpuid_dynamic_bits),
        T(test_vcpuid_topology),
        T(test_vcpuid_tsc_frequency_is_exact),
        T(test_vcpuid_cr4),
        T(test_vcpuid_check_host),
        T(test_vcpuid_every_shown_bit_has_a_name),
        T(test_vcpuid_snapshot),
        T(test_vcpuid_snapshot_rejects_what_the_host_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
