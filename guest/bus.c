/* SPDX-License-Identifier: MIT */
#include "guest/bus.h"

static uint64_t size_mask(unsigned size) {
    return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

void bus_init(struct bus *b, uint8_t *pio_index) {
    *b = (struct bus){.pio_index = pio_index};
}

result_t bus_add_pio(struct bus *b, const struct pio_handler *h) {
    if (h->last < h->first)
        return fail(ERR_INVAL);
    for (uint32_t port = h->first; port <= h->last; port++)
        if (b->pio_index[port] != 0)
            return fail(ERR_EXIST);
    if (b->nr_pio == BUS_MAX_PIO)
        return fail(ERR_FULL);
    b->pio[b->nr_pio++] = *h;
    for (uint32_t port = h->first; port <= h->last; port++)
        b->pio_index[port] = (uint8_t)b->nr_pio;
    return OK;
}

result_t bus_add_mmio(struct bus *b, const struct mmio_handler *h) {
    if (h->end <= h->start)
        return fail(ERR_INVAL);
    for (unsigned i = 0; i < b->nr_mmio; i++)
        if (h->start < b->mmio[i].end && b->mmio[i].start < h->end)
            return fail(ERR_EXIST);
    if (b->nr_mmio == BUS_MAX_MMIO)
        return fail(ERR_FULL);
    b->mmio[b->nr_mmio++] = *h;
    return OK;
}

uint32_t bus_pio_read(const struct bus *b, uint16_t port, unsigned size) {
    unsigned index = b->pio_index[port];
    uint32_t value = UINT32_MAX;
    if (index != 0 && b->pio[index - 1].read != NULL)
        value = b->pio[index - 1].read(b->pio[index - 1].dev, port, size);
    return value & (uint32_t)size_mask(size);
}

void bus_pio_write(const struct bus *b, uint16_t port, unsigned size, uint32_t value) {
    unsigned index = b->pio_index[port];
    if (index != 0 && b->pio[index - 1].write != NULL)
        b->pio[index - 1].write(b->pio[index - 1].dev, port, size, value & (uint32_t)size_mask(size));
}

static const struct mmio_handler *mmio_find(const struct bus *b, gpa_t addr) {
    for (unsigned i = 0; i < b->nr_mmio; i++)
        if (addr >= b->mmio[i].start && addr < b->mmio[i].end)
            return &b->mmio[i];
    return NULL;
}

uint64_t bus_mmio_read(const struct bus *b, gpa_t addr, unsigned size) {
    const struct mmio_handler *h = mmio_find(b, addr);
    uint64_t value = UINT64_MAX;
    if (h != NULL && h->read != NULL)
        value = h->read(h->dev, addr, size);
    return value & size_mask(size);
}

void bus_mmio_write(const struct bus *b, gpa_t addr, unsigned size, uint64_t value) {
    const struct mmio_handler *h = mmio_find(b, addr);
    if (h != NULL && h->write != NULL)
        h->write(h->dev, addr, size, value & size_mask(size));
}
