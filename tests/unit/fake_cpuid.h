/* SPDX-License-Identifier: MIT */
/* fake_cpuid.h - a host's CPUID for tests: a table that a test can change. */
#ifndef TESTS_UNIT_FAKE_CPUID_H
#define TESTS_UNIT_FAKE_CPUID_H

#include "guest/vcpuid.h"

struct fake_leaf {
    uint32_t leaf, subleaf;
    struct cpuid_regs r;
};

struct fake_cpu {
    struct fake_leaf leaf[40];
    unsigned nr;
};

static inline struct cpuid_regs *fake_cpu_leaf(struct fake_cpu *c, uint32_t leaf, uint32_t subleaf) {
    for (unsigned i = 0; i < c->nr; i++)
        if (c->leaf[i].leaf == leaf && c->leaf[i].subleaf == subleaf)
            return &c->leaf[i].r;
    c->leaf[c->nr] = (struct fake_leaf){leaf, subleaf, {0, 0, 0, 0}};
    return &c->leaf[c->nr++].r;
}

static inline void fake_cpu_query(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
    const struct fake_cpu *c = ctx;
    struct cpuid_regs r = {0, 0, 0, 0};
    for (unsigned i = 0; i < c->nr; i++)
        if (c->leaf[i].leaf == leaf && c->leaf[i].subleaf == subleaf)
            r = c->leaf[i].r;
    out[0] = r.eax, out[1] = r.ebx, out[2] = r.ecx, out[3] = r.edx;
}

/* A server processor with everything switched on, reserved bits included: what comes through is policy. */
static inline void fake_cpu_init(struct fake_cpu *c) {
    static const struct {
        unsigned component;
        struct cpuid_regs r;
    } xsave[] = {{2, {256, 576, 0, 0}},   {3, {64, 960, 0, 0}},   {4, {64, 1024, 0, 0}},
                 {5, {64, 1088, 0, 0}},   {6, {512, 1152, 0, 0}}, {7, {1024, 1664, 0, 0}},
                 {8, {128, 0, 1, 0}},     {9, {8, 2688, 0, 0}},   {17, {64, 2752, 2, 0}},
                 {18, {8192, 2816, 6, 0}}};
    c->nr = 0;
    *fake_cpu_leaf(c, 0, 0) = (struct cpuid_regs){0x20, 0x756e6547, 0x6c65746e, 0x49656e69};
    *fake_cpu_leaf(c, 1, 0) = (struct cpuid_regs){0x00050654, 0x00100800, ~0u, ~0u};
    *fake_cpu_leaf(c, 4, 0) = (struct cpuid_regs){0x1c004121, 0x01c0003f, 0x3f, 0};
    *fake_cpu_leaf(c, 4, 1) = (struct cpuid_regs){0x1c03c163, 0x0280003f, 0x9fff, 4};
    *fake_cpu_leaf(c, 6, 0) = (struct cpuid_regs){~0u, 2, 9, 0};
    *fake_cpu_leaf(c, 7, 0) = (struct cpuid_regs){2, ~0u, ~0u, ~0u};
    *fake_cpu_leaf(c, 7, 1) = (struct cpuid_regs){~0u, ~0u, ~0u, ~0u};
    *fake_cpu_leaf(c, 0xa, 0) = (struct cpuid_regs){0x07300404, 0, 0, 0x603};
    *fake_cpu_leaf(c, 0xd, 0) = (struct cpuid_regs){0x602e7, 2696, 11008, 0};
    *fake_cpu_leaf(c, 0xd, 1) = (struct cpuid_regs){0x1f, 2440, 0x100, 0};
    for (unsigned i = 0; i < ARRAY_LEN(xsave); i++)
        *fake_cpu_leaf(c, 0xd, xsave[i].component) = xsave[i].r;
    *fake_cpu_leaf(c, 0x14, 0) = (struct cpuid_regs){1, 0xf, 7, 0};
    *fake_cpu_leaf(c, 0x80000000, 0) = (struct cpuid_regs){0x80000008, 0, 0, 0};
    *fake_cpu_leaf(c, 0x80000001, 0) = (struct cpuid_regs){0, 0, ~0u, ~CPUID_EXT1_EDX_SYSCALL};
    *fake_cpu_leaf(c, 0x80000002, 0) = (struct cpuid_regs){0x74736554, 0, 0, 0}; /* "Test" */
    *fake_cpu_leaf(c, 0x80000006, 0) = (struct cpuid_regs){0, 0, 0x01006040, 0};
    *fake_cpu_leaf(c, 0x80000007, 0) = (struct cpuid_regs){0, 0, 0, ~0u};
    *fake_cpu_leaf(c, 0x80000008, 0) = (struct cpuid_regs){0x302e, ~0u, 0, 0};
}

static inline struct vcpuid_host fake_cpu_host(struct fake_cpu *c) {
    return (struct vcpuid_host){c, fake_cpu_query, ~0ull, 0x2006e05, true, true, true};
}

#endif
