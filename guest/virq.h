/* SPDX-License-Identifier: MIT */
/* virq.h - a guest's interrupt controllers as one: PIC pair, IOAPIC, a local APIC per vCPU, wired as on a PC.
 * - virq_init: as firmware leaves them.   - virq_attach: PIC ports and IOAPIC page on the buses.
 * - virq_lapic: a vCPU's local APIC; the vCPU loop asks it itself (vlapic.h).
 * For devices: virq_line: a wire for an ISA IRQ or PCI GSI; virq_msi: a message.
 * Wiring: ISA IRQ n -> PIC input n and IOAPIC pin n, IRQ 0 -> PIC input 0 and IOAPIC pin 2 (see MADT);
 *   PIC INTR -> LINT0 of every CPU and IOAPIC pin 0.
 *
 * Locks. PIC, IOAPIC and the devices' wires are under one lock, the VM's (struct virq_host).
 * - With the lock held by the caller, any CPU: virq_set_gsi, a virq_line, virq_msi, the bus handlers of PIC and IOAPIC.
 * - Without it, the vCPU's owner: everything on its own APIC (vlapic.h). An ICR write only posts to the others' inboxes; two
 *   things need the PIC or the IOAPIC and take the lock in here: the acknowledge of an ExtINT and the EOI of a level-triggered
 *   vector. So the owner must not hold the lock when it accepts an interrupt or writes to its APIC.
 * - virq_init, virq_snapshot: the VM is stopped.
 * Posting to an inbox needs no lock; host.kick is called with and without it. */
#ifndef GUEST_VIRQ_H
#define GUEST_VIRQ_H

#include "guest/bus.h"
#include "guest/irq_line.h"
#include "guest/vioapic.h"
#include "guest/vlapic.h"
#include "guest/vpic.h"
#include "kernel/spinlock.h"

#define VIRQ_MAX_VCPUS 32u
#define VIRQ_NR_GSIS IOAPIC_NR_PINS

/* What the vCPUs' owner is told; any member may be NULL. cpu: index of a vCPU = its APIC ID. Any CPU calls them. */
struct virq_host {
    void *ctx;
    void (*kick)(void *ctx, unsigned cpu); /* something was posted: it must leave the guest or its sleep, and look */
    void (*reset)(void *ctx);              /* an INIT for the boot CPU, which then is not posted */
    struct spinlock *lock;                 /* the VM's lock */
};

struct virq;
struct virq_pin {
    struct virq *owner;
    unsigned gsi;
};

/* Legend: [c] constant, [l] under the lock, [a] atomic. */
struct virq {
    struct vlapic *lapics; /* [c] nr_vcpus of them; see vlapic.h */
    unsigned nr_vcpus;     /* [c] */
    unsigned next_lowest;  /* [a] lowest-priority delivery: the vCPU to try first */
    struct vpic pic;       /* [l] */
    struct vioapic ioapic; /* [l] */
    struct vlapic_env env; /* [c] */
    struct virq_host host; /* [c] */
    struct virq_pin pin[VIRQ_NR_GSIS];
};

/* virq_init - controllers as firmware leaves them: PIC and IOAPIC masked, vCPU 0 in virtual wire mode.
 * nr_vcpus: 1..VIRQ_MAX_VCPUS. lapics: as many, page-aligned; v and lapics must not move afterwards. host may be NULL.
 * clock outlives v. */
void virq_init(struct virq *v, unsigned nr_vcpus, struct vlapic *lapics, const struct vclock *clock,
               const struct virq_host *host);
static inline struct vlapic *virq_lapic(const struct virq *v, unsigned cpu) {
    return &v->lapics[cpu];
}
/* virq_attach - PIC and ELCR ports, the IOAPIC's page. (Each vCPU's APIC page is its own: no bus sees it.) */
result_t virq_attach(struct virq *v, struct bus *bus) MUST_CHECK;

/* virq_line - the wire of ISA IRQ or GSI `gsi` (< VIRQ_NR_GSIS; others go nowhere). One driver per wire. */
struct irq_line virq_line(struct virq *v, unsigned gsi);
void virq_set_gsi(struct virq *v, unsigned gsi, bool level);
/* virq_msi - a device's memory write to 0xfeexxxxx; other addresses are dropped. */
void virq_msi(struct virq *v, uint64_t addr, uint32_t data);
/* virq_snapshot - PIC, IOAPIC and all local APICs; the number of vCPUs must be the same. Saving: INITs and SIPIs are taken
 * before, since they belong to the vCPUs. */
void virq_snapshot(struct virq *v, struct snap *s);

#endif
