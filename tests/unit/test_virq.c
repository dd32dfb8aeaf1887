/* SPDX-License-Identifier: MIT */
/* The interrupt controllers wired together: IOAPIC pins, PIC, messages between CPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/virq.h"

#define CPUS 4u

struct bench {
    struct virq v;
    struct vclock time; /* tsc_offset is the guest TSC */
    struct bus bus;
    uint8_t *index;
    unsigned kicks[CPUS], resets;
    struct vlapic_requests got[CPUS]; /* what take left to the vCPU since it was cleared */
    struct vlapic lapics[CPUS];
};

static struct vlapic *lapic(struct bench *b, unsigned cpu) {
    return virq_lapic(&b->v, cpu);
}

static uint64_t read_tsc(const struct vclock *c) {
    return c->tsc_offset;
}

static void on_kick(void *ctx, unsigned cpu) {
    ((struct bench *)ctx)->kicks[cpu]++;
}
static void on_reset(void *ctx) {
    ((struct bench *)ctx)->resets++;
}

static void lapic_wr(struct bench *b, unsigned cpu, uint32_t offset, uint32_t value) {
    vlapic_mmio_write(lapic(b, cpu), offset, 4, value);
}

static int setup(void **state) {
    struct bench *b = aligned_alloc(4096, sizeof *b);
    memset(b, 0, sizeof *b);
    struct virq_host host = {b, on_kick, on_reset, NULL};
    vclock_init(&b->time, NSEC_PER_SEC, read_tsc);
    b->index = calloc(1, BUS_PIO_PORTS);
    bus_init(&b->bus, b->index);
    virq_init(&b->v, CPUS, b->lapics, &b->time, &host);
    assert_int_equal(virq_attach(&b->v, &b->bus), OK);
    for (unsigned i = 0; i < CPUS; i++) {
        lapic_wr(b, i, LAPIC_SVR, 0x1ff);
        lapic_wr(b, i, LAPIC_LDR, 1u << (24 + i));
    }
    *state = b;
    return 0;
}
static int teardown(void **state) {
    struct bench *b = *state;
    free(b->index);
    free(b);
    return 0;
}

static void io_wr(struct bench *b, uint32_t reg, uint32_t value) {
    bus_mmio_write(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_INDEX, 4, reg);
    bus_mmio_write(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_DATA, 4, value);
}
static uint32_t io_rd(struct bench *b, uint32_t reg) {
    bus_mmio_write(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_INDEX, 4, reg);
    return (uint32_t)bus_mmio_read(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_DATA, 4);
}
static void rte(struct bench *b, unsigned pin, uint32_t low, uint8_t dest) {
    io_wr(b, IOAPIC_REG_REDIRECTION + 2 * pin + 1, (uint32_t)dest << 24);
    io_wr(b, IOAPIC_REG_REDIRECTION + 2 * pin, low);
}
static uint32_t rte_low(struct bench *b, unsigned pin) {
    return io_rd(b, IOAPIC_REG_REDIRECTION + 2 * pin);
}
/* What the vCPU's loop does before it enters the guest. */
static void look(struct bench *b, unsigned cpu) {
    struct vlapic_requests r;
    if (!vlapic_take(lapic(b, cpu), &r))
        return;
    b->got[cpu].init |= r.init;
    if (r.sipi)
        b->got[cpu] = (struct vlapic_requests){b->got[cpu].init, true, r.sipi_vector};
}
static int accept(struct bench *b, unsigned cpu) {
    look(b, cpu);
    return vlapic_accept(lapic(b, cpu));
}
static bool is_pending(struct bench *b, unsigned cpu) {
    look(b, cpu);
    return vlapic_has_pending(lapic(b, cpu));
}
static int take(struct bench *b, unsigned cpu) {
    int vector = accept(b, cpu);
    vlapic_eoi(lapic(b, cpu));
    return vector;
}
static void program_pic(struct bench *b) {
    static const struct {
        uint16_t port;
        uint8_t value;
    } row[] = {{0x20, 0x11}, {0x21, 0x30}, {0x21, 4}, {0x21, 1}, {0xa0, 0x11},
               {0xa1, 0x38}, {0xa1, 2},    {0xa1, 1}, {0x21, 0}, {0xa1, 0}};
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        bus_pio_write(&b->bus, row[i].port, 1, row[i].value);
}

static void test_virq_ioapic_registers(void **state) {
    struct bench *b = *state;
    assert_int_equal(io_rd(b, IOAPIC_REG_VERSION), 0x00170020);
    io_wr(b, IOAPIC_REG_ID, 0xff000000);
    assert_int_equal(io_rd(b, IOAPIC_REG_ID), 0x0f000000);
    for (unsigned pin = 0; pin < IOAPIC_NR_PINS; pin++)
        assert_int_equal(rte_low(b, pin), 0x10000);
    rte(b, 3, 0xffffffff, 0x55);
    assert_int_equal(rte_low(b, 3), 0x1afff);
    assert_int_equal(io_rd(b, IOAPIC_REG_REDIRECTION + 7), 0x55000000);
    assert_int_equal(io_rd(b, 0x40), 0); /* past the table */
    io_wr(b, 0x40, 1);
    io_wr(b, 0x0f, 1);
}

static void test_virq_ioapic_edge(void **state) {
    struct bench *b = *state;
    struct irq_line line = virq_line(&b->v, 4);
    irq_line_pulse(&line); /* masked: lost */
    rte(b, 4, 0x51, 0);
    assert_int_equal(take(b, 0), -1);
    irq_line_set(&line, true);
    irq_line_set(&line, true);
    assert_int_equal(take(b, 0), 0x51);
    assert_int_equal(take(b, 0), -1);
    irq_line_set(&line, false);
    irq_line_pulse(&line);
    assert_int_equal(take(b, 0), 0x51);
}

static void test_virq_ioapic_level(void **state) {
    struct bench *b = *state;
    rte(b, 11, 0x8052, 1);
    virq_set_gsi(&b->v, 11, true);
    assert_int_equal(rte_low(b, 11), 0xc052); /* remote IRR */
    assert_int_equal(accept(b, 1), 0x52);
    vlapic_eoi(lapic(b, 1));
    assert_int_equal(accept(b, 1), 0x52); /* the wire is still high */
    virq_set_gsi(&b->v, 11, false);
    assert_int_equal(rte_low(b, 11), 0xc052);
    vlapic_eoi(lapic(b, 1));
    assert_int_equal(rte_low(b, 11), 0x8052);
    assert_int_equal(accept(b, 1), -1);
    /* Raised while masked: delivered when unmasked. */
    rte(b, 11, 0x18052, 1);
    virq_set_gsi(&b->v, 11, true);
    assert_int_equal(accept(b, 1), -1);
    rte(b, 11, 0x8052, 1);
    assert_int_equal(accept(b, 1), 0x52);
}

static void test_virq_ioapic_eoi_register(void **state) {
    struct bench *b = *state;
    lapic_wr(b, 0, LAPIC_SVR, 0x11ff); /* the APIC does not broadcast EOIs */
    rte(b, 10, 0x8060, 0);
    virq_set_gsi(&b->v, 10, true);
    virq_set_gsi(&b->v, 10, false);
    assert_int_equal(take(b, 0), 0x60);
    assert_int_equal(rte_low(b, 10), 0xc060);
    bus_mmio_write(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_EOI, 4, 0x61);
    assert_int_equal(rte_low(b, 10), 0xc060);
    bus_mmio_write(&b->bus, IOAPIC_DEFAULT_BASE + IOAPIC_EOI, 4, 0x60);
    assert_int_equal(rte_low(b, 10), 0x8060);
    virq_set_gsi(&b->v, 10, true);
    rte(b, 10, 0x10060, 0); /* mask and edge: the way kernels clear a stuck remote IRR */
    assert_int_equal(rte_low(b, 10), 0x10060);
}

static void test_virq_shared_vector(void **state) {
    struct bench *b = *state;
    rte(b, 10, 0x8060, 0);
    rte(b, 11, 0x8060, 0);
    virq_set_gsi(&b->v, 10, true);
    virq_set_gsi(&b->v, 11, true);
    virq_set_gsi(&b->v, 10, false);
    assert_int_equal(take(b, 0), 0x60);
    assert_int_equal(rte_low(b, 10), 0x8060);
    assert_int_equal(rte_low(b, 11), 0xc060);
    assert_int_equal(take(b, 0), 0x60);
}

static void test_virq_ioapic_modes(void **state) {
    struct bench *b = *state;
    rte(b, 5, 0x400, 2); /* NMI */
    virq_set_gsi(&b->v, 5, true);
    look(b, 2);
    assert_true(vlapic_accept_nmi(lapic(b, 2)));
    rte(b, 6, 0x853, 0x0a); /* logical: CPUs 1 and 3 */
    virq_set_gsi(&b->v, 6, true);
    assert_int_equal(take(b, 0), -1);
    assert_int_equal(take(b, 1), 0x53);
    assert_int_equal(take(b, 3), 0x53);
    rte(b, 7, 0x954, 0x0f); /* lowest priority among all */
    lapic_wr(b, 0, LAPIC_TPR, 0x20);
    lapic_wr(b, 1, LAPIC_TPR, 0x20);
    lapic_wr(b, 3, LAPIC_TPR, 0x20);
    virq_set_gsi(&b->v, 7, true);
    assert_int_equal(take(b, 2), 0x54);
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(take(b, i), -1);
}

static void test_virq_lowest_takes_turns(void **state) {
    struct bench *b = *state;
    unsigned count[CPUS] = {0};
    for (unsigned n = 0; n < 3 * CPUS; n++) {
        virq_msi(&b->v, 0xfee0f004, 0x4155);
        for (unsigned i = 0; i < CPUS; i++)
            count[i] += take(b, i) == 0x55;
    }
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(count[i], 3);
}

static void test_virq_irq0_reaches_pin_2(void **state) {
    struct bench *b = *state;
    program_pic(b);
    rte(b, 2, 0x30, 1);
    struct irq_line line = virq_line(&b->v, 0);
    irq_line_pulse(&line);
    assert_int_equal(take(b, 1), 0x30);
    assert_int_equal(accept(b, 0), 0x30); /* by LINT0 from the PIC */
    assert_int_equal(accept(b, 0), -1);
    line = virq_line(&b->v, VIRQ_NR_GSIS);
    irq_line_set(&line, true); /* goes nowhere */
}

static void test_virq_virtual_wire(void **state) {
    struct bench *b = *state;
    program_pic(b);
    assert_false(is_pending(b, 0));
    virq_set_gsi(&b->v, 8, true);
    assert_true(is_pending(b, 0));
    assert_false(is_pending(b, 1)); /* LINT0 is open on the boot CPU only */
    assert_int_equal(accept(b, 0), 0x38);
    vlapic_set_tpr(lapic(b, 0), 0xf0); /* ExtINT ignores the priority */
    bus_pio_write(&b->bus, 0xa0, 1, 0x20);
    bus_pio_write(&b->bus, 0x20, 1, 0x20);
    virq_set_gsi(&b->v, 1, true);
    assert_int_equal(accept(b, 0), 0x31);
}

static void test_virq_extint_by_ioapic(void **state) {
    struct bench *b = *state;
    program_pic(b);
    lapic_wr(b, 0, LAPIC_LVT_LINT0, 0x10700); /* close the virtual wire */
    rte(b, 0, 0x700, 0);                       /* pin 0: ExtINT */
    virq_set_gsi(&b->v, 3, true);
    virq_set_gsi(&b->v, 4, true);
    assert_int_equal(accept(b, 0), 0x33);
    assert_int_equal(accept(b, 0), -1);
    bus_pio_write(&b->bus, 0x20, 1, 0x20);
    assert_int_equal(accept(b, 0), 0x34);
}

static void test_virq_msi(void **state) {
    struct bench *b = *state;
    virq_msi(&b->v, 0xfee02000, 0x4066);
    assert_int_equal(take(b, 2), 0x66);
    virq_msi(&b->v, 0xfeeff000, 0x4067); /* broadcast */
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(take(b, i), 0x67);
    virq_msi(&b->v, 0x1000, 0x4066);
    virq_msi(&b->v, 0x1fee00000ull, 0x4066);
    assert_int_equal(take(b, 0), -1);
    virq_msi(&b->v, 0xfee00000, 0x4000); /* vector 0: an error, not an interrupt */
    assert_int_equal(take(b, 0), -1);
}

static void test_virq_shorthands(void **state) {
    struct bench *b = *state;
    lapic_wr(b, 1, LAPIC_ICR_LOW, 0x44068); /* self */
    assert_int_equal(take(b, 1), 0x68);
    assert_int_equal(take(b, 0), -1);
    lapic_wr(b, 1, LAPIC_ICR_LOW, 0x84069); /* all */
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(take(b, i), 0x69);
    lapic_wr(b, 1, LAPIC_ICR_LOW, 0xc406a); /* all but self */
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(take(b, i), i == 1 ? -1 : 0x6a);
    lapic_wr(b, 0, LAPIC_ICR_LOW, 0xc4500);
    lapic_wr(b, 0, LAPIC_ICR_LOW, 0xc4600); /* SIPI with vector 0 */
    for (unsigned i = 0; i < CPUS; i++) {
        look(b, i);
        assert_int_equal(b->got[i].init, i != 0);
        assert_int_equal(b->got[i].sipi, i != 0);
        assert_int_equal(b->got[i].sipi_vector, 0);
    }
    assert_int_equal(b->resets, 0);
    lapic_wr(b, 1, LAPIC_ICR_LOW, 0xc4500); /* INIT for the boot CPU: the host's affair */
    look(b, 0);
    assert_int_equal(b->resets, 1);
    assert_false(b->got[0].init);
}

static void test_virq_each_has_its_page(void **state) {
    struct bench *b = *state;
    assert_true(vlapic_write_base(lapic(b, 0), 0xd0000000 | APIC_BASE_BSP | APIC_BASE_EN, 40));
    assert_true(lapic(b, 0)->mmio_base == 0xd0000000);
    assert_true(lapic(b, 1)->mmio_base == LAPIC_DEFAULT_BASE);
    assert_int_equal(vlapic_mmio_read(lapic(b, 1), LAPIC_ID, 4), 1u << 24);
    assert_int_equal(bus_mmio_read(&b->bus, 0xfee00030, 4), 0xffffffff); /* on no bus */
}

static void test_virq_timer(void **state) {
    struct bench *b = *state;
    assert_true(vlapic_next_event_tsc(lapic(b, 0)) == VCLOCK_NEVER);
    lapic_wr(b, 0, LAPIC_LVT_TIMER, 0x400ec);
    vlapic_write_tsc_deadline(lapic(b, 0), 1000);
    assert_true(vlapic_next_event_tsc(lapic(b, 0)) == 1000);
    b->time.tsc_offset = 999;
    vlapic_run(lapic(b, 0));
    assert_false(is_pending(b, 0));
    b->time.tsc_offset = 1000;
    vlapic_run(lapic(b, 0));
    assert_int_equal(accept(b, 0), 0xec);
    assert_int_equal(b->kicks[0], 0); /* its own */
}

static void test_virq_snapshot(void **state) {
    struct bench *b = *state;
    static uint8_t first[8192], second[8192];
    struct snap s;
    size_t n = 0, m = 0;
    static struct virq other;
    static struct vlapic lapics[CPUS];
    program_pic(b);
    rte(b, 11, 0x8052, 1);
    virq_set_gsi(&b->v, 11, true);
    virq_set_gsi(&b->v, 8, true);
    virq_msi(&b->v, 0xfee02000, 0x4066);
    snap_begin_save(&s, first, sizeof first);
    virq_snapshot(&b->v, &s);
    assert_int_equal(snap_end(&s, &n), OK);
    virq_init(&other, CPUS, lapics, &b->time, NULL);
    snap_begin_load(&s, first, n);
    virq_snapshot(&other, &s);
    assert_int_equal(snap_end(&s, NULL), OK);
    snap_begin_save(&s, second, sizeof second);
    virq_snapshot(&other, &s);
    assert_int_equal(snap_end(&s, &m), OK);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    /* The copy goes on: the remote IRR is known, the PIC still asks. */
    assert_int_equal(vlapic_accept(virq_lapic(&other, 0)), accept(b, 0));
    assert_int_equal(vlapic_accept(virq_lapic(&other, 1)), 0x52);
    vlapic_eoi(virq_lapic(&other, 1));
    vlapic_fold(virq_lapic(&other, 1));
    assert_int_equal(vlapic_accept(virq_lapic(&other, 1)), 0x52);
    assert_int_equal(vlapic_accept(virq_lapic(&other, 2)), 0x66);
    virq_init(&other, CPUS - 1, lapics, &b->time, NULL);
    snap_begin_load(&s, first, n);
    virq_snapshot(&other, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
}

/* The octets of section "irq", version 1, of one vCPU: those of the first release, whatever the structures look like. */
static void test_virq_snapshot_octets(void **state) {
    struct bench *b = *state;
    static uint8_t buf[4096];
    static const struct {
        uint32_t reg, value;
    } row[] = {{LAPIC_SVR, 0x11ff},       {LAPIC_TPR, 0x20},           {LAPIC_LDR, 0x03000000},  {LAPIC_DFR, 0x0fffffff},
               {LAPIC_LVT_TIMER, 0x20041}, {LAPIC_TIMER_DIVIDE, 3},     {LAPIC_TIMER_INIT, 777777}, {LAPIC_LVT_ERROR, 0xfe},
               {LAPIC_LVT_THERMAL, 0x111fa}, {LAPIC_LVT_PMI, 0x400},    {LAPIC_LVT_LINT1, 0x400}, {LAPIC_ESR, 0},
               {LAPIC_ICR_HIGH, 0x01000000}, {LAPIC_ICR_LOW, 0x4005},   {LAPIC_ESR, 0},          {LAPIC_ICR_LOW, 0x4061},
               {LAPIC_ICR_LOW, 0x440a2},   {0x40, 5}};
    b->time.tsc_offset = 123456;
    virq_init(&b->v, 1, b->lapics, &b->time, NULL);
    program_pic(b);
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        lapic_wr(b, 0, row[i].reg, row[i].value);
    vlapic_set_tsc_adjust(lapic(b, 0), 0x1234567890ull);
    rte(b, 11, 0x80b3, 0);
    virq_set_gsi(&b->v, 11, true);
    virq_set_gsi(&b->v, 8, true);
    assert_int_equal(accept(b, 0), 0x38);
    assert_int_equal(accept(b, 0), 0xfe);
    virq_msi(&b->v, 0xfee00000, 0x4400);
    virq_msi(&b->v, 0xfee00000, 0x40c7); /* not taken: saving does that */
    struct snap s;
    size_t used = 0;
    snap_begin_save(&s, buf, sizeof buf);
    virq_snapshot(&b->v, &s);
    assert_int_equal(snap_end(&s, &used), OK);
    assert_int_equal(used, 439);
    uint64_t fnv1a = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < used; i++)
        fnv1a = (fnv1a ^ buf[i]) * 0x100000001b3ull;
    assert_true(fnv1a == 0x9a2a598e48a6723cull);
}

/* A guest that writes anything anywhere, fixed seed. */
static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*seed >> 33);
}

static void random_step(struct bench *b, uint64_t *seed) {
    static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1};
    uint32_t what = next_random(seed) % 12, x = next_random(seed), value = next_random(seed);
    struct vlapic *l = lapic(b, x % CPUS);
    uint64_t msr_value;
    bool taken = false;
    switch (what) {
    case 0:
        bus_pio_write(&b->bus, ports[x % ARRAY_LEN(ports)], 1, value);
        break;
    case 1:
        bus_pio_read(&b->bus, ports[x % ARRAY_LEN(ports)], 1u << value % 3);
        break;
    case 2:
        io_wr(b, x % 0x48, value & (x & 0x100 ? ~0x10000u : ~0u));
        break;
    case 3:
        virq_set_gsi(&b->v, x % (VIRQ_NR_GSIS + 1), (value & 1) != 0);
        break;
    case 4:
        virq_msi(&b->v, 0xfee00000u | (x & 0xfffffu), value & 0x7fff);
        break;
    case 5:
        vlapic_mmio_write(l, value >> 16 & 0x3f0, 4, next_random(seed));
        break;
    case 6:
        vlapic_mmio_read(l, value & 0xfff, 1u << (value >> 12 & 3));
        break;
    case 7:
        taken = vlapic_msr_write(l, 0x800 + (value & 0x3f), next_random(seed) & 0x7ffffu);
        break;
    case 8:
        taken = vlapic_msr_read(l, 0x800 + (value & 0x3f), &msr_value);
        break;
    case 9:
        if (value % 8 == 0)
            taken = vlapic_write_base(l, LAPIC_DEFAULT_BASE | (value & 0xf00), 40);
        else
            lapic_wr(b, x % CPUS, LAPIC_SVR, 0x1ff);
        break;
    case 10:
        b->time.tsc_offset += value % 1000000;
        vlapic_run(l);
        vlapic_write_tsc_deadline(l, b->time.tsc_offset + x % 100000);
        break;
    default:
        look(b, x % CPUS);
        if (vlapic_accept(l) >= 16 && (value & 1) != 0)
            vlapic_eoi(l);
        vlapic_accept_nmi(l);
        break;
    }
    (void)taken;
}

/* What is derived is always what a copy would derive from the rest. */
static void assert_copy_is_equal(struct bench *b, struct virq *copy) {
    static uint8_t buf[8192];
    struct snap s;
    size_t n = 0;
    for (unsigned i = 0; i < CPUS; i++)
        look(b, i);
    snap_begin_save(&s, buf, sizeof buf);
    virq_snapshot(&b->v, &s);
    assert_int_equal(snap_end(&s, &n), OK);
    snap_begin_load(&s, buf, n);
    virq_snapshot(copy, &s);
    assert_int_equal(snap_end(&s, NULL), OK);
    for (unsigned i = 0; i < CPUS; i++) {
        struct vlapic *l = virq_lapic(copy, i);
        l->env = lapic(b, i)->env;
        memcpy(l->inbox.level, lapic(b, i)->inbox.level, sizeof l->inbox.level); /* of no meaning without PIR */
        assert_memory_equal(l, lapic(b, i), sizeof *l);
        l->env = &copy->env;
    }
    assert_memory_equal(copy->pic.chip, b->v.pic.chip, sizeof b->v.pic.chip);
    assert_int_equal(copy->pic.intr, b->v.pic.intr);
    assert_memory_equal(copy->ioapic.rte, b->v.ioapic.rte, sizeof b->v.ioapic.rte);
    assert_int_equal(copy->ioapic.waiting, b->v.ioapic.waiting);
}

static void test_virq_random_guest(void **state) {
    struct bench *b = *state;
    static struct virq copy;
    static struct vlapic lapics[CPUS];
    uint64_t seed = 1;
    virq_init(&copy, CPUS, lapics, &b->time, NULL);
    for (unsigned step = 0; step < 200000; step++) {
        random_step(b, &seed);
        if (step % 16 == 0)
            assert_copy_is_equal(b, &copy);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_virq_ioapic_registers), T(test_virq_ioapic_edge), T(test_virq_ioapic_level),
        T(test_virq_ioapic_eoi_register), T(test_virq_shared_vector), T(test_virq_ioapic_modes),
        T(test_virq_lowest_takes_turns), T(test_virq_irq0_reaches_pin_2), T(test_virq_virtual_wire),
        T(test_virq_extint_by_ioapic), T(test_virq_msi), T(test_virq_shorthands), T(test_virq_each_has_its_page),
        T(test_virq_timer), T(test_virq_snapshot), T(test_virq_snapshot_octets), T(test_virq_random_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
