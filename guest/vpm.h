/* SPDX-License-Identifier: MIT */
/* vpm.h - the guest's power management: ACPI PM1 event and control blocks, PM timer, GPE0, and the
 * reset ports 0xcf9 and 0x92. The resources are in kernel/hw/acpi_pm_regs.h ("Godwit's guest board").
 * - vpm_init, vpm_attach: after reset; claim the ports.
 * - vpm_press_power_button: what `vm stop` uses to ask a guest to shut down.
 * - vpm_next_event, vpm_run: the timer's carry, when the guest enabled it.
 * - vpm_snapshot: the field list.
 * The machine is always in ACPI mode (SCI_EN reads as one, there is no SMI command port). Only S5 exists:
 * entering any other sleep state is ignored. The timer has 32 bits. The SCI is a level, high while an enabled
 * status bit is set.
 * Source: ACPI Specification 6.4, section 4.8.3 "Fixed Hardware Registers".
 * Context: the CPU that runs the VM. */
#ifndef GUEST_VPM_H
#define GUEST_VPM_H

#include "guest/bus.h"
#include "guest/irq_line.h"
#include "guest/snapshot.h"
#include "guest/vclock.h"

/* What the guest can do to its whole machine. Called inside a port write: take a note, act after the exit. */
struct power_ops {
    void (*reset)(void *ctx);
    void (*power_off)(void *ctx);
    void *ctx;
};

struct vpm {
    const struct vclock *clock;
    struct irq_line sci;
    struct power_ops ops;
    uint16_t pm1_sts, pm1_en, pm1_cnt;
    uint16_t gpe_en;
    uint8_t port_reset; /* 0xcf9 */
    uint8_t port_a;     /* 0x92 */
    uint64_t carry_ns;  /* guest ns of the next carry that has not set its status bit */
};

void vpm_init(struct vpm *p, const struct vclock *clock, struct irq_line sci, struct power_ops ops);
result_t vpm_attach(struct vpm *p, struct bus *bus) MUST_CHECK;
void vpm_press_power_button(struct vpm *p);
/* vpm_next_event - guest ns at which vpm_run has something to do; VCLOCK_NEVER if never. */
uint64_t vpm_next_event(const struct vpm *p);
void vpm_run(struct vpm *p);
void vpm_snapshot(struct vpm *p, struct snap *s);

/* vpm_timer_ticks - the PM timer before it is cut to 32 bits. */
uint64_t vpm_timer_ticks(uint64_t ns);

#endif
