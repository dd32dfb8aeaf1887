/* SPDX-License-Identifier: MIT */
#include "guest/vcpuid.h"

#include <string.h>

#include "guest/vcpuid_policy.h"

#define CR4_OSXSAVE BIT(18)
#define CR4_PKE BIT(22)

/* Basic leaves that are more than a copy: 1, 4, 7, 0xb, 0xd, 0x1f. */
#define DYNAMIC_LEAVES 0x80002892u

static unsigned log2_up(uint32_t n) {
    return n <= 1 ? 0 : 32u - (unsigned)__builtin_clz(n - 1);
}

/* Octets of an XSAVE area with these components. */
static uint32_t xsave_size(const struct vcpuid *v, uint64_t components, bool compacted) {
    uint32_t size = XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE;
    for (unsigned i = 2; i < VCPUID_NR_XSAVE; i++) {
        const struct cpuid_regs *r = &v->xsave[i];
        if ((components >> i & 1) == 0)
            continue;
        if (!compacted)
            size = MAX(size, r->ebx + r->eax);
        else
            size = ((r->ecx & CPUID_D_N_ECX_ALIGN64) != 0 ? ALIGN_UP(size, 64u) : size) + r->eax;
    }
    return size;
}

static struct cpuid_regs xsave_leaf(const struct vcpuid *v, uint32_t subleaf, uint64_t xcr0) {
    if (subleaf >= VCPUID_NR_XSAVE)
        return (struct cpuid_regs){0, 0, 0, 0};
    struct cpuid_regs r = v->xsave[subleaf];
    if (subleaf == 0 && r.eax != 0)
        r.ebx = xsave_size(v, xcr0, false);
    else if (subleaf == 1 && (r.eax & CPUID_D_1_EAX_XSAVEC) != 0)
        r.ebx = xsave_size(v, xcr0, true);
    return r;
}

/* Extended topology: one thread per core, all cores in one package. */
static struct cpuid_regs topology_leaf(const struct vcpuid *v, uint32_t subleaf, uint32_t apic_id) {
    switch (subleaf) {
    case 0: /* threads */
        return (struct cpuid_regs){0, 1, 1u << 8, apic_id};
    case 1: /* cores */
        return (struct cpuid_regs){log2_up(v->nr_vcpus), v->nr_vcpus, 2u << 8 | 1u, apic_id};
    default:
        return (struct cpuid_regs){0, 0, subleaf & 0xff, apic_id};
    }
}

static struct cpuid_regs dynamic_leaf(const struct vcpuid *v, uint32_t leaf, uint32_t subleaf,
                                      const struct vcpuid_context *c) {
    struct cpuid_regs r = v->basic[leaf];
    const struct cpuid_regs none = {0, 0, 0, 0};
    switch (leaf) {
    case CPUID_LEAF_FEATURES:
        r.ebx |= c->apic_id << 24;
        if ((c->cr4 & CR4_OSXSAVE) != 0)
            r.ecx |= CPUID_1_ECX_OSXSAVE;
        if (c->apic_disabled)
            r.edx &= ~CPUID_1_EDX_APIC;
        return r;
    case CPUID_LEAF_EXT_FEATURES:
        if (subleaf != 0)
            return subleaf == 1 ? v->feature1 : none;
        if ((c->cr4 & CR4_PKE) != 0)
            r.ecx |= CPUID_7_ECX_OSPKE;
        return r;
    case CPUID_LEAF_CACHE:
        return subleaf < VCPUID_NR_CACHES ? v->cache[subleaf] : none;
    case CPUID_LEAF_XSAVE:
        return xsave_leaf(v, subleaf, c->xcr0);
    default:
        return topology_leaf(v, subleaf, c->apic_id);
    }
}

void vcpuid_query(const struct vcpuid *v, uint32_t leaf, uint32_t subleaf, const struct vcpuid_context *c,
                  uint32_t out[4]) {
    struct cpuid_regs r = {0, 0, 0, 0};
    if (leaf < VCPUID_NR_BASIC)
        r = (DYNAMIC_LEAVES >> leaf & 1) == 0 ? v->basic[leaf] : dynamic_leaf(v, leaf, subleaf, c);
    else if (leaf - CPUID_LEAF_HYPERVISOR < VCPUID_NR_HV)
        r = v->hv[leaf - CPUID_LEAF_HYPERVISOR];
    else if (leaf - CPUID_LEAF_EXT_MAX < VCPUID_NR_EXT)
        r = v->ext[leaf - CPUID_LEAF_EXT_MAX];
    out[CPUID_EAX] = r.eax;
    out[CPUID_EBX] = r.ebx;
    out[CPUID_ECX] = r.ecx;
    out[CPUID_EDX] = r.edx;
}

/* CR4 bits 0 .. 10 exist on every processor that runs Godwit. Source: SDM Vol. 3 "Control Registers". */
uint64_t vcpuid_cr4_allowed(const struct vcpuid *v) {
    static const struct {
        enum vcpuid_word word;
        uint32_t feature;
        unsigned bit;
    } row[] = {
        {VCPUID_7_0_ECX, CPUID_7_ECX_UMIP, 11},   {VCPUID_7_0_EBX, CPUID_7_EBX_FSGSBASE, 16},
        {VCPUID_1_ECX, CPUID_1_ECX_PCID, 17},     {VCPUID_1_ECX, CPUID_1_ECX_XSAVE, 18},
        {VCPUID_7_0_EBX, CPUID_7_EBX_SMEP, 20},   {VCPUID_7_0_EBX, CPUID_7_EBX_SMAP, 21},
        {VCPUID_7_0_ECX, CPUID_7_ECX_PKU, 22},
    };
    uint64_t cr4 = 0x7ff;
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        if (vcpuid_has(v, row[i].word, row[i].feature))
            cr4 |= BIT(row[i].bit);
    return cr4;
}

void vcpuid_features(const struct vcpuid *v, uint32_t words[VM_CPU_FEATURE_WORDS]) {
    memset(words, 0, VM_CPU_FEATURE_WORDS * sizeof words[0]);
    memcpy(words, v->words, sizeof v->words);
}

result_t vcpuid_check_host(const uint32_t words[VM_CPU_FEATURE_WORDS], const struct vcpuid_host *host,
                           struct reason *why) {
    uint32_t have[VCPUID_NR_WORDS];
    vcpuid_host_words(host, have);
    for (unsigned w = VCPUID_NR_WORDS; w < VM_CPU_FEATURE_WORDS; w++)
        if (words[w] != 0)
            return reason_set(why, ERR_UNSUPP,
                              "the guest has CPU feature word %u, unknown here: update Godwit", w);
    return vcpuid_check_words("the guest", words, have, why);
}

static void snap_leaves(struct snap *s, struct cpuid_regs *r, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        snap_u32(s, &r[i].eax);
        snap_u32(s, &r[i].ebx);
        snap_u32(s, &r[i].ecx);
        snap_u32(s, &r[i].edx);
    }
}

/* The leaves must show exactly the words, or a stream could show a feature that the check did not see. */
static bool leaves_match_words(const struct vcpuid *v) {
    const uint32_t *w = v->words;
    return v->basic[1].ecx == w[VCPUID_1_ECX] && (v->basic[1].edx & ~CPUID_1_EDX_HTT) == w[VCPUID_1_EDX] &&
           v->basic[7].ebx == w[VCPUID_7_0_EBX] && v->basic[7].ecx == w[VCPUID_7_0_ECX] &&
           v->basic[7].edx == w[VCPUID_7_0_EDX] && v->feature1.eax == w[VCPUID_7_1_EAX] &&
           v->feature1.edx == w[VCPUID_7_1_EDX] && v->ext[1].ecx == w[VCPUID_EXT1_ECX] &&
           v->ext[1].edx == w[VCPUID_EXT1_EDX] && v->ext[7].edx == w[VCPUID_EXT7_EDX] &&
           v->ext[8].ebx == w[VCPUID_EXT8_EBX] && v->xsave[1].eax == w[VCPUID_D_1_EAX] &&
           (v->xsave[0].eax == 0 || v->xsave[0].eax == w[VCPUID_XCR0]);
}

void vcpuid_snapshot(struct vcpuid *v, struct snap *s) {
    uint32_t nr_vcpus = v->nr_vcpus;
    snap_u32(s, &nr_vcpus);
    snap_require(s, nr_vcpus == v->nr_vcpus);
    snap_u32(s, &v->microcode);
    for (unsigned w = 0; w < VCPUID_NR_WORDS; w++)
        snap_u32(s, &v->words[w]);
    snap_leaves(s, v->basic, VCPUID_NR_BASIC);
    snap_leaves(s, v->hv, VCPUID_NR_HV);
    snap_leaves(s, v->ext, VCPUID_NR_EXT);
    snap_leaves(s, &v->feature1, 1);
    snap_leaves(s, v->cache, VCPUID_NR_CACHES);
    snap_leaves(s, v->xsave, VCPUID_NR_XSAVE);
    if (!s->loading || s->status != OK)
        return;
    unsigned phys_bits = vcpuid_phys_bits(v);
    snap_require(s, vcpuid_check_words("", v->words, v->limit, NULL) == OK && leaves_match_words(v));
    snap_require(s, phys_bits >= 32 && phys_bits <= 52 && (v->words[VCPUID_XCR0] & XCR0_X87) != 0);
}
