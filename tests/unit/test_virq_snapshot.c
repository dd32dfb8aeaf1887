/* SPDX-License-Identifier: MIT */
/* Section "irq": what a copy of the interrupt controllers knows, also of those of a guest that writes anything anywhere. */
#include "tests/unit/virq_bench.h"

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
        T(test_virq_snapshot), T(test_virq_snapshot_octets), T(test_virq_random_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
