/* SPDX-License-Identifier: MIT */
/* bus.h - a guest's port-I/O and MMIO address spaces: which device answers where.
 * - bus_add_pio / bus_add_mmio: a device claims a range at VM creation.
 * - bus_pio_read / bus_pio_write / bus_mmio_read / bus_mmio_write: one access; nobody there = all ones / dropped.
 * Handlers get `size` 1, 2 or 4 (MMIO also 8) and an absolute port or address; the result is masked to size by the bus.
 * Context: the CPU that runs the VM. */
#ifndef GUEST_BUS_H
#define GUEST_BUS_H

#include "kernel/result.h"

struct pio_handler {
    uint16_t first, last; /* inclusive */
    uint32_t (*read)(void *dev, uint16_t port, unsigned size);
    void (*write)(void *dev, uint16_t port, unsigned size, uint32_t value);
    void *dev;
    const char *name;
};

struct mmio_handler {
    gpa_t start, end; /* [start, end) */
    uint64_t (*read)(void *dev, gpa_t addr, unsigned size);
    void (*write)(void *dev, gpa_t addr, unsigned size, uint64_t value);
    void *dev;
    const char *name;
};

#define BUS_MAX_PIO 32
#define BUS_MAX_MMIO 16
#define BUS_PIO_PORTS 65536u

struct bus {
    struct pio_handler pio[BUS_MAX_PIO];
    struct mmio_handler mmio[BUS_MAX_MMIO];
    unsigned nr_pio, nr_mmio;
    uint8_t *pio_index; /* port -> index + 1 in pio[], 0 = nobody; BUS_PIO_PORTS entries, owned by the caller */
};

/* bus_init - an empty bus. pio_index: BUS_PIO_PORTS zeroed octets that live as long as the bus. */
void bus_init(struct bus *b, uint8_t *pio_index);
/* bus_add_pio, bus_add_mmio - ERR_EXIST on overlap, ERR_FULL when the table is full; nothing changes on error. */
result_t bus_add_pio(struct bus *b, const struct pio_handler *h) MUST_CHECK;
result_t bus_add_mmio(struct bus *b, const struct mmio_handler *h) MUST_CHECK;
uint32_t bus_pio_read(const struct bus *b, uint16_t port, unsigned size);
void bus_pio_write(const struct bus *b, uint16_t port, unsigned size, uint32_t value);
uint64_t bus_mmio_read(const struct bus *b, gpa_t addr, unsigned size);
void bus_mmio_write(const struct bus *b, gpa_t addr, unsigned size, uint64_t value);

#endif
