/* SPDX-License-Identifier: MIT */
#include "guest/vioapic.h"

#include <string.h>

#define VERSION (0x20u | (IOAPIC_NR_PINS - 1) << IOAPIC_VERSION_MAX_ENTRY_SHIFT)
#define RTE_READ_ONLY (IOAPIC_RTE_PENDING | IOAPIC_RTE_REMOTE_IRR)
#define RTE_KEPT (0xff0000000001ffffull & ~RTE_READ_ONLY)

void vioapic_init(struct vioapic *io, void (*send)(void *ctx, const struct irq_msg *msg), void *ctx) {
    memset(io, 0, sizeof *io);
    io->send = send;
    io->ctx = ctx;
    for (unsigned pin = 0; pin < IOAPIC_NR_PINS; pin++)
        io->rte[pin] = IOAPIC_RTE_MASKED;
}

static bool is_level(uint64_t rte) {
    uint64_t mode = (rte & IOAPIC_RTE_MODE_MASK) >> IOAPIC_RTE_MODE_SHIFT;
    return (rte & IOAPIC_RTE_LEVEL) != 0 && (mode == LAPIC_MODE_FIXED || mode == LAPIC_MODE_LOWEST);
}

static void send_pin(struct vioapic *io, unsigned pin) {
    uint64_t rte = io->rte[pin];
    struct irq_msg msg = {
        .dest = (uint32_t)(rte >> IOAPIC_RTE_DEST_SHIFT),
        .vector = (uint8_t)rte,
        .mode = (uint8_t)((rte & IOAPIC_RTE_MODE_MASK) >> IOAPIC_RTE_MODE_SHIFT),
        .logical = (rte & IOAPIC_RTE_LOGICAL) != 0,
        .level = is_level(rte),
    };
    io->send(io->ctx, &msg);
}

/* A level-triggered pin sends when its wire is high and the last one it sent has been finished. */
static void service_level(struct vioapic *io, unsigned pin) {
    uint64_t rte = io->rte[pin];
    bool held = (rte & (IOAPIC_RTE_MASKED | IOAPIC_RTE_REMOTE_IRR)) != 0;
    if (!is_level(rte) || held || (io->lines >> pin & 1) == 0)
        return;
    io->rte[pin] |= IOAPIC_RTE_REMOTE_IRR;
    io->waiting |= 1u << pin;
    send_pin(io, pin);
}

void vioapic_set_pin(struct vioapic *io, unsigned pin, bool level) {
    if (pin >= IOAPIC_NR_PINS)
        return;
    uint32_t bit = 1u << pin;
    bool rising = level && (io->lines & bit) == 0;
    io->lines = level ? io->lines | bit : io->lines & ~bit;
    if (!rising)
        return;
    if (is_level(io->rte[pin]))
        service_level(io, pin);
    else if ((io->rte[pin] & IOAPIC_RTE_MASKED) == 0)
        send_pin(io, pin);
}

void vioapic_eoi(struct vioapic *io, uint8_t vector) {
    for (uint32_t left = io->waiting; left != 0; left &= left - 1) {
        unsigned pin = (unsigned)__builtin_ctz(left);
        if ((io->rte[pin] & IOAPIC_RTE_VECTOR_MASK) != vector)
            continue;
        io->rte[pin] &= ~IOAPIC_RTE_REMOTE_IRR;
        io->waiting &= ~(1u << pin);
        service_level(io, pin);
    }
}

static void write_rte(struct vioapic *io, unsigned pin, uint64_t value) {
    uint64_t rte = (value & RTE_KEPT) | (io->rte[pin] & RTE_READ_ONLY);
    if (!is_level(rte)) {
        rte &= ~IOAPIC_RTE_REMOTE_IRR; /* kernels clear a stuck remote IRR by switching to edge and back */
        io->waiting &= ~(1u << pin);
    }
    io->rte[pin] = rte;
    service_level(io, pin);
}

static uint32_t read_register(const struct vioapic *io) {
    switch (io->index) {
    case IOAPIC_REG_ID:
    case IOAPIC_REG_ARBITRATION:
        return io->id;
    case IOAPIC_REG_VERSION:
        return VERSION;
    default: {
        unsigned word = (unsigned)io->index - IOAPIC_REG_REDIRECTION;
        if (io->index < IOAPIC_REG_REDIRECTION || word >= 2 * IOAPIC_NR_PINS)
            return 0;
        return (uint32_t)(io->rte[word >> 1] >> (32 * (word & 1)));
    }
    }
}

static void write_register(struct vioapic *io, uint32_t value) {
    if (io->index == IOAPIC_REG_ID) {
        io->id = value & IOAPIC_ID_MASK;
        return;
    }
    unsigned word = (unsigned)io->index - IOAPIC_REG_REDIRECTION;
    if (io->index < IOAPIC_REG_REDIRECTION || word >= 2 * IOAPIC_NR_PINS)
        return;
    uint64_t rte = io->rte[word >> 1];
    if ((word & 1) != 0)
        rte = (rte & 0xffffffffu) | (uint64_t)value << 32;
    else
        rte = (rte & ~0xffffffffull) | value;
    write_rte(io, word >> 1, rte);
}

uint64_t vioapic_read(struct vioapic *io, uint32_t offset, unsigned size) {
    uint32_t value = 0;
    if ((offset & 0xf) + size > 4)
        return 0;
    if ((offset & ~0xfu) == IOAPIC_INDEX)
        value = io->index;
    else if ((offset & ~0xfu) == IOAPIC_DATA)
        value = read_register(io);
    return value >> (8 * (offset & 3)) & (0xffffffffu >> (32 - 8 * size));
}

void vioapic_write(struct vioapic *io, uint32_t offset, unsigned size, uint64_t value) {
    if (offset == IOAPIC_INDEX)
        io->index = (uint8_t)value;
    else if (offset == IOAPIC_DATA && size >= 4)
        write_register(io, (uint32_t)value);
    else if (offset == IOAPIC_EOI)
        vioapic_eoi(io, (uint8_t)value);
}

static uint64_t mmio_read(void *dev, gpa_t addr, unsigned size) {
    return vioapic_read(dev, (uint32_t)(addr - IOAPIC_DEFAULT_BASE), size);
}

static void mmio_write(void *dev, gpa_t addr, unsigned size, uint64_t value) {
    vioapic_write(dev, (uint32_t)(addr - IOAPIC_DEFAULT_BASE), size, value);
}

result_t vioapic_attach(struct vioapic *io, struct bus *bus) {
    struct mmio_handler h = {
        IOAPIC_DEFAULT_BASE, IOAPIC_DEFAULT_BASE + IOAPIC_PAGE_SIZE, mmio_read, mmio_write, io, "ioapic",
    };
    return bus_add_mmio(bus, &h);
}

void vioapic_snapshot(struct vioapic *io, struct snap *s) {
    if (s->loading)
        io->waiting = 0;
    for (unsigned pin = 0; pin < IOAPIC_NR_PINS; pin++) {
        snap_u64(s, &io->rte[pin]);
        bool remote = (io->rte[pin] & IOAPIC_RTE_REMOTE_IRR) != 0;
        snap_require(s, !remote || is_level(io->rte[pin]));
        if (s->loading && remote)
            io->waiting |= 1u << pin;
    }
    snap_u32(s, &io->lines);
    snap_u32(s, &io->id);
    snap_u8(s, &io->index);
}
