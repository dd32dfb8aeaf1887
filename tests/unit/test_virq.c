/* SPDX-License-Identifier: MIT */
/* The interrupt controllers wired together: IOAPIC pins, PIC, messages of devices. */
#include "tests/unit/virq_bench.h"

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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_virq_ioapic_registers), T(test_virq_ioapic_edge), T(test_virq_ioapic_level),
        T(test_virq_ioapic_eoi_register), T(test_virq_shared_vector), T(test_virq_ioapic_modes),
        T(test_virq_lowest_takes_turns), T(test_virq_irq0_reaches_pin_2), T(test_virq_virtual_wire),
        T(test_virq_extint_by_ioapic), T(test_virq_msi), T(test_virq_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
