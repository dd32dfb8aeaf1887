/* SPDX-License-Identifier: MIT */
/* vioapic.h - a 24-pin I/O APIC at 0xfec00000, version 0x20 (with an EOI register).
 * - vioapic_init: all pins masked.   - vioapic_attach: claim the page.
 * - vioapic_set_pin: level of an input.   - vioapic_eoi: a CPU finished a level-triggered vector.
 * - vioapic_snapshot: the field list.
 * Messages go out through `send`. Wires are logical levels: the polarity bit is stored and changes nothing.
 * An edge on a masked pin is lost, as on the 82093AA.
 * Source: Intel 82093AA data sheet (290566-001). */
#ifndef GUEST_VIOAPIC_H
#define GUEST_VIOAPIC_H

#include "guest/bus.h"
#include "guest/snapshot.h"
#include "guest/vlapic.h"
#include "kernel/hw/ioapic_regs.h"

struct vioapic {
    uint64_t rte[IOAPIC_NR_PINS];
    uint32_t lines;   /* input levels */
    uint32_t waiting; /* pins with remote IRR set (derived from rte) */
    uint32_t id;
    uint8_t index;
    void (*send)(void *ctx, const struct irq_msg *msg);
    void *ctx;
};

void vioapic_init(struct vioapic *io, void (*send)(void *ctx, const struct irq_msg *msg), void *ctx);
result_t vioapic_attach(struct vioapic *io, struct bus *bus) MUST_CHECK;
void vioapic_set_pin(struct vioapic *io, unsigned pin, bool level);
void vioapic_eoi(struct vioapic *io, uint8_t vector);
/* vioapic_read, vioapic_write - an access at `offset` in the page. */
uint64_t vioapic_read(struct vioapic *io, uint32_t offset, unsigned size);
void vioapic_write(struct vioapic *io, uint32_t offset, unsigned size, uint64_t value);
void vioapic_snapshot(struct vioapic *io, struct snap *s);

#endif
