/* SPDX-License-Identifier: MIT */
#include "guest/vcpuid_policy.h"

#include <string.h>

#include "kernel/hw/msr_regs.h"

/* The named baselines. Every processor with unrestricted guest (Westmere and later) has v2; v3 is Haswell.
 * Signatures are those of the processors that introduced the level, with their last microcode revision, so
 * that kernels find no erratum that asks for a newer one. Speculation controls are left out: a baseline
 * cannot promise them on every host. 39 physical address bits: what the narrower hosts of that time have. */
#define V2_1_ECX \
    (CPUID_1_ECX_SSE3 | CPUID_1_ECX_SSSE3 | CPUID_1_ECX_CMPXCHG16B | CPUID_1_ECX_PCID | CPUID_1_ECX_SSE4_1 | \
     CPUID_1_ECX_SSE4_2 | CPUID_1_ECX_POPCNT | EMULATED_1_ECX)
#define V3_1_ECX \
    (V2_1_ECX | CPUID_1_ECX_PCLMULQDQ | CPUID_1_ECX_FMA | CPUID_1_ECX_MOVBE | CPUID_1_ECX_AES | \
     CPUID_1_ECX_XSAVE | CPUID_1_ECX_AVX | CPUID_1_ECX_F16C | CPUID_1_ECX_RDRAND)
#define COMMON_1_EDX \
    (CPUID_1_EDX_FPU | CPUID_1_EDX_VME | CPUID_1_EDX_DE | CPUID_1_EDX_PSE | CPUID_1_EDX_TSC | \
     CPUID_1_EDX_MSR | CPUID_1_EDX_PAE | CPUID_1_EDX_CX8 | CPUID_1_EDX_SEP | CPUID_1_EDX_PGE | \
     CPUID_1_EDX_CMOV | CPUID_1_EDX_PAT | CPUID_1_EDX_PSE36 | CPUID_1_EDX_CLFSH | CPUID_1_EDX_MMX | \
     CPUID_1_EDX_FXSR | CPUID_1_EDX_SSE | CPUID_1_EDX_SSE2 | EMULATED_1_EDX)
#define COMMON_EXT1_EDX \
    (CPUID_EXT1_EDX_SYSCALL | CPUID_EXT1_EDX_NX | CPUID_EXT1_EDX_PDPE1GB | CPUID_EXT1_EDX_RDTSCP | \
     CPUID_EXT1_EDX_LM)
#define V3_7_EBX \
    (CPUID_7_EBX_FSGSBASE | CPUID_7_EBX_BMI1 | CPUID_7_EBX_AVX2 | CPUID_7_EBX_SMEP | CPUID_7_EBX_BMI2 | \
     CPUID_7_EBX_ERMS | CPUID_7_EBX_INVPCID | EMULATED_7_EBX)

/* What Godwit's own models provide on any host. */
#define EMULATED_1_ECX (CPUID_1_ECX_X2APIC | CPUID_1_ECX_TSC_DEADLINE | CPUID_1_ECX_HYPERVISOR)
#define EMULATED_1_EDX (CPUID_1_EDX_APIC | CPUID_1_EDX_MTRR | CPUID_1_EDX_MCE | CPUID_1_EDX_MCA)
#define EMULATED_7_EBX CPUID_7_EBX_TSC_ADJUST
static const uint32_t emulated[VCPUID_NR_WORDS] = {
    [VCPUID_1_ECX] = EMULATED_1_ECX,
    [VCPUID_1_EDX] = EMULATED_1_EDX,
    [VCPUID_7_0_EBX] = EMULATED_7_EBX,
    [VCPUID_XCR0] = XCR0_X87 | XCR0_SSE,
    [VCPUID_EXT7_EDX] = CPUID_EXT7_EDX_INVARIANT_TSC,
};

/* What may pass from the host. Left out on purpose: VMX, SMX, PDCM and the PMU, DTES64 and DS, TM, ACPI clock
 * control, EIST, PBE, MONITOR/MWAIT, xTPR, DCA, SGX, TSX, MPX, RDT, PT, CET, 5-level paging, protection keys
 * for supervisor pages, user interrupts, AMX, WAITPKG, ENQCMD, key locker, bus-lock detection, PCONFIG, LAM,
 * XSAVES: each needs emulation, a VM-execution control, or state that a vCPU does not switch. */
#define AVX512_EBX \
    (CPUID_7_EBX_AVX512F | CPUID_7_EBX_AVX512DQ | CPUID_7_EBX_AVX512_IFMA | CPUID_7_EBX_AVX512PF | \
     CPUID_7_EBX_AVX512ER | CPUID_7_EBX_AVX512CD | CPUID_7_EBX_AVX512BW | CPUID_7_EBX_AVX512VL)
#define AVX512_ECX \
    (CPUID_7_ECX_AVX512_VBMI | CPUID_7_ECX_AVX512_VBMI2 | CPUID_7_ECX_AVX512_VNNI | \
     CPUID_7_ECX_AVX512_BITALG | CPUID_7_ECX_AVX512_VPOPCNTDQ)
#define AVX512_EDX \
    (CPUID_7_EDX_AVX512_4VNNIW | CPUID_7_EDX_AVX512_4FMAPS | CPUID_7_EDX_AVX512_VP2INTERSECT | \
     CPUID_7_EDX_AVX512_FP16)
#define SPEC_EDX (CPUID_7_EDX_IBRS_IBPB | CPUID_7_EDX_STIBP | CPUID_7_EDX_L1D_FLUSH | CPUID_7_EDX_SSBD)
#define ARCH_CAP_IMMUNITIES \
    (uint32_t)(ARCH_CAP_RDCL_NO | ARCH_CAP_SKIP_L1DFL_VMENTRY | ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | \
               ARCH_CAP_IF_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | \
               ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR | ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO | \
               ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | ARCH_CAP_RFDS_CLEAR)
#define ARCH_CAP_WEAKNESSES (uint32_t)(ARCH_CAP_RSBA | ARCH_CAP_RRSBA) /* a host without them is no worse */

static const uint32_t passable[VCPUID_NR_WORDS] = {
    [VCPUID_1_ECX] = V3_1_ECX,
    [VCPUID_1_EDX] = COMMON_1_EDX | CPUID_1_EDX_SS,
    [VCPUID_7_0_EBX] = V3_7_EBX | AVX512_EBX | CPUID_7_EBX_FDP_EXCPTN_ONLY | CPUID_7_EBX_ZERO_FCS_FDS |
                       CPUID_7_EBX_RDSEED | CPUID_7_EBX_ADX | CPUID_7_EBX_SMAP | CPUID_7_EBX_CLFLUSHOPT |
                       CPUID_7_EBX_CLWB | CPUID_7_EBX_SHA,
    [VCPUID_7_0_ECX] = AVX512_ECX | CPUID_7_ECX_PREFETCHWT1 | CPUID_7_ECX_UMIP | CPUID_7_ECX_PKU |
                       CPUID_7_ECX_GFNI | CPUID_7_ECX_VAES | CPUID_7_ECX_VPCLMULQDQ | CPUID_7_ECX_RDPID |
                       CPUID_7_ECX_CLDEMOTE | CPUID_7_ECX_MOVDIRI | CPUID_7_ECX_MOVDIR64B,
    [VCPUID_7_0_EDX] = AVX512_EDX | SPEC_EDX | CPUID_7_EDX_FSRM | CPUID_7_EDX_MD_CLEAR |
                       CPUID_7_EDX_SERIALIZE | CPUID_7_EDX_ARCH_CAPABILITIES,
    [VCPUID_7_1_EAX] = CPUID_7_1_EAX_SHA512 | CPUID_7_1_EAX_SM3 | CPUID_7_1_EAX_SM4 | CPUID_7_1_EAX_AVX_VNNI |
                       CPUID_7_1_EAX_AVX512_BF16 | CPUID_7_1_EAX_CMPCCXADD | CPUID_7_1_EAX_FZRM |
                       CPUID_7_1_EAX_FSRS | CPUID_7_1_EAX_FSRC | CPUID_7_1_EAX_AVX_IFMA,
    [VCPUID_EXT1_ECX] = CPUID_EXT1_ECX_LAHF_LM | CPUID_EXT1_ECX_LZCNT | CPUID_EXT1_ECX_PREFETCHW,
    [VCPUID_EXT1_EDX] = COMMON_EXT1_EDX,
    [VCPUID_D_1_EAX] = CPUID_D_1_EAX_XSAVEOPT | CPUID_D_1_EAX_XSAVEC | CPUID_D_1_EAX_XGETBV_ECX1,
    [VCPUID_XCR0] = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU,
    [VCPUID_EXT8_EBX] = CPUID_EXT8_EBX_WBNOINVD,
    [VCPUID_7_1_EDX] = CPUID_7_1_EDX_AVX_VNNI_INT8 | CPUID_7_1_EDX_AVX_NE_CONVERT | CPUID_7_1_EDX_PREFETCHITI,
    [VCPUID_ARCH_CAP] = ARCH_CAP_IMMUNITIES | ARCH_CAP_WEAKNESSES,
};

/* Features that need a state component in XCR0. */
struct dependency {
    uint32_t component;
    enum vcpuid_word word;
    uint32_t bits;
};
static const struct dependency dependencies[] = {
    {XCR0_AVX, VCPUID_1_ECX, CPUID_1_ECX_AVX | CPUID_1_ECX_FMA | CPUID_1_ECX_F16C},
    {XCR0_AVX, VCPUID_7_0_EBX, CPUID_7_EBX_AVX2},
    {XCR0_AVX, VCPUID_7_0_ECX, CPUID_7_ECX_VAES | CPUID_7_ECX_VPCLMULQDQ},
    {XCR0_AVX, VCPUID_7_1_EAX, CPUID_7_1_EAX_AVX_VNNI | CPUID_7_1_EAX_AVX_IFMA | CPUID_7_1_EAX_SHA512 |
                                   CPUID_7_1_EAX_SM3 | CPUID_7_1_EAX_SM4},
    {XCR0_AVX, VCPUID_7_1_EDX, CPUID_7_1_EDX_AVX_VNNI_INT8 | CPUID_7_1_EDX_AVX_NE_CONVERT},
    {XCR0_AVX512, VCPUID_7_0_EBX, AVX512_EBX},
    {XCR0_AVX512, VCPUID_7_0_ECX, AVX512_ECX},
    {XCR0_AVX512, VCPUID_7_0_EDX, AVX512_EDX},
    {XCR0_AVX512, VCPUID_7_1_EAX, CPUID_7_1_EAX_AVX512_BF16},
    {XCR0_PKRU, VCPUID_7_0_ECX, CPUID_7_ECX_PKU},
};

static const struct vcpuid_baseline v2 = {
    .brand = "Godwit virtual CPU, x86-64-v2",
    .signature = 0x000206c2, /* Westmere */
    .microcode = 0x1f,
    .phys_bits = 39,
    .words = {
        [VCPUID_1_ECX] = V2_1_ECX,
        [VCPUID_1_EDX] = COMMON_1_EDX,
        [VCPUID_EXT1_ECX] = CPUID_EXT1_ECX_LAHF_LM,
        [VCPUID_EXT1_EDX] = COMMON_EXT1_EDX,
        [VCPUID_XCR0] = XCR0_X87 | XCR0_SSE,
        [VCPUID_EXT7_EDX] = CPUID_EXT7_EDX_INVARIANT_TSC,
    },
};

static const struct vcpuid_baseline v3 = {
    .brand = "Godwit virtual CPU, x86-64-v3",
    .signature = 0x000306c3, /* Haswell */
    .microcode = 0x28,
    .phys_bits = 39,
    .words = {
        [VCPUID_1_ECX] = V3_1_ECX,
        [VCPUID_1_EDX] = COMMON_1_EDX,
        [VCPUID_7_0_EBX] = V3_7_EBX,
        [VCPUID_EXT1_ECX] = CPUID_EXT1_ECX_LAHF_LM | CPUID_EXT1_ECX_LZCNT,
        [VCPUID_EXT1_EDX] = COMMON_EXT1_EDX,
        [VCPUID_D_1_EAX] = CPUID_D_1_EAX_XSAVEOPT,
        [VCPUID_XCR0] = XCR0_X87 | XCR0_SSE | XCR0_AVX,
        [VCPUID_EXT7_EDX] = CPUID_EXT7_EDX_INVARIANT_TSC,
    },
};

const struct vcpuid_baseline *vcpuid_baseline_of(enum cpu_baseline b) {
    switch (b) {
    case CPU_BASELINE_V2:
        return &v2;
    case CPU_BASELINE_V3:
        return &v3;
    default:
        return NULL;
    }
}

static struct cpuid_regs ask(const struct vcpuid_host *host, uint32_t leaf, uint32_t subleaf) {
    uint32_t out[4];
    host->cpuid(host->ctx, leaf, subleaf, out);
    return (struct cpuid_regs){out[0], out[1], out[2], out[3]};
}

/* The state components of the host that a vCPU has room for. AVX-512 is three of them or none. */
static uint32_t host_xcr0(const struct vcpuid_host *host) {
    uint32_t xcr0 = ask(host, CPUID_LEAF_XSAVE, 0).eax & passable[VCPUID_XCR0];
    for (unsigned i = 2; i < VCPUID_NR_XSAVE; i++) {
        struct cpuid_regs r = ask(host, CPUID_LEAF_XSAVE, i);
        if ((xcr0 & 1u << i) != 0 && (uint64_t)r.eax + r.ebx > VCPUID_XSAVE_MAX)
            xcr0 &= ~(1u << i);
    }
    if ((xcr0 & XCR0_AVX512) != XCR0_AVX512 || (xcr0 & XCR0_AVX) == 0)
        xcr0 &= ~XCR0_AVX512;
    return xcr0;
}

static void read_raw(const struct vcpuid_host *host, uint32_t words[VCPUID_NR_WORDS]) {
    memset(words, 0, VCPUID_NR_WORDS * sizeof words[0]);
    uint32_t max = ask(host, CPUID_LEAF_VENDOR, 0).eax, max_ext = ask(host, CPUID_LEAF_EXT_MAX, 0).eax;
    struct cpuid_regs r = ask(host, CPUID_LEAF_FEATURES, 0);
    words[VCPUID_1_ECX] = r.ecx;
    words[VCPUID_1_EDX] = r.edx;
    if (max >= CPUID_LEAF_EXT_FEATURES) {
        r = ask(host, CPUID_LEAF_EXT_FEATURES, 0);
        words[VCPUID_7_0_EBX] = r.ebx;
        words[VCPUID_7_0_ECX] = r.ecx;
        words[VCPUID_7_0_EDX] = r.edx;
        if (r.eax >= 1) {
            r = ask(host, CPUID_LEAF_EXT_FEATURES, 1);
            words[VCPUID_7_1_EAX] = r.eax;
            words[VCPUID_7_1_EDX] = r.edx;
        }
    }
    if (max >= CPUID_LEAF_XSAVE && (words[VCPUID_1_ECX] & CPUID_1_ECX_XSAVE) != 0) {
        words[VCPUID_XCR0] = host_xcr0(host);
        words[VCPUID_D_1_EAX] = ask(host, CPUID_LEAF_XSAVE, 1).eax;
    }
    if (max_ext >= CPUID_LEAF_EXT_SIGNATURE) {
        r = ask(host, CPUID_LEAF_EXT_SIGNATURE, 0);
        words[VCPUID_EXT1_ECX] = r.ecx;
        words[VCPUID_EXT1_EDX] = r.edx | CPUID_EXT1_EDX_SYSCALL; /* shown in 64-bit mode only */
    }
    if (max_ext >= CPUID_LEAF_EXT_ADDRESS)
        words[VCPUID_EXT8_EBX] = ask(host, CPUID_LEAF_EXT_ADDRESS, 0).ebx;
    words[VCPUID_ARCH_CAP] = (uint32_t)host->arch_capabilities;
}

static void drop_unusable(const struct vcpuid_host *host, uint32_t words[VCPUID_NR_WORDS]) {
    if (!host->rdtscp) {
        words[VCPUID_EXT1_EDX] &= ~CPUID_EXT1_EDX_RDTSCP;
        words[VCPUID_7_0_ECX] &= ~CPUID_7_ECX_RDPID;
    }
    if (!host->invpcid)
        words[VCPUID_7_0_EBX] &= ~CPUID_7_EBX_INVPCID;
    if (!host->spec_ctrl)
        words[VCPUID_7_0_EDX] &= ~SPEC_EDX;
    if ((words[VCPUID_7_0_EDX] & CPUID_7_EDX_ARCH_CAPABILITIES) == 0 || words[VCPUID_ARCH_CAP] == 0) {
        words[VCPUID_7_0_EDX] &= ~CPUID_7_EDX_ARCH_CAPABILITIES;
        words[VCPUID_ARCH_CAP] = 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(dependencies); i++)
        if ((words[VCPUID_XCR0] & dependencies[i].component) != dependencies[i].component)
            words[dependencies[i].word] &= ~dependencies[i].bits;
}

void vcpuid_host_words(const struct vcpuid_host *host, uint32_t words[VCPUID_NR_WORDS]) {
    read_raw(host, words);
    for (unsigned w = 0; w < VCPUID_NR_WORDS; w++)
        words[w] &= passable[w];
    drop_unusable(host, words);
    for (unsigned w = 0; w < VCPUID_NR_WORDS; w++)
        words[w] |= emulated[w];
}

result_t vcpuid_check_words(const char *what, const uint32_t want[VCPUID_NR_WORDS],
                            const uint32_t have[VCPUID_NR_WORDS], struct reason *why) {
    for (unsigned w = 0; w < VCPUID_NR_WORDS; w++) {
        uint32_t missing = want[w] & ~have[w];
        if (w == VCPUID_ARCH_CAP)
            missing &= ~ARCH_CAP_WEAKNESSES;
        if (missing == 0)
            continue;
        char buf[48];
        unsigned bit = (unsigned)__builtin_ctz(missing);
        const char *name = vcpuid_feature_name((enum vcpuid_word)w, bit, buf, sizeof buf);
        return reason_set(why, ERR_UNSUPP,
                          "%s needs the CPU feature %s, which this host lacks: use a lower cpu=", what, name);
    }
    return OK;
}
