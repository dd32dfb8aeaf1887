/* SPDX-License-Identifier: MIT */
/* vpic.h - two cascaded 8259A interrupt controllers (ports 0x20/21, 0xa0/a1) and their ELCR (0x4d0/1).
 * - vpic_init: power-up state: nothing initialised, nothing masked, no vector.
 * - vpic_set_irq: level of an input, 0..15 (2 is the cascade and has no pin).
 * - vpic_ack: the INTA cycle; vpic_peek: what it would return.
 * - vpic_attach: claim the ports; vpic_snapshot: the field list.
 * `out` is driven with the INTR output; it falls and rises again at an acknowledge when more is waiting.
 * A rising edge is latched until acknowledged, also when the wire falls before that.
 * Source: Intel 8259A data sheet (231468-003). */
#ifndef GUEST_VPIC_H
#define GUEST_VPIC_H

#include "guest/bus.h"
#include "guest/irq_line.h"
#include "guest/snapshot.h"
#include "kernel/hw/i8259_regs.h"

struct vpic_chip {
    uint8_t irr, imr, isr;
    uint8_t lines;       /* input levels */
    uint8_t elcr;        /* 1 = level-triggered */
    uint8_t vector_base;
    uint8_t lowest_next; /* the input of highest priority; rotation moves it */
    uint8_t init_step;   /* the next ICW expected on the data port (2, 3, 4), 0 = none */
    bool needs_icw4, single;
    bool read_isr, poll, special_mask, auto_eoi, rotate_auto_eoi, nested;
};

struct vpic {
    struct vpic_chip chip[2]; /* master, slave */
    bool intr;                /* level of the output */
    struct irq_line out;
};

void vpic_init(struct vpic *p, struct irq_line out);
result_t vpic_attach(struct vpic *p, struct bus *bus) MUST_CHECK;
void vpic_set_irq(struct vpic *p, unsigned irq, bool level);
/* vpic_ack - the vector; that of input 7 (or 15) when the request is gone: spurious, without an ISR bit. */
uint8_t vpic_ack(struct vpic *p);
/* vpic_peek - the vector that vpic_ack would return. */
uint8_t vpic_peek(const struct vpic *p);
void vpic_snapshot(struct vpic *p, struct snap *s);

#endif
