/* SPDX-License-Identifier: MIT */
/* irq_line.h - one interrupt wire from a device model to the interrupt controllers.
 * - irq_line_set: drive the wire; level sources hold it true for as long as the cause lasts.
 * - irq_line_pulse: what an edge source does: true, then false at once. The controller latches the rising
 * edge. A line without a `set` function goes nowhere. */
#ifndef GUEST_IRQ_LINE_H
#define GUEST_IRQ_LINE_H

#include "kernel/types.h"

struct irq_line {
    void (*set)(void *ctx, bool level);
    void *ctx;
};

static inline void irq_line_set(const struct irq_line *line, bool level) {
    if (line->set != NULL)
        line->set(line->ctx, level);
}

static inline void irq_line_pulse(const struct irq_line *line) {
    irq_line_set(line, true);
    irq_line_set(line, false);
}

#endif
