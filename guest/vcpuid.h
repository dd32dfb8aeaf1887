/* SPDX-License-Identifier: MIT */
/* vcpuid.h - what CPUID tells a guest: a table compiled once per VM from a baseline and the host's CPUID.
 * - vcpuid_build: compile it; refuses with the first missing feature when the host lacks a named baseline.
 * - vcpuid_query: one CPUID instruction; an index and a copy.
 * - vcpuid_features / vcpuid_check_host: the feature words of a migration offer; does this host have them?
 * - vcpuid_snapshot: the compiled table travels, so a target answers exactly as the source did.
 * Feature words (enum vcpuid_word) are the CPUID registers as the guest sees them, without dynamic bits.
 * Context: the CPU that runs the VM.
 * Source: SDM Vol. 2A "CPUID - CPU Identification"; Linux, Documentation/virt/kvm/x86/cpuid.rst. */
#ifndef GUEST_VCPUID_H
#define GUEST_VCPUID_H

#include "guest/snapshot.h"
#include "guest/vm.h"
#include "kernel/hw/cpuid_regs.h"

enum vcpuid_word {
    VCPUID_1_ECX = 0,
    VCPUID_1_EDX,
    VCPUID_7_0_EBX,
    VCPUID_7_0_ECX,
    VCPUID_7_0_EDX,
    VCPUID_7_1_EAX,
    VCPUID_EXT1_ECX, /* 0x80000001 */
    VCPUID_EXT1_EDX,
    VCPUID_D_1_EAX,
    VCPUID_XCR0,     /* low half of the XCR0 bits that may be set */
    VCPUID_EXT7_EDX, /* 0x80000007 */
    VCPUID_EXT8_EBX, /* 0x80000008 */
    VCPUID_7_1_EDX,
    VCPUID_ARCH_CAP, /* low half of IA32_ARCH_CAPABILITIES */
    VCPUID_NR_WORDS
};
_Static_assert(VCPUID_NR_WORDS <= VM_CPU_FEATURE_WORDS, "the words of an offer");

#define VCPUID_NR_BASIC 0x20u /* leaves 0 .. 0x1f */
#define VCPUID_NR_HV 0x11u    /* 0x40000000 .. 0x40000010 */
#define VCPUID_NR_EXT 9u      /* 0x80000000 .. 0x80000008 */
#define VCPUID_NR_CACHES 5u   /* leaf 4, with the terminating null */
#define VCPUID_NR_XSAVE 10u   /* leaf 0xd, XCR0 bits 0 .. 9 */
#define VCPUID_XSAVE_MAX 4096u /* XSAVE area that a vCPU has room for, standard format */

/* The machine below. */
struct vcpuid_host {
    void *ctx;
    void (*cpuid)(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t out[4]); /* EAX, EBX, ECX, EDX */
    uint64_t arch_capabilities; /* IA32_ARCH_CAPABILITIES, 0 when the host has none */
    uint32_t microcode;         /* IA32_BIOS_SIGN_ID bits 63:32; shown by the baseline "host" */
    bool rdtscp, invpcid;       /* VT-x lets guests execute them */
    bool spec_ctrl;             /* guests' SPEC_CTRL and PRED_CMD writes reach the hardware */
};

struct vcpuid_config {
    enum cpu_baseline baseline;
    uint32_t nr_vcpus; /* APIC IDs 0 .. nr_vcpus - 1, one package, one thread per core */
    uint64_t tsc_hz;   /* of the guest's TSC */
};

struct vcpuid {
    struct cpuid_regs basic[VCPUID_NR_BASIC];
    struct cpuid_regs hv[VCPUID_NR_HV];
    struct cpuid_regs ext[VCPUID_NR_EXT];
    struct cpuid_regs feature1;                /* leaf 7, subleaf 1 */
    struct cpuid_regs cache[VCPUID_NR_CACHES];
    struct cpuid_regs xsave[VCPUID_NR_XSAVE];
    uint32_t words[VCPUID_NR_WORDS];
    uint32_t nr_vcpus;
    uint32_t microcode;
    uint32_t limit[VCPUID_NR_WORDS]; /* what this host can give; not in the snapshot */
};

/* What the answer depends on at the moment of the query. */
struct vcpuid_context {
    uint32_t apic_id;
    uint64_t cr4; /* as the guest reads it: OSXSAVE, PKE */
    uint64_t xcr0;
    bool apic_disabled; /* IA32_APIC_BASE.EN is 0: CPUID.1:EDX.APIC is 0 */
};

/* vcpuid_build - ERR_UNSUPP with a reason when the host lacks something of a named baseline;
 * ERR_INVAL for a bad baseline. */
result_t vcpuid_build(struct vcpuid *v, const struct vcpuid_config *config, const struct vcpuid_host *host,
                      struct reason *why) MUST_CHECK;

/* vcpuid_query - out: EAX, EBX, ECX, EDX. Leaves that do not exist are all zeros. */
void vcpuid_query(const struct vcpuid *v, uint32_t leaf, uint32_t subleaf, const struct vcpuid_context *c,
                  uint32_t out[4]);

static inline bool vcpuid_has(const struct vcpuid *v, enum vcpuid_word word, uint32_t bits) {
    return (v->words[word] & bits) == bits;
}
/* vcpuid_xcr0 - bits that XSETBV may set. vcpuid_phys_bits - MAXPHYADDR. */
static inline uint64_t vcpuid_xcr0(const struct vcpuid *v) {
    return v->words[VCPUID_XCR0];
}
static inline unsigned vcpuid_phys_bits(const struct vcpuid *v) {
    return v->ext[8].eax & CPUID_EXT8_EAX_PHYS_MASK;
}
/* vcpuid_cr4_allowed - CR4 bits of the features that are shown; setting another one is #GP. */
uint64_t vcpuid_cr4_allowed(const struct vcpuid *v);

void vcpuid_features(const struct vcpuid *v, uint32_t words[VM_CPU_FEATURE_WORDS]);
/* vcpuid_check_host - can a guest with these words run here? ERR_UNSUPP names the first missing feature as
 * the SDM does. Features that Godwit emulates are always there. */
result_t vcpuid_check_host(const uint32_t words[VM_CPU_FEATURE_WORDS], const struct vcpuid_host *host,
                           struct reason *why) MUST_CHECK;
/* vcpuid_feature_name - "AVX2", "XCR0.AVX"; a bit without a name is "CPUID.7.0:ECX bit 15", put in buf. */
const char *vcpuid_feature_name(enum vcpuid_word word, unsigned bit, char *buf, size_t len);

/* vcpuid_snapshot - load needs a v that vcpuid_build filled: what this host cannot give is ERR_CORRUPT. */
void vcpuid_snapshot(struct vcpuid *v, struct snap *s);

#endif
