/* SPDX-License-Identifier: MIT */
/* pci.h - the PCI functions of the host, over configuration mechanism 1.
 * - pci_scan: look at every bus once; the list stays as it is afterwards.
 * - pci_count, pci_get, pci_find_class, pci_find_id: the list.
 * - pci_read8/16/32, pci_write16/32: configuration space.
 * - pci_bar_read, pci_bar_map, pci_enable: use a function.
 * Context: CPU 0 (the two ports are one resource). */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include "kernel/result.h"

#define PCI_MAX_DEVICES 96u

struct pci_dev {
    uint8_t bus, slot, func;
    uint8_t class_code, subclass, prog_if, revision;
    uint8_t header_type; /* without the multi-function bit */
    uint8_t irq_line;    /* as the firmware routed it for the PIC; 0xff none */
    uint8_t irq_pin;     /* 0 none, 1 INTA# ... 4 INTD# */
    uint16_t vendor, device;
};

struct pci_bar {
    uint64_t base; /* host-physical address, or port number when io */
    uint64_t size; /* bytes; a power of two */
    bool io, wide, prefetch;
};

/* pci_scan - fill the list from all 256 buses. Returns how many functions there are (at most
 * PCI_MAX_DEVICES). */
unsigned pci_scan(void);
unsigned pci_count(void);
const struct pci_dev *pci_get(unsigned index); /* NULL past the end */
/* pci_find_class, pci_find_id - the nth match (from 0) in bus order; NULL when there is none. */
const struct pci_dev *pci_find_class(uint8_t class_code, uint8_t subclass, unsigned nth);
const struct pci_dev *pci_find_id(uint16_t vendor, uint16_t device, unsigned nth);

uint8_t pci_read8(const struct pci_dev *dev, unsigned reg);
uint16_t pci_read16(const struct pci_dev *dev, unsigned reg);
uint32_t pci_read32(const struct pci_dev *dev, unsigned reg);
void pci_write16(const struct pci_dev *dev, unsigned reg, uint16_t value);
void pci_write32(const struct pci_dev *dev, unsigned reg, uint32_t value);

/* pci_bar_read - what base address register `index` decodes; decoding is off for the few accesses this takes.
 * Errors: ERR_RANGE (no such register in this header), ERR_NOENT (not implemented, or not assigned by the
 * firmware). Source: PCI Local Bus Specification 3.0, section 6.2.5.1 "Address Maps". */
result_t pci_bar_read(const struct pci_dev *dev, unsigned index, struct pci_bar *out) MUST_CHECK;
/* pci_bar_map - a memory BAR as registers. Errors: those of pci_bar_read, ERR_UNSUPP (port BAR), ERR_NOMEM.
 */
result_t pci_bar_map(const struct pci_dev *dev, unsigned index, volatile void **out,
                     uint64_t *size) MUST_CHECK;
/* pci_enable - let the function answer memory accesses and be bus master; its INTx line stays as it was. */
void pci_enable(const struct pci_dev *dev);
/* pci_find_cap - offset of capability `id` in configuration space, 0 when there is none. */
unsigned pci_find_cap(const struct pci_dev *dev, uint8_t id);

/* pci_describe - "00:02.0 8086:100e class 02.00 Ethernet" into buf. */
void pci_describe(const struct pci_dev *dev, char *buf, size_t len);

#endif
