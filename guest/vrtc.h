/* SPDX-License-Identifier: MIT */
/* vrtc.h - the guest's real-time clock and CMOS memory (ports 0x70, 0x71), IRQ 8. UTC.
 * - vrtc_init, vrtc_attach: a clock that runs; claim the ports.
 * - vrtc_next_event, vrtc_run: when the interrupt line next rises; raise it.
 * - vrtc_snapshot: the field list.
 * Time is wall_base_ns + guest ns, moved by what the guest set: a whole number of seconds, and a phase when
 * it restarted the divider. Nothing ticks: registers, update-in-progress and flags are computed at access.
 * While the guest holds the clock (register B SET, or the divider in reset) the time registers are plain
 * memory. The line is high from a flag that is enabled until register C is read; controllers take its edge.
 * Deviations: the day of the week follows from the date and cannot be set; an update takes no time after the
 * 244 us in which UIP announces it; daylight saving and the square wave are stored without effect.
 * Source: Motorola MC146818A data sheet, "Registers" and "Update Cycle".
 * Context: the CPU that runs the VM. */
#ifndef GUEST_VRTC_H
#define GUEST_VRTC_H

#include "guest/bus.h"
#include "guest/irq_line.h"
#include "guest/snapshot.h"
#include "guest/vclock.h"
#include "kernel/hw/mc146818_regs.h"

#define VRTC_UIP_NS 244000u

struct vrtc {
    const struct vclock *clock;
    struct irq_line irq8;
    uint64_t wall_base_ns; /* ns since 1970 at guest ns 0 */
    uint64_t phase_ns;     /* below one second */
    int64_t offset_s;      /* what the guest moved the clock by */
    uint64_t seen_ns;      /* the flags tell of everything up to this guest ns */
    uint64_t alarm_ns;     /* guest ns of the next alarm match after seen_ns, or VCLOCK_NEVER */
    uint8_t index;         /* as written to port 0x70 */
    uint8_t reg_a, reg_b;
    uint8_t flags;         /* RTC_C_FLAGS */
    uint8_t cmos[RTC_BYTES]; /* the time registers only count here while the guest holds the clock */
};

/* vrtc_init - wall_base_ns: ns since 1970 at guest ns 0. low_bytes, high_bytes: RAM below and above 4 GiB. */
void vrtc_init(struct vrtc *r, const struct vclock *clock, struct irq_line irq8, uint64_t wall_base_ns,
               uint64_t low_bytes, uint64_t high_bytes);
result_t vrtc_attach(struct vrtc *r, struct bus *bus) MUST_CHECK;
/* vrtc_next_event - guest ns at which vrtc_run has something to do; VCLOCK_NEVER if never. */
uint64_t vrtc_next_event(const struct vrtc *r);
void vrtc_run(struct vrtc *r);
void vrtc_snapshot(struct vrtc *r, struct snap *s);

#endif
