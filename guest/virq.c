/* SPDX-License-Identifier: MIT */
#include "guest/virq.h"

#include <string.h>

#define TIMER_GSI 2u      /* where ISA IRQ 0 arrives at the IOAPIC */
#define IOAPIC_PIC_PIN 0u /* where the PIC's INTR arrives */

static void lock(struct virq *v) {
    if (v->host.lock != NULL)
        spin_lock(v->host.lock);
}
static void unlock(struct virq *v) {
    if (v->host.lock != NULL)
        spin_unlock(v->host.lock);
}

static void kick(struct virq *v, unsigned cpu) {
    if (v->host.kick != NULL)
        v->host.kick(v->host.ctx, cpu);
}

static void post(struct virq *v, unsigned cpu, const struct irq_msg *msg) {
    if (msg->mode == LAPIC_MODE_INIT && cpu == 0 && v->host.reset != NULL)
        v->host.reset(v->host.ctx);
    else if (vlapic_post(virq_lapic(v, cpu), msg))
        kick(v, cpu);
}

/* Whom a message is for. from: the vCPU whose ICR sends it, NO_CPU: IOAPIC or device. */
struct delivery {
    const struct irq_msg *msg;
    unsigned from;
    unsigned shorthand;
};
#define NO_CPU UINT32_MAX

static bool is_target(const struct virq *v, unsigned cpu, const struct delivery *d) {
    switch (d->shorthand) {
    case LAPIC_SHORTHAND_SELF:
        return cpu == d->from;
    case LAPIC_SHORTHAND_ALL:
        return true;
    case LAPIC_SHORTHAND_OTHERS:
        return cpu != d->from;
    default:
        return vlapic_matches(virq_lapic(v, cpu), d->msg);
    }
}

/* Lowest priority: the lowest PPR wins; equals take turns. Priorities change while they are compared: it is a choice of a good
 * CPU, not of the best. */
static void send_lowest(struct virq *v, const struct delivery *d) {
    unsigned first = __atomic_load_n(&v->next_lowest, __ATOMIC_RELAXED);
    unsigned best = NO_CPU, best_class = 0, ppr;
    for (unsigned i = 0; i < v->nr_vcpus; i++) {
        unsigned cpu = (first + i) % v->nr_vcpus;
        if (!is_target(v, cpu, d) || !vlapic_arbitrates(virq_lapic(v, cpu), &ppr))
            continue;
        if (best == NO_CPU || ppr >> 4 < best_class) {
            best = cpu;
            best_class = ppr >> 4;
        }
    }
    if (best == NO_CPU)
        return;
    __atomic_store_n(&v->next_lowest, (best + 1) % v->nr_vcpus, __ATOMIC_RELAXED);
    post(v, best, d->msg);
}

static void deliver(struct virq *v, const struct delivery *d) {
    if (d->msg->mode == LAPIC_MODE_LOWEST) {
        send_lowest(v, d);
        return;
    }
    for (unsigned cpu = 0; cpu < v->nr_vcpus; cpu++)
        if (is_target(v, cpu, d))
            post(v, cpu, d->msg);
}

/* An ICR. A fixed interrupt to itself needs no message. */
static void lapic_send(void *ctx, struct vlapic *from, const struct irq_msg *msg, unsigned shorthand) {
    if (shorthand == LAPIC_SHORTHAND_SELF && msg->mode == LAPIC_MODE_FIXED)
        vlapic_raise(from, msg->vector, false);
    else
        deliver(ctx, &(struct delivery){msg, from->id, shorthand});
}

static void lapic_eoi(void *ctx, uint8_t vector) {
    struct virq *v = ctx;
    lock(v);
    vioapic_eoi(&v->ioapic, vector);
    unlock(v);
}

/* Another CPU may have acknowledged or masked it meanwhile. */
static int pic_ack(void *ctx) {
    struct virq *v = ctx;
    lock(v);
    int vector = v->pic.intr ? vpic_ack(&v->pic) : -1;
    unlock(v);
    return vector;
}

/* With the lock held, like all that comes from PIC and IOAPIC. */
static void pic_output(void *ctx, bool level) {
    struct virq *v = ctx;
    for (unsigned cpu = 0; cpu < v->nr_vcpus; cpu++)
        if (vlapic_post_lint(virq_lapic(v, cpu), 0, level))
            kick(v, cpu);
    vioapic_set_pin(&v->ioapic, IOAPIC_PIC_PIN, level);
}

static void send(void *ctx, const struct irq_msg *msg) {
    deliver(ctx, &(struct delivery){msg, NO_CPU, LAPIC_SHORTHAND_NONE});
}

void virq_init(struct virq *v, unsigned nr_vcpus, struct vlapic *lapics, const struct vclock *clock,
               const struct virq_host *host) {
    memset(v, 0, sizeof *v);
    v->lapics = lapics;
    v->nr_vcpus = nr_vcpus;
    v->env = (struct vlapic_env){v, lapic_send, lapic_eoi, pic_ack};
    if (host != NULL)
        v->host = *host;
    for (unsigned i = 0; i < nr_vcpus; i++)
        vlapic_init(&lapics[i], i, clock, &v->env);
    for (unsigned i = 0; i < VIRQ_NR_GSIS; i++)
        v->pin[i] = (struct virq_pin){v, i};
    vpic_init(&v->pic, (struct irq_line){pic_output, v});
    v->pic.chip[0].imr = v->pic.chip[1].imr = 0xff; /* an unprogrammed PIC has vectors 0 to 7 */
    vioapic_init(&v->ioapic, send, v);
    vlapic_set_virtual_wire(virq_lapic(v, 0));
}

result_t virq_attach(struct virq *v, struct bus *bus) {
    result_t r = vpic_attach(&v->pic, bus);
    return r == OK ? vioapic_attach(&v->ioapic, bus) : r;
}

static void pin_set(void *ctx, bool level) {
    struct virq_pin *pin = ctx;
    virq_set_gsi(pin->owner, pin->gsi, level);
}

struct irq_line virq_line(struct virq *v, unsigned gsi) {
    if (gsi >= VIRQ_NR_GSIS)
        return (struct irq_line){NULL, NULL};
    return (struct irq_line){pin_set, &v->pin[gsi]};
}

void virq_set_gsi(struct virq *v, unsigned gsi, bool level) {
    if (gsi >= VIRQ_NR_GSIS)
        return;
    if (gsi < 16)
        vpic_set_irq(&v->pic, gsi, level);
    vioapic_set_pin(&v->ioapic, gsi == 0 ? TIMER_GSI : gsi, level);
}

/* Source: SDM Vol. 3 "Message Signalled Interrupts". */
void virq_msi(struct virq *v, uint64_t addr, uint32_t data) {
    if (addr >> 32 != 0 || (addr & MSI_ADDR_BASE_MASK) != MSI_ADDR_BASE)
        return;
    struct irq_msg msg = {
        .dest = (uint32_t)(addr >> MSI_ADDR_DEST_SHIFT) & 0xffu,
        .vector = (uint8_t)(data & MSI_DATA_VECTOR_MASK),
        .mode = (uint8_t)(data >> MSI_DATA_MODE_SHIFT & 7),
        .logical = (addr & MSI_ADDR_LOGICAL) != 0,
    };
    if ((addr & MSI_ADDR_REDIRECT) != 0 && msg.logical && msg.mode == LAPIC_MODE_FIXED)
        msg.mode = LAPIC_MODE_LOWEST; /* the redirection hint */
    send(v, &msg);
}

void virq_snapshot(struct virq *v, struct snap *s) {
    uint32_t nr_vcpus = v->nr_vcpus, next_lowest = v->next_lowest;
    snap_u32(s, &nr_vcpus);
    snap_require(s, nr_vcpus == v->nr_vcpus);
    snap_u32(s, &next_lowest);
    snap_require(s, next_lowest < v->nr_vcpus);
    if (s->status != OK)
        return;
    v->next_lowest = next_lowest;
    vpic_snapshot(&v->pic, s);
    vioapic_snapshot(&v->ioapic, s);
    for (unsigned i = 0; i < v->nr_vcpus; i++)
        vlapic_snapshot(virq_lapic(v, i), s);
}
