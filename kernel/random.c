/* SPDX-License-Identifier: MIT */
/* random.c - a chain of splitmix64 steps over everything unpredictable that the machine offers. */
#include "kernel/random.h"

#include <string.h>

#include "kernel/cpu.h"
#include "kernel/io.h"

#define RDRAND_RETRIES 16

static uint64_t pool[2];

static uint64_t mix64(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static void stir(uint64_t v) {
    pool[0] = mix64(pool[0] ^ v);
    pool[1] = mix64(pool[1] + pool[0]);
}

void random_stir(const void *data, size_t len) {
    const uint8_t *in = data;
    for (; len > 0;) {
        uint64_t v = 0;
        size_t n = MIN(len, sizeof v);
        memcpy(&v, in, n);
        stir(v);
        in += n, len -= n;
    }
}

static void stir_hardware(void) {
    uint64_t v = 0;
    uint8_t ok = 0;
    if ((cpu_cpuid(CPUID_LEAF_FEATURES, 0).ecx & CPUID_1_ECX_RDRAND) == 0)
        return;
    for (int i = 0; i < RDRAND_RETRIES && !ok; i++)
        __asm__ volatile("rdrand %0; setc %1" : "=r"(v), "=qm"(ok) : : "cc");
    stir(v);
}

void random_bytes(void *buf, size_t len) {
    uint8_t *out = buf;
    while (len > 0) {
        stir_hardware();
        stir(cpu_rdtsc());
        uint64_t v = mix64(pool[0] ^ 0x9e3779b97f4a7c15ull) ^ mix64(pool[1]); /* not the state itself */
        size_t n = MIN(len, sizeof v);
        memcpy(out, &v, n);
        out += n, len -= n;
    }
}
