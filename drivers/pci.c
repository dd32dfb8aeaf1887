/* SPDX-License-Identifier: MIT */
#include "drivers/pci.h"

#include <stdio.h>

#include "kernel/frames.h"
#include "kernel/hw/pci_regs.h"
#include "kernel/io.h"
#include "kernel/log.h"

static struct pci_dev devices[PCI_MAX_DEVICES];
static unsigned nr_devices;

static void select_reg(const struct pci_dev *dev, unsigned reg) {
    io_out32(PCI_CONFIG_ADDRESS, PCI_CONFIG_ENABLE | (uint32_t)dev->bus << PCI_CONFIG_BUS_SHIFT |
                                     (uint32_t)dev->slot << PCI_CONFIG_SLOT_SHIFT |
                                     (uint32_t)dev->func << PCI_CONFIG_FUNC_SHIFT |
                                     (reg & PCI_CONFIG_REG_MASK));
}

uint8_t pci_read8(const struct pci_dev *dev, unsigned reg) {
    select_reg(dev, reg);
    return io_in8((uint16_t)(PCI_CONFIG_DATA + (reg & 3u)));
}

uint16_t pci_read16(const struct pci_dev *dev, unsigned reg) {
    select_reg(dev, reg);
    return io_in16((uint16_t)(PCI_CONFIG_DATA + (reg & 2u)));
}

uint32_t pci_read32(const struct pci_dev *dev, unsigned reg) {
    select_reg(dev, reg);
    return io_in32(PCI_CONFIG_DATA);
}

void pci_write16(const struct pci_dev *dev, unsigned reg, uint16_t value) {
    select_reg(dev, reg);
    io_out16((uint16_t)(PCI_CONFIG_DATA + (reg & 2u)), value);
}

void pci_write32(const struct pci_dev *dev, unsigned reg, uint32_t value) {
    select_reg(dev, reg);
    io_out32(PCI_CONFIG_DATA, value);
}

/* Returns the header type octet with the multi-function bit, or -1 when nobody answers. */
static int probe(struct pci_dev *dev) {
    dev->vendor = pci_read16(dev, PCI_VENDOR);
    if (dev->vendor == PCI_VENDOR_NONE)
        return -1;
    uint8_t header = pci_read8(dev, PCI_HEADER_TYPE);
    dev->device = pci_read16(dev, PCI_DEVICE);
    dev->class_code = pci_read8(dev, PCI_CLASS);
    dev->subclass = pci_read8(dev, PCI_SUBCLASS);
    dev->prog_if = pci_read8(dev, PCI_PROG_IF);
    dev->revision = pci_read8(dev, PCI_REVISION);
    dev->irq_line = pci_read8(dev, PCI_IRQ_LINE);
    dev->irq_pin = pci_read8(dev, PCI_IRQ_PIN);
    dev->header_type = header & PCI_HEADER_TYPE_MASK;
    if (nr_devices < PCI_MAX_DEVICES)
        devices[nr_devices++] = *dev;
    else
        log_warn("pci: more than %u functions; %02x:%02x.%u is ignored", PCI_MAX_DEVICES, dev->bus, dev->slot,
                 dev->func);
    return header;
}

static void scan_slot(unsigned bus, unsigned slot) {
    struct pci_dev dev = {.bus = (uint8_t)bus, .slot = (uint8_t)slot};
    int header = probe(&dev);
    if (header < 0 || (header & (int)PCI_HEADER_MULTI) == 0)
        return;
    for (unsigned func = 1; func < PCI_MAX_FUNCS; func++) {
        dev = (struct pci_dev){.bus = (uint8_t)bus, .slot = (uint8_t)slot, .func = (uint8_t)func};
        probe(&dev);
    }
}

unsigned pci_scan(void) {
    nr_devices = 0;
    for (unsigned bus = 0; bus < PCI_MAX_BUSES; bus++) {
        for (unsigned slot = 0; slot < PCI_MAX_SLOTS; slot++)
            scan_slot(bus, slot);
    }
    return nr_devices;
}

unsigned pci_count(void) {
    return nr_devices;
}

const struct pci_dev *pci_get(unsigned index) {
    return index < nr_devices ? &devices[index] : NULL;
}

const struct pci_dev *pci_find_class(uint8_t class_code, uint8_t subclass, unsigned nth) {
    for (unsigned i = 0; i < nr_devices; i++) {
        if (devices[i].class_code == class_code && devices[i].subclass == subclass && nth-- == 0)
            return &devices[i];
    }
    return NULL;
}

const struct pci_dev *pci_find_id(uint16_t vendor, uint16_t device, unsigned nth) {
    for (unsigned i = 0; i < nr_devices; i++) {
        if (devices[i].vendor == vendor && devices[i].device == device && nth-- == 0)
            return &devices[i];
    }
    return NULL;
}

static unsigned nr_bars(const struct pci_dev *dev) {
    switch (dev->header_type) {
    case PCI_HEADER_TYPE_NORMAL:
        return PCI_NR_BARS;
    case PCI_HEADER_TYPE_BRIDGE:
        return PCI_BRIDGE_NR_BARS;
    default:
        return 0;
    }
}

static uint32_t probe_mask(const struct pci_dev *dev, unsigned reg, uint32_t old) {
    pci_write32(dev, reg, UINT32_MAX);
    uint32_t mask = pci_read32(dev, reg);
    pci_write32(dev, reg, old);
    return mask;
}

result_t pci_bar_read(const struct pci_dev *dev, unsigned index, struct pci_bar *out) {
    if (index >= nr_bars(dev))
        return fail(ERR_RANGE);
    unsigned reg = PCI_BAR(index);
    uint32_t low = pci_read32(dev, reg);
    struct pci_bar bar = {.io = low & PCI_BAR_IO};
    bar.wide = !bar.io && (low & PCI_BAR_TYPE_MASK) == PCI_BAR_TYPE_64;
    bar.prefetch = !bar.io && (low & PCI_BAR_PREFETCH);
    if (bar.wide && index + 1 >= nr_bars(dev))
        return fail(ERR_RANGE);
    uint32_t high = bar.wide ? pci_read32(dev, reg + 4) : 0;
    uint32_t keep = bar.io ? PCI_BAR_IO_MASK : PCI_BAR_MEM_MASK;

    uint16_t command = pci_read16(dev, PCI_COMMAND);
    pci_write16(dev, PCI_COMMAND, (uint16_t)(command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY)));
    uint32_t mask = probe_mask(dev, reg, low) & keep;
    uint32_t mask_high = bar.wide ? probe_mask(dev, reg + 4, high) : UINT32_MAX;
    pci_write16(dev, PCI_COMMAND, command);

    if (mask == 0 && (!bar.wide || mask_high == 0))
        return fail(ERR_NOENT);
    if (bar.io)
        mask |= 0xffff0000u; /* a port register may implement 16 bits only */
    bar.size = ~((uint64_t)mask_high << 32 | mask) + 1;
    bar.base = (uint64_t)high << 32 | (low & keep);
    if (bar.base == 0)
        return fail(ERR_NOENT);
    *out = bar;
    return OK;
}

result_t pci_bar_map(const struct pci_dev *dev, unsigned index, volatile void **out, uint64_t *size) {
    struct pci_bar bar;
    result_t r = pci_bar_read(dev, index, &bar);
    if (r != OK)
        return r;
    if (bar.io)
        return fail(ERR_UNSUPP);
    volatile void *base = mmio_map(bar.base, bar.size);
    if (base == NULL)
        return fail(ERR_NOMEM);
    *out = base;
    *size = bar.size;
    return OK;
}

void pci_enable(const struct pci_dev *dev) {
    uint16_t command = pci_read16(dev, PCI_COMMAND);
    pci_write16(dev, PCI_COMMAND, (uint16_t)(command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
}

unsigned pci_find_cap(const struct pci_dev *dev, uint8_t id) {
    if ((pci_read16(dev, PCI_STATUS) & PCI_STATUS_CAPABILITIES) == 0)
        return 0;
    unsigned at = pci_read8(dev, PCI_CAPABILITIES) & PCI_CONFIG_REG_MASK;
    for (unsigned hops = 0; at != 0 && hops < 48; hops++) { /* 48 fit; more is a loop */
        if (pci_read8(dev, at) == id)
            return at;
        at = pci_read8(dev, at + 1) & PCI_CONFIG_REG_MASK;
    }
    return 0;
}

static const char *class_name(const struct pci_dev *dev) {
    switch (dev->class_code) {
    case PCI_CLASS_STORAGE:
        return "storage";
    case PCI_CLASS_NETWORK:
        return dev->subclass == PCI_SUBCLASS_ETHERNET ? "Ethernet" : "network";
    case PCI_CLASS_DISPLAY:
        return "display";
    case PCI_CLASS_BRIDGE:
        return "bridge";
    case PCI_CLASS_SERIAL:
        return "serial";
    default:
        return "device";
    }
}

void pci_describe(const struct pci_dev *dev, char *buf, size_t len) {
    snprintf(buf, len, "%02x:%02x.%u %04x:%04x class %02x.%02x %s", dev->bus, dev->slot, dev->func,
             dev->vendor, dev->device, dev->class_code, dev->subclass, class_name(dev));
}
