/* SPDX-License-Identifier: MIT */
/* vpit.h - the guest's 8254 timer (ports 0x40..0x43) and port 0x61 (gate and output of channel 2).
 * - vpit_init, vpit_attach: a timer with no channel programmed; claim the ports.
 * - vpit_next_event, vpit_run: when channel 0 next raises IRQ 0; raise it if due.
 * - vpit_snapshot: the field list.
 * Nothing counts: a channel is its initial count and the tick at which it was loaded; count and OUT are
 * computed at access. Ticks are whole periods of 1193182 Hz since guest nanosecond 0.
 * Deviations from the chip: a mode 3 count that is written while counting takes effect at the end of the
 * whole period; changing the mode of channel 0 raises no interrupt; periodic interrupts closer together than
 * VPIT_MIN_PERIOD ticks are merged, and of those missed while the guest did not run one is delivered, the
 * following ones stay on their grid.
 * Source: Intel 8254 data sheet (231164), "Mode Definitions".
 * Context: the CPU that runs the VM. */
#ifndef GUEST_VPIT_H
#define GUEST_VPIT_H

#include "guest/bus.h"
#include "guest/irq_line.h"
#include "guest/snapshot.h"
#include "guest/vclock.h"

#define VPIT_CHANNELS 3u
#define VPIT_MIN_PERIOD 64u /* ticks, about 54 us */

struct vpit_channel {
    uint8_t control;       /* RW, mode and BCD bits as last written; mode 6 and 7 are stored as 2 and 3 */
    bool gate;
    bool loaded;           /* a count is in the counting element (modes 1 and 5: a trigger has come) */
    bool halted;           /* the gate holds the count in modes 0, 2, 3, 4: `start` is the elapsed ticks */
    bool write_msb;        /* the next data write is the high octet */
    bool read_msb;         /* the next unlatched data read is the high octet */
    bool has_pending;      /* a written count waits for a trigger or the end of the period */
    uint8_t write_lsb;
    uint8_t latched_octets; /* octets left in `latched` */
    uint16_t latched;      /* count in the format the guest reads, next octet lowest */
    bool has_status;
    uint8_t status;
    uint32_t count;        /* 1 .. 65536 */
    uint32_t pending;      /* 1 .. 65536 */
    uint64_t start;        /* tick at which `count` was (or will be) loaded */
};

struct vpit {
    const struct vclock *clock;
    struct irq_line irq0;
    struct vpit_channel channel[VPIT_CHANNELS];
    uint8_t port61;      /* the writable bits */
    uint64_t next_edge;  /* tick of the next rise of channel 0's OUT that raises IRQ 0, or VCLOCK_NEVER */
};

void vpit_init(struct vpit *p, const struct vclock *clock, struct irq_line irq0);
result_t vpit_attach(struct vpit *p, struct bus *bus) MUST_CHECK;
/* vpit_next_event - guest ns at which vpit_run has something to do; VCLOCK_NEVER if never. */
uint64_t vpit_next_event(const struct vpit *p);
void vpit_run(struct vpit *p);
void vpit_snapshot(struct vpit *p, struct snap *s);

/* The tick axis: vpit_ticks is the number of whole ticks at ns; vpit_tick_ns the first ns with that number.
 * */
uint64_t vpit_ticks(uint64_t ns);
uint64_t vpit_tick_ns(uint64_t tick);

#endif
