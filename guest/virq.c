/* SPDX-License-Identifier: MIT */
#include "guest/virq.h"

#include <string.h>

#define TIMER_GSI 2u      /* where ISA IRQ 0 arrives at the IOAPIC */
#define IOAPIC_PIC_PIN 0u /* where the PIC's INTR arrives */

static unsigned cpu_of(const struct virq *v, const struct vlapic *l) {
    return (unsigned)(l - v->lapic);
}

/* Lowest priority: the lowest PPR wins; equals take turns. */
static void send_lowest(struct virq *v, const struct irq_msg *msg) {
    struct vlapic *best = NULL;
    for (unsigned i = 0; i < v->nr_vcpus; i++) {
        struct vlapic *l = &v->lapic[(v->next_lowest + i) % v->nr_vcpus];
        bool takes = vlapic_is_hw_enabled(l) && (l->svr & LAPIC_SVR_ENABLE) != 0 && vlapic_matches(l, msg);
        if (takes && (best == NULL || l->ppr >> 4 < best->ppr >> 4))
            best = l;
    }
    if (best == NULL)
        return;
    v->next_lowest = (cpu_of(v, best) + 1) % v->nr_vcpus;
    vlapic_deliver(best, msg);
}

void virq_send(struct virq *v, const struct irq_msg *msg) {
    if (msg->mode == LAPIC_MODE_LOWEST) {
        send_lowest(v, msg);
        return;
    }
    for (unsigned i = 0; i < v->nr_vcpus; i++)
        if (vlapic_matches(&v->lapic[i], msg))
            vlapic_deliver(&v->lapic[i], msg);
}

/* An ICR: shorthands name the targets without a destination. */
static void lapic_send(void *ctx, struct vlapic *from, const struct irq_msg *msg, unsigned shorthand) {
    struct virq *v = ctx;
    if (shorthand == LAPIC_SHORTHAND_NONE) {
        virq_send(v, msg);
        return;
    }
    for (unsigned i = 0; i < v->nr_vcpus; i++) {
        bool is_self = &v->lapic[i] == from;
        if (shorthand == LAPIC_SHORTHAND_ALL || is_self == (shorthand == LAPIC_SHORTHAND_SELF))
            vlapic_deliver(&v->lapic[i], msg);
    }
}

static void lapic_eoi(void *ctx, uint8_t vector) {
    struct virq *v = ctx;
    vioapic_eoi(&v->ioapic, vector);
}

static int pic_ack(void *ctx) {
    struct virq *v = ctx;
    return vpic_ack(&v->pic);
}

static int pic_peek(void *ctx) {
    struct virq *v = ctx;
    return vpic_peek(&v->pic);
}

static void pic_output(void *ctx, bool level) {
    struct virq *v = ctx;
    for (unsigned i = 0; i < v->nr_vcpus; i++)
        vlapic_set_lint(&v->lapic[i], 0, level);
    vioapic_set_pin(&v->ioapic, IOAPIC_PIC_PIN, level);
}

static void ioapic_send(void *ctx, const struct irq_msg *msg) {
    virq_send(ctx, msg);
}

static void kick(void *ctx, struct vlapic *to) {
    struct virq *v = ctx;
    if (v->host.kick != NULL)
        v->host.kick(v->host.ctx, cpu_of(v, to));
}

static void init_cpu(void *ctx, struct vlapic *to) {
    struct virq *v = ctx;
    if (v->host.init != NULL)
        v->host.init(v->host.ctx, cpu_of(v, to));
}

static void sipi(void *ctx, struct vlapic *to, uint8_t vector) {
    struct virq *v = ctx;
    if (v->host.sipi != NULL)
        v->host.sipi(v->host.ctx, cpu_of(v, to), vector);
}

void virq_init(struct virq *v, unsigned nr_vcpus, const struct vclock *clock, const struct virq_host *host) {
    memset(v, 0, sizeof *v);
    v->nr_vcpus = nr_vcpus;
    v->env = (struct vlapic_env){v, lapic_send, lapic_eoi, pic_ack, pic_peek, kick, init_cpu, sipi};
    if (host != NULL)
        v->host = *host;
    for (unsigned i = 0; i < nr_vcpus; i++)
        vlapic_init(&v->lapic[i], i, clock, &v->env);
    for (unsigned i = 0; i < VIRQ_NR_GSIS; i++)
        v->pin[i] = (struct virq_pin){v, i};
    vpic_init(&v->pic, (struct irq_line){pic_output, v});
    v->pic.chip[0].imr = v->pic.chip[1].imr = 0xff; /* an unprogrammed PIC has vectors 0 to 7 */
    vioapic_init(&v->ioapic, ioapic_send, v);
    vlapic_set_virtual_wire(&v->lapic[0]);
}

static uint64_t page_read(void *dev, gpa_t addr, unsigned size) {
    struct virq *v = dev;
    return virq_owns_gpa(v, addr) ? virq_mmio_read(v, addr, size) : UINT64_MAX;
}

static void page_write(void *dev, gpa_t addr, unsigned size, uint64_t value) {
    struct virq *v = dev;
    if (virq_owns_gpa(v, addr))
        virq_mmio_write(v, addr, size, value);
}

result_t virq_attach(struct virq *v, struct bus *bus) {
    struct mmio_handler h = {
        LAPIC_DEFAULT_BASE, LAPIC_DEFAULT_BASE + LAPIC_PAGE_SIZE, page_read, page_write, v, "lapic",
    };
    result_t r = vpic_attach(&v->pic, bus);
    if (r == OK)
        r = vioapic_attach(&v->ioapic, bus);
    if (r == OK)
        r = bus_add_mmio(bus, &h);
    return r;
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
    virq_send(v, &msg);
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
        vlapic_snapshot(&v->lapic[i], s);
}
