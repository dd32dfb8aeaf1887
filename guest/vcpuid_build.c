/* SPDX-License-Identifier: MIT */
/* vcpuid_build.c - compile a VM's CPUID table: feature words into leaves; topology, caches, time, names. */
#include <string.h>

#include "guest/vcpuid_policy.h"

#define MAX_LEAF CPUID_LEAF_TOPOLOGY_V2
#define CLFLUSH_QUADWORDS 8u
#define BUS_HZ NSEC_PER_SEC /* the local APIC timer counts guest ns: guest/vlapic.h */
#define LINUX_MAX_RATIO 4294u /* Linux multiplies the ratio by the crystal's kHz in 32 bits */

static struct cpuid_regs ask(const struct vcpuid_host *host, uint32_t leaf, uint32_t subleaf) {
    uint32_t out[4];
    host->cpuid(host->ctx, leaf, subleaf, out);
    return (struct cpuid_regs){out[0], out[1], out[2], out[3]};
}

static unsigned log2_up(uint32_t n) {
    return n <= 1 ? 0 : 32u - (unsigned)__builtin_clz(n - 1);
}

static void fill_features(struct vcpuid *v) {
    const uint32_t *w = v->words;
    v->basic[1].ecx = w[VCPUID_1_ECX];
    v->basic[1].edx = w[VCPUID_1_EDX] | (v->nr_vcpus > 1 ? CPUID_1_EDX_HTT : 0);
    v->basic[1].ebx = CLFLUSH_QUADWORDS << 8 | MIN(v->nr_vcpus, 255u) << 16;
    v->basic[7].ebx = w[VCPUID_7_0_EBX];
    v->basic[7].ecx = w[VCPUID_7_0_ECX];
    v->basic[7].edx = w[VCPUID_7_0_EDX];
    v->feature1.eax = w[VCPUID_7_1_EAX];
    v->feature1.edx = w[VCPUID_7_1_EDX];
    v->basic[7].eax = (v->feature1.eax | v->feature1.edx) != 0 ? 1 : 0;
    v->ext[1].ecx = w[VCPUID_EXT1_ECX];
    v->ext[1].edx = w[VCPUID_EXT1_EDX];
    v->ext[7].edx = w[VCPUID_EXT7_EDX];
    v->ext[8].ebx = w[VCPUID_EXT8_EBX];
    v->basic[6].eax = CPUID_6_EAX_ARAT; /* the APIC timer never stops */
}

static void fill_xsave(struct vcpuid *v, const struct vcpuid_host *host) {
    if (!vcpuid_has(v, VCPUID_1_ECX, CPUID_1_ECX_XSAVE))
        return;
    uint32_t size = XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE;
    for (unsigned i = 2; i < VCPUID_NR_XSAVE; i++) {
        if ((v->words[VCPUID_XCR0] & 1u << i) == 0)
            continue;
        struct cpuid_regs r = ask(host, CPUID_LEAF_XSAVE, i);
        v->xsave[i] = (struct cpuid_regs){r.eax, r.ebx, r.ecx & CPUID_D_N_ECX_ALIGN64, 0};
        size = MAX(size, r.eax + r.ebx);
    }
    v->xsave[0].eax = v->words[VCPUID_XCR0];
    v->xsave[0].ecx = size;
    v->xsave[1].eax = v->words[VCPUID_D_1_EAX];
}

/* Leaf 4. level 3 is shared by all vCPUs, the others belong to one. */
static struct cpuid_regs cache(const struct vcpuid *v, struct cpuid_regs host) {
    uint32_t level = host.eax >> 5 & 7;
    uint32_t mates = (1u << log2_up(v->nr_vcpus)) - 1;
    host.eax &= 0x3fffu;
    host.eax |= (level >= 3 ? mates : 0) << 14 | MIN(mates, 63u) << 26;
    return host;
}

/* EBX of leaf 4: ways, one partition, 64-octet lines. */
#define CACHE(type, level, ways, sets, flags) \
    {(type) | (level) << 5 | 1u << 8, ((ways)-1u) << 22 | 63u, (sets)-1u, (flags)}

static void fill_caches(struct vcpuid *v, const struct vcpuid_host *host, bool named) {
    static const struct cpuid_regs fixed[] = {
        CACHE(1u, 1u, 8u, 64u, 0),  /* 32 KiB of data */
        CACHE(2u, 1u, 8u, 64u, 0),  /* 32 KiB of instructions */
        CACHE(3u, 2u, 8u, 512u, 0), /* 256 KiB */
        CACHE(3u, 3u, 16u, 8192u, 6u), /* 8 MiB, inclusive */
    };
    for (unsigned i = 0; i < VCPUID_NR_CACHES - 1; i++) {
        struct cpuid_regs r = named ? fixed[i] : ask(host, CPUID_LEAF_CACHE, i);
        if ((r.eax & 0x1f) == 0)
            break;
        v->cache[i] = cache(v, r);
    }
    v->basic[4] = v->cache[0];
    v->basic[2] = (struct cpuid_regs){0x76036301, 0x00f0b5ff, 0, 0x00c10000}; /* 0xff: see leaf 4 */
    v->ext[6].ecx = named ? 0x01006040 : ask(host, CPUID_LEAF_EXT_L2, 0).ecx;
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Leaf 0x15: crystal * EBX / EAX = TSC frequency, exactly. The crystal is the APIC's bus clock where the
 * ratio is simple (Linux takes it for that); otherwise a clock that divides the TSC's. */
static struct cpuid_regs tsc_leaf(uint64_t hz) {
    uint64_t gcd = greatest_common_divisor(hz, BUS_HZ);
    if (hz / gcd <= LINUX_MAX_RATIO)
        return (struct cpuid_regs){(uint32_t)(BUS_HZ / gcd), (uint32_t)(hz / gcd), (uint32_t)BUS_HZ, 0};
    uint32_t ratio = 1;
    while (hz / ratio > UINT32_MAX || (ratio < 16 && hz > UINT32_MAX && hz % ratio != 0))
        ratio++;
    return (struct cpuid_regs){1, ratio, (uint32_t)(hz / ratio), 0};
}

static void fill_time(struct vcpuid *v, uint64_t hz) {
    uint32_t mhz = (uint32_t)((hz + 500000) / 1000000);
    v->basic[CPUID_LEAF_TSC] = tsc_leaf(hz);
    v->basic[CPUID_LEAF_FREQUENCY] = (struct cpuid_regs){mhz, mhz, 100, 0};
    v->hv[0x10] = (struct cpuid_regs){(uint32_t)(hz / 1000), (uint32_t)(BUS_HZ / 1000), 0, 0};
}

static void fill_brand(struct vcpuid *v, const char *brand, const struct vcpuid_host *host) {
    char text[48] = {0};
    for (unsigned i = 0; i < 3; i++)
        v->ext[2 + i] = ask(host, CPUID_LEAF_BRAND0 + i, 0);
    if (brand == NULL)
        return;
    strncpy(text, brand, sizeof text - 1);
    memcpy(&v->ext[2], text, sizeof text); /* three leaves of 16 characters, EAX EBX ECX EDX */
}

static void fill_identity(struct vcpuid *v, const struct vcpuid_baseline *b, const struct vcpuid_host *host) {
    v->basic[0] = (struct cpuid_regs){MAX_LEAF, 0x756e6547, 0x6c65746e, 0x49656e69}; /* GenuineIntel */
    v->basic[1].eax = b != NULL ? b->signature : ask(host, CPUID_LEAF_FEATURES, 0).eax;
    v->microcode = b != NULL ? b->microcode : host->microcode;
    v->ext[0].eax = CPUID_LEAF_EXT_MAX + VCPUID_NR_EXT - 1;
    uint32_t phys = b != NULL ? b->phys_bits : ask(host, CPUID_LEAF_EXT_ADDRESS, 0).eax & 0xff;
    v->ext[8].eax = 48u << CPUID_EXT8_EAX_LIN_SHIFT | phys;
    v->hv[0] = (struct cpuid_regs){CPUID_LEAF_HYPERVISOR + VCPUID_NR_HV - 1, 0x4b4d564b, 0x564b4d56, 0x4d};
    v->hv[1].eax = KVM_FEATURE_CLOCKSOURCE2 | KVM_FEATURE_NOP_IO_DELAY | KVM_FEATURE_STEAL_TIME | KVM_FEATURE_PV_EOI |
                   KVM_FEATURE_PV_UNHALT | KVM_FEATURE_PV_SEND_IPI | KVM_FEATURE_CLOCKSOURCE_STABLE;
}

result_t vcpuid_build(struct vcpuid *v, const struct vcpuid_config *config, const struct vcpuid_host *host,
                      struct reason *why) {
    const struct vcpuid_baseline *b = vcpuid_baseline_of(config->baseline);
    if (b == NULL && config->baseline != CPU_BASELINE_HOST)
        return reason_set(why, ERR_INVAL, "CPU baseline %d is unknown: use v2, v3 or host",
                          (int)config->baseline);
    if (config->nr_vcpus == 0 || config->tsc_hz == 0)
        return reason_set(why, ERR_INVAL, "CPUID for %u vCPUs at %lu Hz: both must be above 0",
                          config->nr_vcpus, (unsigned long)config->tsc_hz);
    memset(v, 0, sizeof *v);
    vcpuid_host_words(host, v->limit);
    memcpy(v->words, b != NULL ? b->words : v->limit, sizeof v->words);
    result_t r = vcpuid_check_words(b != NULL ? b->brand : "host", v->words, v->limit, why);
    if (r != OK)
        return r;
    v->nr_vcpus = config->nr_vcpus;
    fill_identity(v, b, host);
    fill_features(v);
    fill_xsave(v, host);
    fill_caches(v, host, b != NULL);
    fill_time(v, config->tsc_hz);
    fill_brand(v, b != NULL ? b->brand : NULL, host);
    return OK;
}
