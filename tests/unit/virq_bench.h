/* SPDX-License-Identifier: MIT */
/* virq_bench.h - interrupt controllers of a machine with four vCPUs: the fixture of the test_virq*.c. */
#ifndef TESTS_UNIT_VIRQ_BENCH_H
#define TESTS_UNIT_VIRQ_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/virq.h"

#define CPUS 4u

struct bench {
    struct virq v;
    struct vclock time; /* tsc_offset is the guest TSC */
    struct bus bus;
    uint8_t *index;
    unsigned kicks[CPUS], resets;
    struct vlapic_requests got[CPUS]; /* what take left to the vCPU since it was cleared */
    struct vlapic lapics[CPUS];
};

static inline struct vlapic *lapic(struct bench *b, unsigned cpu) {
    return virq_lapic(&b->v, cpu);
}

static inline uint64_t read_tsc(const struct vclock *c) {
    return c->tsc_offset;
}

static inline void on_kick(void *ctx, unsigned cpu) {
    ((struct bench *)ctx)->kicks[cpu]++;
}
static inline void on_reset(void *ctx) {
    ((struct bench *)ctx)->resets++;
}

static inline void lapic_wr(struct bench *b, unsigned cpu, uint32_t offset, uint32_t value) {
    vlapic_mmio_write(lapic(b, cpu), offset, 4, value);
}

static inline int setup(void **state) {
    struct bench *b = aligned_alloc(4096, sizeof *b);
    memset(b, 0, sizeof *b);
    struct virq_host host = {b, on_kick, on_reset, NULL};
    vclock_init(&b->time, NSEC_PER_SEC, read_tsc);
    b->index = calloc(1, BUS_PIO_PORTS);
    bus_init(&b->bus, b->index);
    virq_init(&b->v, CPUS, b->lapics, &b->time, &host);
    assert_int_equal(virq_attach(&b->v, &b->bus), OK);
    for (unsigned i = 0; i < CPUS; i++) {
        lapic_wr(b, i, LAPIC_SVR, 0x1ff);
        lapic_wr(b, i, LAPIC_LDR, 1u << (24 + i));
    }
    *state = b;
    return 0;
}
static inline int teardown(void **state) {
    struct bench *b = *state;
    free(b->index);
    free(b);
    return 0;
}

static inline void io_wr(struct bench *b, uint32_t reg, uint32_t value) {
    bus_mmio_write(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_INDEX, 4, reg);
    bus_mmio_write(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_DATA, 4, value);
}
static inline uint32_t io_rd(struct bench *b, uint32_t reg) {
    bus_mmio_write(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_INDEX, 4, reg);
    return (uint32_t)bus_mmio_read(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_DATA, 4);
}
static inline void rte(struct bench *b, unsigned pin, uint32_t low, uint8_t dest) {
    io_wr(b, IOAPIC_REG_REDIRECTION + 2 * pin + 1, (uint32_t)dest << 24);
    io_wr(b, IOAPIC_REG_REDIRECTION + 2 * pin, low);
}
static inline uint32_t rte_low(struct bench *b, unsigned pin) {
    return io_rd(b, IOAPIC_REG_REDIRECTION + 2 * pin);
}
/* What the vCPU's loop does before it enters the guest. */
static inline void look(struct bench *b, unsigned cpu) {
    struct vlapic_requests r;
    if (!vlapic_take(lapic(b, cpu), &r))
        return;
    b->got[cpu].init |= r.init;
    if (r.sipi)
        b->got[cpu] = (struct vlapic_requests){b->got[cpu].init, true, r.sipi_vector};
}
static inline int accept(struct bench *b, unsigned cpu) {
    look(b, cpu);
    return vlapic_accept(lapic(b, cpu));
}
static inline bool is_pending(struct bench *b, unsigned cpu) {
    look(b, cpu);
    return vlapic_has_pending(lapic(b, cpu));
}
static inline int take(struct bench *b, unsigned cpu) {
    int vector = accept(b, cpu);
    vlapic_eoi(lapic(b, cpu));
    return vector;
}
static inline void program_pic(struct bench *b) {
    static const struct {
        uint16_t port;
        uint8_t value;
    } row[] = {{0x20, 0x11}, {0x21, 0x30}, {0x21, 4}, {0x21, 1}, {0xa0, 0x11},
               {0xa1, 0x38}, {0xa1, 2},    {0xa1, 1}, {0x21, 0}, {0xa1, 0}};
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        bus_pio_write(&b->bus, row[i].port, 1, row[i].value);
}

#endif
