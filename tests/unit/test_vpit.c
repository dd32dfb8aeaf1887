/* SPDX-License-Identifier: MIT */
#include "tests/unit/device_fixture.h"

#include "guest/vpit.h"
#include "kernel/hw/i8254_regs.h"

struct pit_test {
    struct fixture f;
    struct vpit pit;
};

static struct pit_test t;

static int setup(void **state) {
    (void)state;
    fixture_init(&t.f);
    vpit_init(&t.pit, &t.f.clock, fixture_line(&t.f));
    assert_int_equal(vpit_attach(&t.pit, &t.f.bus), OK);
    return 0;
}

static void set_tick(uint64_t tick) {
    fixture_set_ns(&t.f, vpit_tick_ns(tick));
}

static uint8_t control(unsigned channel, unsigned rw, unsigned mode) {
    return (uint8_t)(channel << I8254_CONTROL_SELECT_SHIFT | rw << I8254_CONTROL_RW_SHIFT |
                     mode << I8254_CONTROL_MODE_SHIFT);
}

static void program(unsigned channel, unsigned mode, unsigned count) {
    fixture_outb(&t.f, I8254_PORT_CONTROL, control(channel, I8254_RW_LSB_MSB, mode));
    fixture_outb(&t.f, (uint16_t)(I8254_PORT_CHANNEL0 + channel), (uint8_t)count);
    fixture_outb(&t.f, (uint16_t)(I8254_PORT_CHANNEL0 + channel), (uint8_t)(count >> 8));
}

static unsigned read16(unsigned channel) {
    uint16_t port = (uint16_t)(I8254_PORT_CHANNEL0 + channel);
    unsigned low = fixture_inb(&t.f, port);
    return low | (unsigned)fixture_inb(&t.f, port) << 8;
}

static bool out2(void) {
    return (fixture_inb(&t.f, PORT61) & PORT61_OUT2) != 0;
}

/* Go from event to event until `end`; returns how many interrupts came. */
static unsigned run_until(uint64_t end_ns) {
    unsigned before = t.f.wire.rises;
    while (vpit_next_event(&t.pit) <= end_ns) {
        assert_true(vpit_next_event(&t.pit) >= fixture_ns(&t.f));
        fixture_set_ns(&t.f, vpit_next_event(&t.pit));
        unsigned rises = t.f.wire.rises;
        vpit_run(&t.pit);
        assert_int_equal(t.f.wire.rises, rises + 1);
    }
    fixture_set_ns(&t.f, end_ns);
    vpit_run(&t.pit);
    return t.f.wire.rises - before;
}

static void test_vpit_ticks_are_exact(void **state) {
    (void)state;
    assert_int_equal(vpit_ticks(NSEC_PER_SEC), I8254_HZ);
    assert_int_equal(vpit_ticks(1000000 * NSEC_PER_SEC), 1000000ull * I8254_HZ);
    for (uint64_t tick = 1; tick < 1ull << 52; tick = tick * 5 + 3) {
        uint64_t ns = vpit_tick_ns(tick);
        assert_int_equal(vpit_ticks(ns), tick);
        assert_int_equal(vpit_ticks(ns - 1), tick - 1);
    }
}

static void test_vpit_nothing_programmed(void **state) {
    (void)state;
    assert_true(vpit_next_event(&t.pit) == VCLOCK_NEVER);
    fixture_set_ns(&t.f, 5 * NSEC_PER_SEC);
    vpit_run(&t.pit);
    assert_int_equal(t.f.wire.rises, 0);
    assert_int_equal(fixture_inb(&t.f, I8254_PORT_CONTROL), 0xff);
}

static void test_vpit_mode0_fires_once(void **state) {
    (void)state;
    set_tick(1000);
    program(0, 0, 500);
    assert_int_equal(vpit_next_event(&t.pit), vpit_tick_ns(1501));
    fixture_set_ns(&t.f, vpit_tick_ns(1501) - 1);
    vpit_run(&t.pit);
    assert_int_equal(t.f.wire.rises, 0);
    set_tick(1501);
    vpit_run(&t.pit);
    assert_int_equal(t.f.wire.rises, 1);
    assert_false(t.f.wire.level);
    assert_true(vpit_next_event(&t.pit) == VCLOCK_NEVER);
    set_tick(1502); /* the count goes on below zero */
    assert_int_equal(read16(0), 0xffff);
}

static void test_vpit_mode0_first_octet_stops(void **state) {
    (void)state;
    program(0, 0, 500);
    set_tick(100);
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 0x20);
    assert_true(vpit_next_event(&t.pit) == VCLOCK_NEVER);
    set_tick(9000);
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 0x01);
    assert_int_equal(vpit_next_event(&t.pit), vpit_tick_ns(9000 + 1 + 0x120));
}

static void test_vpit_mode0_gate_holds_count(void **state) {
    (void)state;
    program(2, 0, 1000); /* gate is low */
    set_tick(5000);
    assert_int_equal(read16(2), 1000);
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    set_tick(5400);
    assert_int_equal(read16(2), 600);
    assert_false(out2());
    fixture_outb(&t.f, PORT61, 0);
    set_tick(9000);
    assert_int_equal(read16(2), 600);
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    set_tick(9599);
    assert_false(out2());
    set_tick(9600);
    assert_true(out2());
    assert_int_equal(t.f.wire.rises, 0); /* channel 2 has no interrupt */
}

/* How kernels calibrate: channel 2, mode 0, gate up, poll bit 5. */
static void test_vpit_port61_polling(void **state) {
    (void)state;
    unsigned polls = 0, refresh_changes = 0;
    uint8_t last = 0;
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    program(2, 0, 11932); /* 10 ms */
    while (!out2() && polls < 100000) {
        uint8_t v = fixture_inb(&t.f, PORT61);
        refresh_changes += (v ^ last) >> 4 & 1;
        last = v;
        fixture_set_ns(&t.f, fixture_ns(&t.f) + 1250);
        polls++;
    }
    assert_int_equal(polls, (10001 * 1000) / 1250 + 1);
    assert_true(refresh_changes > 600 && refresh_changes < 700);
    assert_int_equal(fixture_inb(&t.f, PORT61) & PORT61_WRITABLE, PORT61_GATE2);
}

static void test_vpit_mode1_is_triggered_by_gate(void **state) {
    (void)state;
    program(2, 1, 300);
    set_tick(1000);
    assert_true(out2());
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    set_tick(1002);
    assert_false(out2());
    set_tick(1300);
    assert_false(out2());
    fixture_outb(&t.f, PORT61, 0); /* the level of the gate does not matter */
    set_tick(1301);
    assert_true(out2());
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    set_tick(1400);
    fixture_outb(&t.f, PORT61, 0);
    fixture_outb(&t.f, PORT61, PORT61_GATE2); /* triggered again: starts over */
    set_tick(1700);
    assert_false(out2());
    set_tick(1701);
    assert_true(out2());
    program(0, 1, 300); /* channel 0's gate never rises */
    assert_true(vpit_next_event(&t.pit) == VCLOCK_NEVER);
}

static void test_vpit_mode2_does_not_drift(void **state) {
    (void)state;
    program(0, 2, 11932);
    uint64_t ticks = 100ull * I8254_HZ;
    assert_int_equal(run_until(100 * NSEC_PER_SEC), (ticks - 1) / 11932);
}

static void test_vpit_mode2_count_and_output(void **state) {
    (void)state;
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    program(2, 2, 10);
    for (unsigned i = 0; i < 40; i++) {
        set_tick(1 + i);
        assert_int_equal(read16(2), 10 - i % 10);
        assert_int_equal(out2(), i % 10 != 9);
    }
    set_tick(8);
    fixture_outb(&t.f, PORT61, 0); /* gate low: OUT high, and a new period when it rises */
    set_tick(10);
    assert_true(out2());
    set_tick(100);
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    set_tick(101);
    assert_int_equal(read16(2), 10);
}

static void test_vpit_mode3_square_wave(void **state) {
    (void)state;
    static const unsigned odd[] = {4, 2, 0, 4, 2};
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    program(2, 3, 5);
    for (unsigned i = 0; i < 20; i++) {
        set_tick(1 + i);
        assert_int_equal(read16(2), odd[i % 5]);
        assert_int_equal(out2(), i % 5 < 3);
    }
    program(0, 3, 0); /* 65536: 18.2 Hz */
    uint64_t first = vpit_next_event(&t.pit);
    assert_int_equal(first, vpit_tick_ns(vpit_ticks(fixture_ns(&t.f)) + 1 + 65536));
    assert_int_equal(run_until(fixture_ns(&t.f) + 10 * NSEC_PER_SEC), 182);
}

static void test_vpit_mode2_new_count_at_period_end(void **state) {
    (void)state;
    program(0, 2, 1000);
    set_tick(2500); /* third period: 2001 .. 3001 */
    vpit_run(&t.pit);
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 200);
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 0);
    assert_int_equal(read16(0), 1000 - 499);
    assert_int_equal(vpit_next_event(&t.pit), vpit_tick_ns(3001));
    set_tick(3001);
    vpit_run(&t.pit);
    assert_int_equal(vpit_next_event(&t.pit), vpit_tick_ns(3201));
    assert_int_equal(read16(0), 200);
}

static void test_vpit_strobes(void **state) {
    (void)state;
    program(0, 4, 100);
    assert_int_equal(vpit_next_event(&t.pit), vpit_tick_ns(102)); /* the end of the strobe */
    program(2, 4, 100);
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    for (unsigned tick = 1; tick < 300; tick++) {
        set_tick(tick);
        assert_int_equal(out2(), tick != 100);
    }
    fixture_outb(&t.f, PORT61, 0);
    set_tick(1000);
    program(2, 5, 100);
    assert_true(out2());
    set_tick(2000);
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    set_tick(2101);
    assert_false(out2());
    set_tick(2102);
    assert_true(out2());
}

static void test_vpit_no_storm_after_a_stop(void **state) {
    (void)state;
    program(0, 2, 1193);
    run_until(NSEC_PER_SEC);
    uint64_t due = vpit_next_event(&t.pit);
    unsigned before = t.f.wire.rises;
    fixture_set_ns(&t.f, 61 * NSEC_PER_SEC); /* a minute passes without the guest */
    vpit_run(&t.pit);
    vpit_run(&t.pit);
    assert_int_equal(t.f.wire.rises, before + 1);
    uint64_t next = vpit_next_event(&t.pit);
    assert_true(next > fixture_ns(&t.f) && next <= fixture_ns(&t.f) + NSEC_PER_MSEC);
    assert_int_equal((vpit_ticks(next) - vpit_ticks(due)) % 1193, 0); /* still on the same grid */
}

static void test_vpit_short_periods_are_merged(void **state) {
    (void)state;
    for (unsigned count = 1; count < 2 * VPIT_MIN_PERIOD; count++) {
        program(0, 2, count);
        uint64_t a = vpit_next_event(&t.pit);
        fixture_set_ns(&t.f, a);
        vpit_run(&t.pit);
        uint64_t b = vpit_next_event(&t.pit);
        assert_true(vpit_ticks(b) - vpit_ticks(a) >= VPIT_MIN_PERIOD);
        assert_int_equal((vpit_ticks(b) - vpit_ticks(a)) % count, 0);
    }
}

static void test_vpit_latch_and_read_back(void **state) {
    (void)state;
    program(0, 2, 0x1234);
    set_tick(1 + 0x34);
    fixture_outb(&t.f, I8254_PORT_CONTROL, control(0, I8254_RW_LATCH, 0));
    set_tick(1000);
    fixture_outb(&t.f, I8254_PORT_CONTROL, control(0, I8254_RW_LATCH, 0)); /* ignored: not read yet */
    assert_int_equal(read16(0), 0x1200);
    assert_int_equal(read16(0), 0x1234 - 999);
    program(2, 0, 77);
    fixture_outb(&t.f, I8254_PORT_CONTROL, 0xc0 | I8254_READ_BACK_CHANNEL0 | I8254_READ_BACK_CHANNEL0 << 2);
    set_tick(3000);
    assert_int_equal(fixture_inb(&t.f, 0x40), 0x34 | I8254_STATUS_OUT); /* status first */
    assert_int_equal(read16(0), 0x1234 - 999);
    assert_int_equal(fixture_inb(&t.f, 0x42), 0x30);
    assert_int_equal(read16(2), 77);
    fixture_outb(&t.f, I8254_PORT_CONTROL, control(1, I8254_RW_LSB, 3));
    fixture_outb(&t.f, I8254_PORT_CONTROL, 0xc0 | I8254_READ_BACK_NO_COUNT | I8254_READ_BACK_CHANNEL0 << 1);
    assert_int_equal(fixture_inb(&t.f, 0x41), 0x16 | I8254_STATUS_OUT | I8254_STATUS_NULL_COUNT);
}

static void test_vpit_single_octet_access(void **state) {
    (void)state;
    fixture_outb(&t.f, I8254_PORT_CONTROL, control(0, I8254_RW_MSB, 2));
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 0x10);
    assert_int_equal(vpit_next_event(&t.pit), vpit_tick_ns(0x1001));
    set_tick(2);
    assert_int_equal(fixture_inb(&t.f, 0x40), 0x0f);
    fixture_outb(&t.f, I8254_PORT_CONTROL, control(0, I8254_RW_LSB, 2));
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 0x80);
    set_tick(2 + 1 + 0x20);
    assert_int_equal(fixture_inb(&t.f, 0x40), 0x60);
    fixture_outb(&t.f, I8254_PORT_CONTROL, control(0, I8254_RW_LATCH, 0));
    assert_int_equal(fixture_inb(&t.f, 0x40), 0x60);
    bus_pio_write(&t.f.bus, I8254_PORT_CONTROL, 4, 0x16); /* wide accesses reach past the last port */
    (void)bus_pio_read(&t.f.bus, I8254_PORT_CHANNEL0, 4);
}

static void test_vpit_bcd(void **state) {
    (void)state;
    fixture_outb(&t.f, I8254_PORT_CONTROL, control(0, I8254_RW_LSB_MSB, 2) | I8254_CONTROL_BCD);
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 0x00);
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 0x10);
    assert_int_equal(vpit_next_event(&t.pit), vpit_tick_ns(1001));
    set_tick(2);
    assert_int_equal(read16(0), 0x0999);
    fixture_outb(&t.f, I8254_PORT_CONTROL, control(0, I8254_RW_LSB_MSB, 0) | I8254_CONTROL_BCD);
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 0);
    fixture_outb(&t.f, I8254_PORT_CHANNEL0, 0);
    assert_int_equal(vpit_next_event(&t.pit), vpit_tick_ns(2 + 1 + 10000));
    set_tick(4);
    assert_int_equal(read16(0), 0x9999);
}

static void test_vpit_snapshot(void **state) {
    (void)state;
    struct vpit copy;
    set_tick(12345);
    program(0, 2, 11932);
    program(2, 3, 77);
    fixture_outb(&t.f, PORT61, PORT61_GATE2);
    fixture_outb(&t.f, I8254_PORT_CONTROL, 0xc0 | I8254_READ_BACK_CHANNEL0 << 2);
    fixture_outb(&t.f, 0x40, 0x55); /* half a count */
    vpit_init(&copy, &t.f.clock, fixture_line(&t.f));
    assert_snapshot_round_trip(&t.pit, &copy, vpit_snapshot);
    assert_int_equal(vpit_next_event(&copy), vpit_next_event(&t.pit));
    fixture_set_ns(&t.f, vpit_next_event(&copy));
    vpit_run(&copy);
    assert_int_equal(t.f.wire.rises, 1);
}

static void test_vpit_survives_any_image(void **state) {
    (void)state;
    uint8_t image[256];
    struct snap s;
    size_t used;
    uint32_t seed = 1;
    unsigned accepted = 0;
    snap_begin_save(&s, image, sizeof(image));
    vpit_snapshot(&t.pit, &s);
    assert_int_equal(snap_end(&s, &used), OK);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bad[256];
        memcpy(bad, image, used);
        for (unsigned i = 0; i < 3; i++) {
            seed = seed * 1664525 + 1013904223;
            bad[seed >> 8 & 127 & (round % 2 ? 127 : 31)] = (uint8_t)(seed >> 24);
        }
        snap_begin_load(&s, bad, used);
        vpit_snapshot(&t.pit, &s);
        if (snap_end(&s, NULL) != OK)
            continue;
        accepted++;
        fixture_set_ns(&t.f, seed);
        for (uint16_t port = 0x40; port < 0x43; port++)
            (void)read16(port - 0x40u);
        fixture_outb(&t.f, PORT61, (uint8_t)seed);
        (void)out2();
        vpit_run(&t.pit);
        (void)vpit_next_event(&t.pit);
    }
    assert_true(accepted > 0 && accepted < 20000);
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_vpit_ticks_are_exact),
        TEST(test_vpit_nothing_programmed),
        TEST(test_vpit_mode0_fires_once),
        TEST(test_vpit_mode0_first_octet_stops),
        TEST(test_vpit_mode0_gate_holds_count),
        TEST(test_vpit_port61_polling),
        TEST(test_vpit_mode1_is_triggered_by_gate),
        TEST(test_vpit_mode2_does_not_drift),
        TEST(test_vpit_mode2_count_and_output),
        TEST(test_vpit_mode3_square_wave),
        TEST(test_vpit_mode2_new_count_at_period_end),
        TEST(test_vpit_strobes),
        TEST(test_vpit_no_storm_after_a_stop),
        TEST(test_vpit_short_periods_are_merged),
        TEST(test_vpit_latch_and_read_back),
        TEST(test_vpit_single_octet_access),
        TEST(test_vpit_bcd),
        TEST(test_vpit_snapshot),
        TEST(test_vpit_survives_any_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
