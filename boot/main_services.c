/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "boot/main.h"
#include "kernel/cpu.h"
#include "kernel/io.h"
#include "kernel/log.h"
#include "migration/migration.h"
#include "net/net.h"
#include "vmx/vcpu.h"

#define RANDOM_RETRIES 16

/* A splitmix64 chain keyed by everything unpredictable that the machine offers. It makes identifiers and sequence
 * numbers; keys will come from a DRBG of the TLS library. */
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

static bool hardware_random(uint64_t *v) {
    uint8_t ok = 0;
    for (int i = 0; i < RANDOM_RETRIES && !ok; i++)
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*v), "=qm"(ok) : : "cc");
    return ok;
}

void main_random(void *buf, size_t len) {
    uint8_t *out = buf;
    bool rdrand = (cpu_cpuid(1, 0).ecx & CPUID_1_ECX_RDRAND) != 0;
    while (len > 0) {
        uint64_t v = 0;
        if (rdrand && hardware_random(&v))
            stir(v);
        stir(cpu_rdtsc());
        size_t n = MIN(len, sizeof pool[1]);
        memcpy(out, &pool[1], n);
        out += n, len -= n;
    }
}

void main_init_entropy(const struct boot_info *info) {
    for (uint64_t i = 0; i + 8 <= info->entropy_bytes; i += 8) {
        uint64_t v;
        memcpy(&v, info->entropy + i, sizeof v);
        stir(v);
    }
    stir(info->handover_tsc);
    stir(info->wall_seconds);
}

void main_init_vmx(void) {
    struct reason why;
    if (vmx_init(&why) != OK)
        log_warn("vmx: %s", why.text);
}

static uint32_t ipv4_of(const uint8_t octet[4]) {
    return (uint32_t)octet[0] << 24 | (uint32_t)octet[1] << 16 | (uint32_t)octet[2] << 8 | octet[3];
}

void main_init_net(void) {
    const struct config *c = main_config();
    struct net_config net = {
        .dhcp = c->net.mode == CONFIG_MODE_DHCP,
        .ipv4 = ipv4_of(c->net.address),
        .prefix = c->net.prefix,
        .gateway = ipv4_of(c->net.gateway),
        .nic = c->net.nic,
    };
    memcpy(net.mac, c->net.mac, sizeof net.mac);
    memcpy(net.hostname, c->host.name, MIN(sizeof net.hostname, sizeof c->host.name));
    main_random(net.entropy, sizeof net.entropy);
    struct reason why;
    if (net_init(&net, &why) != OK)
        log_warn("net: %s", why.text);
}

void main_init_migration(void) {
    const struct config *c = main_config();
    struct migration_config m = {.port = c->host.migration_port, .random = main_random};
    memcpy(m.host, c->host.name, MIN(sizeof m.host, sizeof c->host.name));
    main_random(m.boot_id, sizeof m.boot_id);
    struct reason why;
    if (migration_init(&m, &why) != OK)
        log_warn("migration: %s", why.text);
}
