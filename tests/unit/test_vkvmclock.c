/* SPDX-License-Identifier: MIT */
#include "tests/unit/device_fixture.h"

#include "guest/vkvmclock.h"
#include "kernel/hw/msr_regs.h"

#define WALL_BASE (1700000000ull * NSEC_PER_SEC + 123456789)
#define PAGE 0x5000u

static uint8_t chunk0[LARGE_SIZE];
static uint8_t *chunks[] = {chunk0};
static uint64_t dirty[8];
static struct gmem mem;
static struct vclock vclk;
static struct vkvmclock k;

static void start(uint64_t tsc_hz, uint32_t nr_vcpus) {
    memset(chunk0, 0, sizeof(chunk0));
    memset(dirty, 0, sizeof(dirty));
    assert_int_equal(gmem_init(&mem, sizeof(chunk0), chunks), OK);
    mem.dirty = dirty;
    vclock_init(&vclk, tsc_hz, fixture_read_tsc);
    vkvmclock_init(&k, nr_vcpus, &vclk, &mem, WALL_BASE);
}

static uint64_t get(uint64_t gpa, unsigned len) {
    uint64_t v = 0;
    memcpy(&v, chunk0 + gpa, len);
    return v;
}

/* What the guest does: Linux, arch/x86/include/asm/pvclock.h, __pvclock_read_cycles. */
static uint64_t guest_clock(uint64_t gpa, uint64_t tsc) {
    assert_int_equal(get(gpa, 4) % 2, 0);
    uint64_t delta = tsc - get(gpa + 8, 8);
    int8_t shift = (int8_t)get(gpa + 28, 1);
    if (shift >= 0)
        delta <<= shift;
    else
        delta >>= -shift;
    return get(gpa + 16, 8) + (uint64_t)((unsigned __int128)delta * get(gpa + 24, 4) >> 32);
}

static void enable(uint32_t cpu, uint64_t gpa) {
    assert_int_equal(vkvmclock_write_msr(&k, cpu, MSR_KVM_SYSTEM_TIME, gpa | KVM_SYSTEM_TIME_ENABLE), OK);
}

static const uint64_t frequencies[] = {50000000,   100000000,  123456789,  999999999,   1000000000,
                                       1000000001, 2399998321, 3500000000, 16000000000};

static void test_vkvmclock_equals_vclock(void **state) {
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(frequencies); i++) {
        start(frequencies[i], 1);
        enable(0, PAGE);
        for (uint64_t sec = 0; sec < 1000000; sec = sec * 3 + 1) {
            uint64_t tsc = sec * frequencies[i] + frequencies[i] / 7;
            uint64_t theirs = guest_clock(PAGE, tsc), ours = vclock_tsc_to_ns(&vclk, tsc);
            if (frequencies[i] >= NSEC_PER_SEC || NSEC_PER_SEC % frequencies[i] == 0)
                assert_int_equal(theirs, ours);
            else
                assert_true(theirs <= ours && ours - theirs <= (sec + 1) * NSEC_PER_SEC / (1ull << 31) + 1);
        }
    }
}

static void test_vkvmclock_scale_uses_all_bits(void **state) {
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(frequencies); i++) {
        uint32_t mul;
        int8_t shift;
        start(frequencies[i], 1);
        vkvmclock_scale(&vclk, &mul, &shift);
        assert_true(shift >= 0 && shift < 12);
        assert_true(shift == 0 || mul >= 1u << 31);
        assert_int_equal((uint64_t)mul << shift >> shift, mul);
    }
}

static void test_vkvmclock_registration(void **state) {
    (void)state;
    uint64_t value;
    start(2000000000, 2);
    enable(0, PAGE);
    assert_int_equal(get(PAGE, 4), 2);
    assert_int_equal(get(PAGE + 29, 1), PVCLOCK_TSC_STABLE);
    assert_true((dirty[0] >> (PAGE >> 12) & 1) != 0);
    assert_int_equal(vkvmclock_read_msr(&k, 0, MSR_KVM_SYSTEM_TIME_OLD, &value), OK);
    assert_int_equal(value, PAGE | KVM_SYSTEM_TIME_ENABLE);
    assert_int_equal(vkvmclock_read_msr(&k, 1, MSR_KVM_SYSTEM_TIME, &value), OK);
    assert_int_equal(value, 0); /* each vCPU has its own */
    enable(1, PAGE + 64);
    assert_int_equal(get(PAGE + 64, 4), 2);
    assert_int_equal(vkvmclock_write_msr(&k, 0, MSR_KVM_SYSTEM_TIME, 0), OK);
    vkvmclock_update(&k, false);
    assert_int_equal(get(PAGE, 4), 2); /* not registered any more */
    assert_int_equal(get(PAGE + 64, 4), 4);
    const uint64_t elsewhere = 0x6000 | KVM_SYSTEM_TIME_ENABLE;
    assert_int_equal(vkvmclock_write_msr(&k, 0, MSR_KVM_SYSTEM_TIME_OLD, elsewhere), OK);
    assert_int_equal(get(0x6000, 4) % 2, 0);
    assert_true(get(0x6000, 4) != 0);
}

static void test_vkvmclock_refuses_bad_addresses(void **state) {
    (void)state;
    uint64_t value;
    static const uint64_t bad[] = {LARGE_SIZE, LARGE_SIZE - 16, 3 * GIB,
                                   UINT64_MAX, UINT64_MAX - 15, PAGE + 2};
    start(2000000000, 1);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t gpa = bad[i] | KVM_SYSTEM_TIME_ENABLE;
        assert_int_equal(vkvmclock_write_msr(&k, 0, MSR_KVM_SYSTEM_TIME, gpa), ERR_RANGE);
        assert_int_equal(vkvmclock_write_msr(&k, 0, MSR_KVM_WALL_CLOCK, bad[i] + 8), ERR_RANGE);
    }
    assert_int_equal(vkvmclock_read_msr(&k, 0, MSR_KVM_SYSTEM_TIME, &value), OK);
    assert_int_equal(value, 0);
    assert_int_equal(vkvmclock_write_msr(&k, 0, MSR_KVM_STEAL_TIME, 1), ERR_NOENT);
    assert_int_equal(vkvmclock_write_msr(&k, 1, MSR_KVM_SYSTEM_TIME, PAGE), ERR_NOENT);
    assert_int_equal(vkvmclock_read_msr(&k, 0, 0x10, &value), ERR_NOENT);
    for (size_t i = 0; i < sizeof(chunk0); i++)
        assert_int_equal(chunk0[i], 0);
}

static void test_vkvmclock_wall_clock(void **state) {
    (void)state;
    start(2000000000, 1);
    assert_int_equal(vkvmclock_write_msr(&k, 0, MSR_KVM_WALL_CLOCK, 0x7004), OK);
    assert_int_equal(get(0x7004, 4), 2);
    assert_int_equal(get(0x7008, 4), WALL_BASE / NSEC_PER_SEC);
    assert_int_equal(get(0x700c, 4), WALL_BASE % NSEC_PER_SEC);
    assert_int_equal(vkvmclock_write_msr(&k, 0, MSR_KVM_WALL_CLOCK_OLD, 0x7004), OK);
    assert_int_equal(get(0x7004, 4), 4);
}

static void test_vkvmclock_adjusted_tsc(void **state) {
    (void)state;
    start(2000000000, 2);
    enable(0, PAGE);
    enable(1, PAGE + 64);
    vkvmclock_set_tsc_adjust(&k, 1, (uint64_t)-5000);
    assert_int_equal(get(PAGE + 29, 1), 0); /* no common time base any more */
    assert_int_equal(get(PAGE + 64 + 29, 1), 0);
    assert_int_equal(guest_clock(PAGE, 1000000), guest_clock(PAGE + 64, 1000000 - 5000));
    vkvmclock_set_tsc_adjust(&k, 0, (uint64_t)-5000);
    assert_int_equal(get(PAGE + 29, 1), PVCLOCK_TSC_STABLE);
    assert_int_equal(guest_clock(PAGE, 995000), vclock_tsc_to_ns(&vclk, 1000000));
}

static void test_vkvmclock_move_does_not_step(void **state) {
    (void)state;
    static struct vkvmclock target;
    start(2399998321, 2);
    enable(0, PAGE);
    enable(1, PAGE + 64);
    assert_int_equal(vkvmclock_write_msr(&k, 0, MSR_KVM_WALL_CLOCK, 0x7000), OK);
    uint64_t tsc = 86400ull * 2399998321;
    uint64_t before = guest_clock(PAGE, tsc);
    vkvmclock_init(&target, 2, &vclk, &mem, 0);
    assert_snapshot_round_trip(&k, &target, vkvmclock_snapshot);
    vkvmclock_update(&target, false);
    assert_int_equal(guest_clock(PAGE, tsc), before);
    assert_int_equal(get(PAGE, 4), 4); /* the version goes on counting */
    assert_int_equal(get(PAGE + 29, 1), PVCLOCK_TSC_STABLE);
    vkvmclock_update(&target, true);
    assert_int_equal(get(PAGE + 29, 1), PVCLOCK_TSC_STABLE | PVCLOCK_GUEST_STOPPED);
    vkvmclock_update(&target, false);
    assert_int_equal(get(PAGE + 29, 1), PVCLOCK_TSC_STABLE); /* told once */
    assert_int_equal(target.wall_base_ns, WALL_BASE);
}

static void test_vkvmclock_refuses_hostile_images(void **state) {
    (void)state;
    uint8_t image[1024];
    struct snap s;
    size_t used;
    start(2000000000, 2);
    snap_begin_save(&s, image, sizeof(image));
    vkvmclock_snapshot(&k, &s);
    assert_int_equal(snap_end(&s, &used), OK);
    image[16] = 1; /* an odd version */
    snap_begin_load(&s, image, used);
    vkvmclock_snapshot(&k, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
    image[16] = 0;
    image[20] = 3; /* another number of vCPUs */
    snap_begin_load(&s, image, used);
    vkvmclock_snapshot(&k, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
    image[20] = 2;
    memset(image + 24, 0xfd, 8); /* enabled at an address that is not RAM */
    snap_begin_load(&s, image, used);
    vkvmclock_snapshot(&k, &s);
    assert_int_equal(snap_end(&s, NULL), OK);
    vkvmclock_update(&k, true);
    for (size_t i = 0; i < sizeof(chunk0); i++)
        assert_int_equal(chunk0[i], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vkvmclock_equals_vclock),
        cmocka_unit_test(test_vkvmclock_scale_uses_all_bits),
        cmocka_unit_test(test_vkvmclock_registration),
        cmocka_unit_test(test_vkvmclock_refuses_bad_addresses),
        cmocka_unit_test(test_vkvmclock_wall_clock),
        cmocka_unit_test(test_vkvmclock_adjusted_tsc),
        cmocka_unit_test(test_vkvmclock_move_does_not_step),
        cmocka_unit_test(test_vkvmclock_refuses_hostile_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
