/* SPDX-License-Identifier: MIT */
/* virq.h - a guest's interrupt controllers as one: PIC pair, IOAPIC, a local APIC per vCPU, wired as on a PC.
 * For the vCPU loop (vCPU 0; the vlapic_* functions on virq->lapic[n] are the same for any vCPU):
 * - virq_has_pending: anything to inject (vector above PPR, ExtINT, NMI)? virq_peek / virq_accept: which.
 * - virq_nmi_pending / virq_nmi_accept. virq_tpr / virq_set_cr8: the task priority.
 * - virq_next_event_tsc / virq_run: the APIC timers.
 * For devices: virq_line: a wire for an ISA IRQ or PCI GSI; virq_msi: a message.
 * For the exit handlers: virq_owns_gpa, virq_mmio_read / _write (the local APIC page, wherever it is);
 *   virq_attach: PIC ports and IOAPIC page on the buses.
 * Wiring: ISA IRQ n -> PIC input n and IOAPIC pin n, IRQ 0 -> PIC input 0 and IOAPIC pin 2 (see MADT);
 *   PIC INTR -> LINT0 of every CPU and IOAPIC pin 0.
 * Context: the CPU that runs the VM. */
#ifndef GUEST_VIRQ_H
#define GUEST_VIRQ_H

#include "guest/bus.h"
#include "guest/irq_line.h"
#include "guest/vioapic.h"
#include "guest/vlapic.h"
#include "guest/vpic.h"

#define VIRQ_MAX_VCPUS 32u
#define VIRQ_NR_GSIS IOAPIC_NR_PINS

/* What the vCPUs' owner is told; any of the functions may be NULL. cpu: index of a vCPU = its APIC ID. */
struct virq_host {
    void *ctx;
    void (*kick)(void *ctx, unsigned cpu); /* something is pending: wake it, or make it exit if it runs */
    void (*init)(void *ctx, unsigned cpu); /* INIT: back to wait-for-SIPI */
    void (*sipi)(void *ctx, unsigned cpu, uint8_t vector);
};

struct virq;
struct virq_pin {
    struct virq *owner;
    unsigned gsi;
};

struct virq {
    struct vlapic lapic[VIRQ_MAX_VCPUS];
    unsigned nr_vcpus;
    unsigned next_lowest; /* lowest-priority delivery: the vCPU to try first */
    struct vpic pic;
    struct vioapic ioapic;
    struct vlapic_env env;
    struct virq_host host;
    struct virq_pin pin[VIRQ_NR_GSIS];
};

/* virq_init - controllers as firmware leaves them: PIC and IOAPIC masked, vCPU 0 in virtual wire mode.
 * nr_vcpus: 1..VIRQ_MAX_VCPUS. v must not move afterwards. host may be NULL. clock outlives v. */
void virq_init(struct virq *v, unsigned nr_vcpus, const struct vclock *clock, const struct virq_host *host);
/* virq_attach - PIC and ELCR ports, the IOAPIC's page and the local APIC's default page. */
result_t virq_attach(struct virq *v, struct bus *bus) MUST_CHECK;

/* virq_line - the wire of ISA IRQ or GSI `gsi` (< VIRQ_NR_GSIS; others go nowhere). One driver per wire. */
struct irq_line virq_line(struct virq *v, unsigned gsi);
void virq_set_gsi(struct virq *v, unsigned gsi, bool level);
/* virq_msi - a device's memory write to 0xfeexxxxx; other addresses are dropped. */
void virq_msi(struct virq *v, uint64_t addr, uint32_t data);
void virq_send(struct virq *v, const struct irq_msg *msg);

static inline bool virq_has_pending(const struct virq *v) {
    return vlapic_has_pending(&v->lapic[0]);
}
/* virq_has_vector - as virq_has_pending, NMIs left out: what an interrupt-window request is for. */
static inline bool virq_has_vector(const struct virq *v) {
    return (v->lapic[0].pending & (VLAPIC_PENDING_VECTOR | VLAPIC_PENDING_EXTINT)) != 0;
}
/* virq_peek, virq_accept - the vector to inject, or -1. Accept acknowledges: the caller must inject it. */
static inline int virq_peek(const struct virq *v) {
    return vlapic_peek(&v->lapic[0]);
}
static inline int virq_accept(struct virq *v) {
    return vlapic_accept(&v->lapic[0]);
}
static inline bool virq_nmi_pending(const struct virq *v) {
    return vlapic_nmi_pending(&v->lapic[0]);
}
static inline bool virq_nmi_accept(struct virq *v) {
    return vlapic_accept_nmi(&v->lapic[0]);
}
/* virq_tpr - the task-priority register (8 bits; CR8 is its upper four). */
static inline uint8_t virq_tpr(const struct virq *v) {
    return v->lapic[0].tpr;
}
static inline void virq_set_cr8(struct virq *v, uint8_t cr8) {
    vlapic_set_tpr(&v->lapic[0], (uint8_t)(cr8 << 4));
}

/* virq_next_event_tsc - vclock TSC at which virq_run has something to do; VCLOCK_NEVER if never. */
static inline uint64_t virq_next_event_tsc(const struct virq *v) {
    return vlapic_next_event_tsc(&v->lapic[0]);
}
static inline void virq_run(struct virq *v) {
    vlapic_run(&v->lapic[0]);
}

/* virq_owns_gpa - is this vCPU 0's local APIC page now? (It may have been moved, or switched off.) */
static inline bool virq_owns_gpa(const struct virq *v, gpa_t gpa) {
    return (gpa & ~(gpa_t)(LAPIC_PAGE_SIZE - 1)) == v->lapic[0].mmio_base;
}
static inline uint64_t virq_mmio_read(struct virq *v, gpa_t gpa, unsigned size) {
    return vlapic_mmio_read(&v->lapic[0], (uint32_t)gpa & (LAPIC_PAGE_SIZE - 1), size);
}
static inline void virq_mmio_write(struct virq *v, gpa_t gpa, unsigned size, uint64_t value) {
    vlapic_mmio_write(&v->lapic[0], (uint32_t)gpa & (LAPIC_PAGE_SIZE - 1), size, value);
}

/* virq_snapshot - PIC, IOAPIC and all local APICs; the number of vCPUs must be the same. */
void virq_snapshot(struct virq *v, struct snap *s);

#endif
