/* SPDX-License-Identifier: MIT */
#include "tests/unit/device_fixture.h"

#include "guest/vpm.h"
#include "kernel/hw/acpi_pm_regs.h"

struct pm_test {
    struct fixture f;
    struct vpm pm;
    unsigned resets, power_offs;
};

static struct pm_test t;

static void on_reset(void *ctx) {
    struct pm_test *test = ctx;
    test->resets++;
}

static void on_power_off(void *ctx) {
    struct pm_test *test = ctx;
    test->power_offs++;
}

static int setup(void **state) {
    (void)state;
    t.resets = t.power_offs = 0;
    fixture_init(&t.f);
    vpm_init(&t.pm, &t.f.clock, fixture_line(&t.f), (struct power_ops){on_reset, on_power_off, &t});
    assert_int_equal(vpm_attach(&t.pm, &t.f.bus), OK);
    return 0;
}

static uint32_t in(uint16_t port, unsigned size) {
    return bus_pio_read(&t.f.bus, port, size);
}

static void out(uint16_t port, unsigned size, uint32_t value) {
    bus_pio_write(&t.f.bus, port, size, value);
}

static void test_vpm_timer_frequency(void **state) {
    (void)state;
    assert_int_equal(in(VPM_PM_TMR, 4), 0);
    fixture_set_ns(&t.f, NSEC_PER_SEC);
    assert_int_equal(in(VPM_PM_TMR, 4), ACPI_PM_TIMER_HZ);
    fixture_set_ns(&t.f, 3000 * NSEC_PER_SEC);
    assert_int_equal(in(VPM_PM_TMR, 4), (uint32_t)(3000ull * ACPI_PM_TIMER_HZ));
    assert_int_equal(in(VPM_PM_TMR, 2) | in(VPM_PM_TMR + 2, 2) << 16, in(VPM_PM_TMR, 4));
    out(VPM_PM_TMR, 4, 0);
    assert_int_equal(in(VPM_PM_TMR, 4), (uint32_t)(3000ull * ACPI_PM_TIMER_HZ));
}

static void test_vpm_timer_never_goes_back(void **state) {
    (void)state;
    uint64_t last = 0;
    for (uint64_t ns = 0; ns < 20 * NSEC_PER_SEC; ns += 1000003) {
        uint64_t ticks = vpm_timer_ticks(ns);
        assert_true(ticks >= last && ticks - last <= 3580 + 1);
        last = ticks;
    }
}

static void test_vpm_carry_is_polled_without_interrupt(void **state) {
    (void)state;
    assert_true(vpm_next_event(&t.pm) == VCLOCK_NEVER);
    fixture_set_ns(&t.f, 599 * NSEC_PER_SEC);
    assert_int_equal(in(VPM_PM1A_EVT, 2), 0);
    fixture_set_ns(&t.f, 601 * NSEC_PER_SEC); /* 2^31 ticks are 599.9 s */
    assert_int_equal(in(VPM_PM1A_EVT, 2), ACPI_PM1_TMR);
    assert_int_equal(t.f.wire.rises, 0);
}

static void test_vpm_carry_raises_sci(void **state) {
    (void)state;
    out(VPM_PM1A_EVT + 2, 2, ACPI_PM1_TMR);
    uint64_t due = vpm_next_event(&t.pm);
    assert_int_equal(vpm_timer_ticks(due), 1u << 31);
    assert_int_equal(vpm_timer_ticks(due - 1), (1u << 31) - 1);
    fixture_set_ns(&t.f, due - 1);
    vpm_run(&t.pm);
    assert_false(t.f.wire.level);
    fixture_set_ns(&t.f, due);
    vpm_run(&t.pm);
    assert_true(t.f.wire.level);
    assert_true(vpm_next_event(&t.pm) == VCLOCK_NEVER);
    out(VPM_PM1A_EVT, 2, ACPI_PM1_TMR);
    assert_false(t.f.wire.level);
    assert_int_equal(vpm_timer_ticks(vpm_next_event(&t.pm)), 2ull << 31);
    fixture_set_ns(&t.f, 100000 * NSEC_PER_SEC); /* many carries missed: one event */
    vpm_run(&t.pm);
    out(VPM_PM1A_EVT, 2, ACPI_PM1_TMR);
    assert_false(t.f.wire.level);
    assert_true(vpm_next_event(&t.pm) > fixture_ns(&t.f));
}

static void test_vpm_power_button(void **state) {
    (void)state;
    vpm_press_power_button(&t.pm);
    assert_false(t.f.wire.level); /* not enabled yet, but remembered */
    out(VPM_PM1A_EVT + 2, 2, ACPI_PM1_PWRBTN);
    assert_true(t.f.wire.level);
    out(VPM_PM1A_EVT, 1, 0xff); /* the other octet: stays */
    assert_true(t.f.wire.level);
    assert_int_equal(in(VPM_PM1A_EVT, 2), ACPI_PM1_PWRBTN);
    out(VPM_PM1A_EVT + 1, 1, ACPI_PM1_PWRBTN >> 8);
    assert_false(t.f.wire.level);
    out(VPM_PM1A_EVT, 4, 0xffffffff); /* status and enable at once */
    assert_int_equal(in(VPM_PM1A_EVT, 4), ACPI_PM1_EN_MASK << 16);
}

static void test_vpm_soft_off(void **state) {
    (void)state;
    assert_int_equal(in(VPM_PM1A_CNT, 2), ACPI_PM1_SCI_EN);
    out(VPM_PM1A_CNT, 2, VPM_SLP_TYP_S5 << ACPI_PM1_SLP_TYP_SHIFT | ACPI_PM1_SCI_EN);
    assert_int_equal(t.power_offs, 0);
    assert_int_equal(in(VPM_PM1A_CNT, 2), VPM_SLP_TYP_S5 << ACPI_PM1_SLP_TYP_SHIFT | ACPI_PM1_SCI_EN);
    out(VPM_PM1A_CNT, 2, (VPM_SLP_TYP_S5 - 1) << ACPI_PM1_SLP_TYP_SHIFT | ACPI_PM1_SLP_EN);
    assert_int_equal(t.power_offs, 0); /* no other state exists */
    out(VPM_PM1A_CNT, 2, VPM_SLP_TYP_S5 << ACPI_PM1_SLP_TYP_SHIFT | ACPI_PM1_SLP_EN);
    assert_int_equal(t.power_offs, 1);
    assert_int_equal(in(VPM_PM1A_CNT, 2) & ACPI_PM1_SLP_EN, 0); /* write-only */
    assert_int_equal(t.resets, 0);
}

static void test_vpm_reset_register(void **state) {
    (void)state;
    out(PC_PORT_RESET, 1, PC_RESET_HARD);
    assert_int_equal(t.resets, 0);
    out(PC_PORT_RESET, 1, PC_RESET_VALUE);
    assert_int_equal(t.resets, 1);
    out(PC_PORT_RESET, 1, PC_RESET_VALUE); /* no rise */
    assert_int_equal(t.resets, 1);
    out(PC_PORT_RESET, 1, 0);
    out(PC_PORT_RESET, 1, PC_RESET_VALUE | PC_RESET_FULL);
    assert_int_equal(t.resets, 2);
    assert_int_equal(in(PC_PORT_RESET, 1), PC_RESET_VALUE | PC_RESET_FULL);
}

static void test_vpm_port_a(void **state) {
    (void)state;
    assert_int_equal(in(PC_PORT_A, 1), PC_PORT_A_A20);
    out(PC_PORT_A, 1, 0);
    assert_int_equal(in(PC_PORT_A, 1), 0);
    out(PC_PORT_A, 1, PC_PORT_A_A20);
    assert_int_equal(t.resets, 0);
    out(PC_PORT_A, 1, PC_PORT_A_RESET);
    assert_int_equal(t.resets, 1);
}

static void test_vpm_gpe_is_quiet(void **state) {
    (void)state;
    out(VPM_GPE0 + 2, 2, 0xffff);
    assert_int_equal(in(VPM_GPE0 + 2, 2), 0xffff);
    assert_int_equal(in(VPM_GPE0, 2), 0);
    assert_int_equal(t.f.wire.rises, 0);
}

static void test_vpm_snapshot(void **state) {
    (void)state;
    struct vpm copy;
    fixture_set_ns(&t.f, 700 * NSEC_PER_SEC);
    vpm_press_power_button(&t.pm);
    out(VPM_PM1A_EVT + 2, 2, ACPI_PM1_TMR);
    out(VPM_PM1A_CNT, 2, 3 << ACPI_PM1_SLP_TYP_SHIFT | ACPI_PM1_BM_RLD);
    out(PC_PORT_RESET, 1, PC_RESET_HARD);
    out(VPM_GPE0 + 2, 2, 0x1234);
    vpm_init(&copy, &t.f.clock, fixture_line(&t.f), (struct power_ops){0});
    assert_snapshot_round_trip(&t.pm, &copy, vpm_snapshot);
    assert_int_equal(copy.pm1_sts, ACPI_PM1_PWRBTN | ACPI_PM1_TMR);
    assert_int_equal(vpm_next_event(&copy), vpm_next_event(&t.pm));
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_vpm_timer_frequency),
        TEST(test_vpm_timer_never_goes_back),
        TEST(test_vpm_carry_is_polled_without_interrupt),
        TEST(test_vpm_carry_raises_sci),
        TEST(test_vpm_power_button),
        TEST(test_vpm_soft_off),
        TEST(test_vpm_reset_register),
        TEST(test_vpm_port_a),
        TEST(test_vpm_gpe_is_quiet),
        TEST(test_vpm_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
