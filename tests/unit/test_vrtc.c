/* SPDX-License-Identifier: MIT */
#include "tests/unit/device_fixture.h"

#include <time.h>

#include "guest/vrtc.h"
#include "guest/vrtc_time.h"

#define NEW_YEAR_2024 1704067200ull /* Monday, 00:00:00 UTC */

struct rtc_test {
    struct fixture f;
    struct vrtc rtc;
};

static struct rtc_test t;

static void start(uint64_t wall_sec) {
    fixture_init(&t.f);
    vrtc_init(&t.rtc, &t.f.clock, fixture_line(&t.f), wall_sec * NSEC_PER_SEC, 3 * GIB, 5 * GIB);
    assert_int_equal(vrtc_attach(&t.rtc, &t.f.bus), OK);
}

static int setup(void **state) {
    (void)state;
    start(NEW_YEAR_2024);
    return 0;
}

static uint8_t get(unsigned index) {
    fixture_outb(&t.f, RTC_PORT_INDEX, (uint8_t)index);
    return fixture_inb(&t.f, RTC_PORT_DATA);
}

static void put(unsigned index, uint8_t value) {
    fixture_outb(&t.f, RTC_PORT_INDEX, (uint8_t)index);
    fixture_outb(&t.f, RTC_PORT_DATA, value);
}

static void advance(uint64_t ns) {
    fixture_set_ns(&t.f, fixture_ns(&t.f) + ns);
}

static uint8_t bcd(int v) {
    return (uint8_t)(v / 10 << 4 | v % 10);
}

static void assert_clock_shows(time_t sec) {
    struct tm tm;
    assert_non_null(gmtime_r(&sec, &tm));
    assert_int_equal(get(RTC_SECONDS), bcd(tm.tm_sec));
    assert_int_equal(get(RTC_MINUTES), bcd(tm.tm_min));
    assert_int_equal(get(RTC_HOURS), bcd(tm.tm_hour));
    assert_int_equal(get(RTC_DAY_OF_WEEK), tm.tm_wday + 1);
    assert_int_equal(get(RTC_DAY_OF_MONTH), bcd(tm.tm_mday));
    assert_int_equal(get(RTC_MONTH), bcd(tm.tm_mon + 1));
    assert_int_equal(get(RTC_YEAR), bcd(tm.tm_year % 100));
    assert_int_equal(get(CMOS_CENTURY), bcd(tm.tm_year / 100 + 19));
}

/* What Linux does in mc146818_set_time, save that all fields are BCD. */
static void set_clock(time_t sec) {
    struct tm tm;
    assert_non_null(gmtime_r(&sec, &tm));
    uint8_t a = get(RTC_REG_A), b = get(RTC_REG_B);
    put(RTC_REG_B, b | RTC_B_SET);
    put(RTC_REG_A, (a & RTC_A_RS_MASK) | RTC_A_DV_RESET | 0x10);
    put(RTC_YEAR, bcd(tm.tm_year % 100));
    put(RTC_MONTH, bcd(tm.tm_mon + 1));
    put(RTC_DAY_OF_MONTH, bcd(tm.tm_mday));
    put(RTC_HOURS, bcd(tm.tm_hour));
    put(RTC_MINUTES, bcd(tm.tm_min));
    put(RTC_SECONDS, bcd(tm.tm_sec));
    put(CMOS_CENTURY, bcd(tm.tm_year / 100 + 19));
    put(RTC_REG_B, b);
    put(RTC_REG_A, a);
}

static void test_vrtc_calendar_against_libc(void **state) {
    (void)state;
    for (int64_t sec = -60000000000ll; sec < 200000000000ll; sec += 7000001 * 11 + 3) {
        struct tm tm;
        uint8_t cmos[RTC_BYTES] = {0};
        time_t libc_sec = sec;
        assert_non_null(gmtime_r(&libc_sec, &tm));
        vrtc_time_encode(sec, RTC_B_24H | RTC_B_BINARY, cmos);
        assert_int_equal(cmos[RTC_SECONDS], tm.tm_sec);
        assert_int_equal(cmos[RTC_HOURS], tm.tm_hour);
        assert_int_equal(cmos[RTC_DAY_OF_WEEK], tm.tm_wday + 1);
        assert_int_equal(cmos[RTC_DAY_OF_MONTH], tm.tm_mday);
        assert_int_equal(cmos[RTC_MONTH], tm.tm_mon + 1);
        assert_int_equal(cmos[CMOS_CENTURY] * 100 + cmos[RTC_YEAR], tm.tm_year + 1900);
        for (unsigned format = 0; format < 8; format += 2) {
            uint8_t b = (uint8_t)(format & (RTC_B_24H | RTC_B_BINARY));
            vrtc_time_encode(sec, b, cmos);
            assert_int_equal(vrtc_time_decode(b, cmos), sec);
        }
    }
}

static void test_vrtc_ticks(void **state) {
    (void)state;
    assert_clock_shows(NEW_YEAR_2024);
    advance(999999999);
    assert_clock_shows(NEW_YEAR_2024);
    advance(1);
    assert_clock_shows(NEW_YEAR_2024 + 1);
    advance(366 * 86400 * NSEC_PER_SEC);
    assert_clock_shows(NEW_YEAR_2024 + 1 + 366 * 86400);
    assert_int_equal(get(RTC_REG_D), RTC_D_VRT);
}

static void test_vrtc_formats(void **state) {
    (void)state;
    advance(15 * 3600 * NSEC_PER_SEC); /* 15:00 */
    assert_int_equal(get(RTC_HOURS), 0x15);
    put(RTC_REG_B, RTC_B_24H | RTC_B_BINARY);
    assert_int_equal(get(RTC_HOURS), 15);
    assert_int_equal(get(RTC_YEAR), 24);
    put(RTC_REG_B, RTC_B_BINARY);
    assert_int_equal(get(RTC_HOURS), 3 | RTC_HOURS_PM);
    put(RTC_REG_B, 0);
    advance(9 * 3600 * NSEC_PER_SEC); /* midnight is 12 am */
    assert_int_equal(get(RTC_HOURS), 0x12);
    advance(12 * 3600 * NSEC_PER_SEC);
    assert_int_equal(get(RTC_HOURS), 0x12 | RTC_HOURS_PM);
}

static void test_vrtc_update_in_progress(void **state) {
    (void)state;
    for (unsigned second = 0; second < 3; second++) {
        unsigned set_us = 0;
        for (unsigned us = 0; us < 1000000; us += 4) {
            bool uip = (get(RTC_REG_A) & RTC_A_UIP) != 0;
            assert_int_equal(uip, us >= 1000000 - VRTC_UIP_NS / 1000);
            set_us += uip ? 4 : 0;
            advance(4000);
        }
        assert_int_equal(set_us, VRTC_UIP_NS / 1000);
    }
    put(RTC_REG_B, RTC_B_24H | RTC_B_SET); /* a held clock does not update */
    advance(999999000);
    assert_int_equal(get(RTC_REG_A) & RTC_A_UIP, 0);
}

static void test_vrtc_guest_sets_time(void **state) {
    (void)state;
    advance(123456789);
    set_clock(951782399); /* 2000-02-28 23:59:59; the leap day follows */
    assert_clock_shows(951782399);
    advance(499999999); /* the divider was reset: the next second comes after half of one */
    assert_clock_shows(951782399);
    advance(1);
    assert_clock_shows(951782400);
    advance(86400 * NSEC_PER_SEC);
    assert_clock_shows(951782400 + 86400);
    set_clock(4102444800); /* 2100 */
    assert_clock_shows(4102444800);
    set_clock(-86400); /* 1969 */
    assert_clock_shows(-86400);
}

static void test_vrtc_set_alone_keeps_the_phase(void **state) {
    (void)state;
    advance(300000000);
    put(RTC_REG_B, RTC_B_24H | RTC_B_SET);
    put(RTC_MINUTES, 0x30);
    advance(5 * NSEC_PER_SEC); /* the registers stand still */
    assert_int_equal(get(RTC_SECONDS), 0);
    put(RTC_REG_B, RTC_B_24H);
    assert_clock_shows(NEW_YEAR_2024 + 1800);
    advance(700000000);
    assert_clock_shows(NEW_YEAR_2024 + 1801);
}

static void test_vrtc_single_field_of_running_clock(void **state) {
    (void)state;
    advance(61 * NSEC_PER_SEC);
    put(RTC_HOURS, 0x07);
    assert_clock_shows(NEW_YEAR_2024 + 7 * 3600 + 61);
    put(RTC_DAY_OF_WEEK, 5); /* follows from the date */
    assert_clock_shows(NEW_YEAR_2024 + 7 * 3600 + 61);
}

static void test_vrtc_update_interrupt(void **state) {
    (void)state;
    advance(250000000);
    put(RTC_REG_B, RTC_B_24H | RTC_B_UIE);
    for (unsigned i = 1; i < 5; i++) {
        assert_int_equal(vrtc_next_event(&t.rtc), i * NSEC_PER_SEC);
        fixture_set_ns(&t.f, vrtc_next_event(&t.rtc));
        vrtc_run(&t.rtc);
        assert_true(t.f.wire.level);
        assert_true(vrtc_next_event(&t.rtc) == VCLOCK_NEVER); /* until register C is read */
        assert_int_equal(t.f.wire.rises, i);
        assert_int_equal(get(RTC_REG_C) & ~RTC_C_PF, RTC_C_IRQF | RTC_C_UF);
        assert_false(t.f.wire.level);
        assert_int_equal(get(RTC_REG_C), 0);
    }
    put(RTC_REG_B, RTC_B_24H | RTC_B_UIE | RTC_B_SET);
    assert_int_equal(get(RTC_REG_B), RTC_B_24H | RTC_B_SET); /* SET clears UIE */
    assert_true(vrtc_next_event(&t.rtc) == VCLOCK_NEVER);
}

static void test_vrtc_periodic_interrupt(void **state) {
    (void)state;
    for (unsigned rate = 1; rate < 16; rate++) {
        unsigned hz = rate < 3 ? 256u >> (rate - 1) : 32768u >> (rate - 1);
        unsigned count = 0;
        start(NEW_YEAR_2024);
        put(RTC_REG_A, (uint8_t)(RTC_A_DV_32768 | rate));
        put(RTC_REG_B, RTC_B_24H | RTC_B_PIE);
        while (vrtc_next_event(&t.rtc) <= 10 * NSEC_PER_SEC) {
            assert_true(vrtc_next_event(&t.rtc) > fixture_ns(&t.f));
            fixture_set_ns(&t.f, vrtc_next_event(&t.rtc) - 1);
            vrtc_run(&t.rtc);
            assert_false(t.f.wire.level);
            advance(1);
            vrtc_run(&t.rtc);
            assert_true(t.f.wire.level);
            assert_int_equal(get(RTC_REG_C) & (RTC_C_IRQF | RTC_C_PF), RTC_C_IRQF | RTC_C_PF);
            count++;
        }
        assert_int_equal(count, 10 * hz);
    }
    put(RTC_REG_A, RTC_A_DV_32768); /* rate 0: none */
    assert_true(vrtc_next_event(&t.rtc) == VCLOCK_NEVER);
}

static void test_vrtc_missed_periods_come_once(void **state) {
    (void)state;
    put(RTC_REG_B, RTC_B_24H | RTC_B_PIE);
    advance(3600 * NSEC_PER_SEC);
    vrtc_run(&t.rtc);
    assert_int_equal(t.f.wire.rises, 1);
    (void)get(RTC_REG_C);
    assert_true(vrtc_next_event(&t.rtc) > fixture_ns(&t.f));
}

static void test_vrtc_flags_without_enable(void **state) {
    (void)state;
    advance(2 * NSEC_PER_SEC);
    assert_int_equal(get(RTC_REG_C), RTC_C_PF | RTC_C_UF); /* pollable, no IRQF */
    assert_int_equal(t.f.wire.rises, 0);
}

static void test_vrtc_alarm(void **state) {
    (void)state;
    put(RTC_HOURS_ALARM, 0x06);
    put(RTC_MINUTES_ALARM, 0x30);
    put(RTC_SECONDS_ALARM, 0x15);
    put(RTC_REG_B, RTC_B_24H | RTC_B_AIE);
    uint64_t due = (6 * 3600 + 30 * 60 + 15) * NSEC_PER_SEC;
    assert_int_equal(vrtc_next_event(&t.rtc), due);
    fixture_set_ns(&t.f, due - 1);
    vrtc_run(&t.rtc);
    assert_false(t.f.wire.level);
    fixture_set_ns(&t.f, due);
    vrtc_run(&t.rtc);
    assert_true(t.f.wire.level);
    assert_int_equal(get(RTC_REG_C) & (RTC_C_AF | RTC_C_IRQF), RTC_C_AF | RTC_C_IRQF);
    assert_int_equal(vrtc_next_event(&t.rtc), due + 86400 * NSEC_PER_SEC); /* again tomorrow */
    put(RTC_HOURS_ALARM, 0xff);
    assert_int_equal(vrtc_next_event(&t.rtc), due + 3600 * NSEC_PER_SEC);
    put(RTC_MINUTES_ALARM, 0xc0);
    assert_int_equal(vrtc_next_event(&t.rtc), due + 60 * NSEC_PER_SEC);
    put(RTC_SECONDS_ALARM, 0xff);
    assert_int_equal(vrtc_next_event(&t.rtc), due + NSEC_PER_SEC);
    put(RTC_SECONDS_ALARM, 0x7a); /* not a second */
    assert_true(vrtc_next_event(&t.rtc) == VCLOCK_NEVER);
}

static void test_vrtc_alarm_follows_a_new_time(void **state) {
    (void)state;
    put(RTC_HOURS_ALARM, 0x00);
    put(RTC_MINUTES_ALARM, 0x00);
    put(RTC_SECONDS_ALARM, 0x00);
    put(RTC_REG_B, RTC_B_24H | RTC_B_AIE);
    assert_int_equal(vrtc_next_event(&t.rtc), 86400 * NSEC_PER_SEC);
    set_clock(NEW_YEAR_2024 + 86400 - 10);
    assert_int_equal(vrtc_next_event(&t.rtc), fixture_ns(&t.f) + 10 * NSEC_PER_SEC - NSEC_PER_SEC / 2);
}

static void test_vrtc_alarm_search_matches_brute_force(void **state) {
    (void)state;
    static const uint8_t values[] = {0, 1, 11, 12, 23, 59, 60, 0xc0, 0xff};
    uint8_t cmos[RTC_BYTES] = {0};
    for (unsigned i = 0; i < 9 * 9 * 9; i++) {
        cmos[RTC_HOURS_ALARM] = values[i % 9];
        cmos[RTC_MINUTES_ALARM] = values[i / 9 % 9];
        cmos[RTC_SECONDS_ALARM] = values[i / 81];
        int64_t after = (int64_t)NEW_YEAR_2024 - 40 + (int64_t)i * 977;
        int64_t found = vrtc_time_next_alarm(after, RTC_B_24H | RTC_B_BINARY, cmos);
        int64_t expected = VRTC_TIME_NO_ALARM;
        for (int64_t sec = after + 1; sec <= after + 86400 && expected == VRTC_TIME_NO_ALARM; sec++) {
            int64_t day = sec % 86400;
            if ((cmos[RTC_HOURS_ALARM] >= 0xc0 || day / 3600 == cmos[RTC_HOURS_ALARM]) &&
                (cmos[RTC_MINUTES_ALARM] >= 0xc0 || day / 60 % 60 == cmos[RTC_MINUTES_ALARM]) &&
                (cmos[RTC_SECONDS_ALARM] >= 0xc0 || day % 60 == cmos[RTC_SECONDS_ALARM]))
                expected = sec;
        }
        assert_int_equal(found, expected);
    }
}

static void test_vrtc_memory_size(void **state) {
    (void)state;
    assert_int_equal(get(CMOS_BASE_KIB_LOW) | get(CMOS_BASE_KIB_HIGH) << 8, 640);
    assert_int_equal(get(CMOS_EXT_KIB_LOW) | get(CMOS_EXT_KIB_HIGH) << 8, 63 * 1024);
    assert_int_equal(get(CMOS_EXT2_KIB_LOW) | get(CMOS_EXT2_KIB_HIGH) << 8, 63 * 1024);
    assert_int_equal(get(CMOS_ABOVE_16M_LOW) | get(CMOS_ABOVE_16M_HIGH) << 8, (3 * GIB - 16 * MIB) / 65536);
    assert_int_equal(get(CMOS_ABOVE_4G_LOW) | get(CMOS_ABOVE_4G_MID) << 8 | get(CMOS_ABOVE_4G_HIGH) << 16,
                     5 * GIB / 65536);
    vrtc_init(&t.rtc, &t.f.clock, fixture_line(&t.f), 0, 8 * MIB, 0);
    assert_int_equal(get(CMOS_EXT_KIB_LOW) | get(CMOS_EXT_KIB_HIGH) << 8, 7 * 1024);
    assert_int_equal(get(CMOS_ABOVE_16M_LOW) | get(CMOS_ABOVE_16M_HIGH) << 8, 0);
}

static void test_vrtc_memory_and_index(void **state) {
    (void)state;
    put(0x40 | RTC_INDEX_NMI_OFF, 0x5a); /* the NMI bit is no part of the index */
    assert_int_equal(get(0x40), 0x5a);
    put(RTC_REG_D, 0);
    assert_int_equal(get(RTC_REG_D), RTC_D_VRT);
    assert_int_equal(fixture_inb(&t.f, RTC_PORT_INDEX), 0xff);
}

static void test_vrtc_snapshot(void **state) {
    (void)state;
    struct vrtc copy;
    advance(1234567890);
    set_clock(1000000000);
    advance(777777777);
    put(0x50, 0x99);
    put(RTC_REG_B, RTC_B_24H | RTC_B_AIE | RTC_B_PIE);
    (void)get(RTC_REG_C);
    vrtc_init(&copy, &t.f.clock, fixture_line(&t.f), 0, MIB, 0);
    assert_snapshot_round_trip(&t.rtc, &copy, vrtc_snapshot);
    assert_int_equal(vrtc_next_event(&copy), vrtc_next_event(&t.rtc));
    bus_init(&t.f.bus, memset(t.f.index, 0, sizeof(t.f.index)));
    assert_int_equal(vrtc_attach(&copy, &t.f.bus), OK);
    assert_clock_shows(1000000001);
    assert_int_equal(get(0x50), 0x99);
    put(RTC_REG_B, RTC_B_24H | RTC_B_SET); /* a held clock travels as well */
    put(RTC_SECONDS, 0x42);
    assert_snapshot_round_trip(&copy, &t.rtc, vrtc_snapshot);
    assert_int_equal(t.rtc.cmos[RTC_SECONDS], 0x42);
}

static void test_vrtc_survives_any_image_and_any_write(void **state) {
    (void)state;
    uint8_t image[256];
    struct snap s;
    size_t used;
    uint32_t seed = 7;
    for (unsigned round = 0; round < 50000; round++) {
        if (round % 500 == 0) {
            for (size_t i = 0; i < sizeof(image); i++) {
                seed = seed * 1664525 + 1013904223;
                image[i] = (uint8_t)(seed >> 24);
            }
            setup(NULL);
            snap_begin_save(&s, image + 128, 0);
            static uint8_t saved[256];
            snap_begin_save(&s, saved, sizeof(saved));
            vrtc_snapshot(&t.rtc, &s);
            assert_int_equal(snap_end(&s, &used), OK);
            memcpy(saved, image, 8); /* any wall base */
            memcpy(saved + 24, image + 24, used - 24 - RTC_BYTES - 4);
            snap_begin_load(&s, saved, used);
            vrtc_snapshot(&t.rtc, &s);
        }
        seed = seed * 1664525 + 1013904223;
        advance(seed >> 4);
        put(seed >> 25, (uint8_t)(seed >> 8));
        (void)get(seed >> 20 & 0x0f);
        (void)vrtc_next_event(&t.rtc);
        vrtc_run(&t.rtc);
        snap_begin_save(&s, image, sizeof(image)); /* whatever a guest does can be loaded again */
        vrtc_snapshot(&t.rtc, &s);
        assert_int_equal(snap_end(&s, &used), OK);
        snap_begin_load(&s, image, used);
        vrtc_snapshot(&t.rtc, &s);
        assert_int_equal(snap_end(&s, NULL), OK);
    }
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_vrtc_calendar_against_libc),
        TEST(test_vrtc_ticks),
        TEST(test_vrtc_formats),
        TEST(test_vrtc_update_in_progress),
        TEST(test_vrtc_guest_sets_time),
        TEST(test_vrtc_set_alone_keeps_the_phase),
        TEST(test_vrtc_single_field_of_running_clock),
        TEST(test_vrtc_update_interrupt),
        TEST(test_vrtc_periodic_interrupt),
        TEST(test_vrtc_missed_periods_come_once),
        TEST(test_vrtc_flags_without_enable),
        TEST(test_vrtc_alarm),
        TEST(test_vrtc_alarm_follows_a_new_time),
        TEST(test_vrtc_alarm_search_matches_brute_force),
        TEST(test_vrtc_memory_size),
        TEST(test_vrtc_memory_and_index),
        TEST(test_vrtc_snapshot),
        TEST(test_vrtc_survives_any_image_and_any_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
