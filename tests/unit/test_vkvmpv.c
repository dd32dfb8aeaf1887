/* SPDX-License-Identifier: MIT */
/* test_vkvmpv.c - stolen time, EOI by a bit in memory and wake-ups, as a guest sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/vkvmpv.h"
#include "kernel/hw/msr_regs.h"

#define STEAL_AT 0x1040u
#define EOI_AT 0x2004u

static struct gmem mem;
static uint8_t *chunk;
static struct vkvmpv p;

static int setup(void **state) {
    (void)state;
    chunk = aligned_alloc(PAGE_SIZE, LARGE_SIZE);
    memset(chunk, 0, LARGE_SIZE);
    assert_int_equal(gmem_init(&mem, LARGE_SIZE, &chunk), OK);
    vkvmpv_init(&p, &mem);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(chunk);
    return 0;
}

static uint64_t steal_seen(void) {
    uint64_t ns;
    memcpy(&ns, chunk + STEAL_AT, sizeof ns);
    assert_int_equal(chunk[STEAL_AT + 8] % 2, 0);
    return ns;
}

static void test_vkvmpv_steal_time(void **state) {
    (void)state;
    vkvmpv_add_steal(&p, 70000); /* before the guest asks */
    assert_int_equal(vkvmpv_write_msr(&p, MSR_KVM_STEAL_TIME, STEAL_AT | 1), OK);
    assert_int_equal(steal_seen(), 70000);
    vkvmpv_add_steal(&p, VKVMPV_STEAL_STEP_NS - 1); /* too little to dirty a page for */
    assert_int_equal(steal_seen(), 70000);
    vkvmpv_add_steal(&p, 1);
    assert_int_equal(steal_seen(), 70000 + VKVMPV_STEAL_STEP_NS);
    assert_int_equal(chunk[STEAL_AT + 8], 4); /* two complete versions */
    assert_int_equal(vkvmpv_write_msr(&p, MSR_KVM_STEAL_TIME, 0), OK);
    vkvmpv_add_steal(&p, 1000000);
    assert_int_equal(steal_seen(), 70000 + VKVMPV_STEAL_STEP_NS);
}

static void test_vkvmpv_refuses_bad_addresses(void **state) {
    (void)state;
    uint64_t value = 7;
    const uint64_t bad_steal[] = {STEAL_AT | 3, STEAL_AT | 0x21, LARGE_SIZE | 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(bad_steal); i++)
        assert_int_equal(vkvmpv_write_msr(&p, MSR_KVM_STEAL_TIME, bad_steal[i]), ERR_RANGE);
    assert_int_equal(vkvmpv_write_msr(&p, MSR_KVM_PV_EOI_EN, EOI_AT | 3), ERR_RANGE);
    assert_int_equal(vkvmpv_write_msr(&p, MSR_KVM_PV_EOI_EN, LARGE_SIZE | 1), ERR_RANGE);
    assert_int_equal(vkvmpv_write_msr(&p, MSR_KVM_SYSTEM_TIME, 1), ERR_NOENT);
    assert_int_equal(vkvmpv_read_msr(&p, MSR_KVM_PV_EOI_EN, &value), OK);
    assert_int_equal(value, 0);
}

static void test_vkvmpv_eoi(void **state) {
    (void)state;
    vkvmpv_offer_eoi(&p); /* not asked for */
    assert_false(vkvmpv_has_offer(&p));
    chunk[EOI_AT] = 0xf0; /* other bits are the guest's */
    assert_int_equal(vkvmpv_write_msr(&p, MSR_KVM_PV_EOI_EN, EOI_AT | 1), OK);
    vkvmpv_offer_eoi(&p);
    assert_int_equal(chunk[EOI_AT], 0xf1);
    assert_false(vkvmpv_take_eoi(&p)); /* the guest has not come to its EOI: it writes the register then */
    assert_int_equal(chunk[EOI_AT], 0xf0);
    assert_false(vkvmpv_take_eoi(&p));
    vkvmpv_offer_eoi(&p);
    chunk[EOI_AT] = 0xf0; /* the guest's EOI */
    assert_true(vkvmpv_take_eoi(&p));
    assert_false(vkvmpv_take_eoi(&p)); /* once */
}

static void test_vkvmpv_kick(void **state) {
    (void)state;
    assert_false(vkvmpv_take_kick(&p));
    vkvmpv_kick(&p);
    vkvmpv_kick(&p);
    assert_true(vkvmpv_take_kick(&p));
    assert_false(vkvmpv_take_kick(&p));
}

static void test_vkvmpv_snapshot(void **state) {
    (void)state;
    uint8_t first[64], second[64];
    size_t n = 0, m = 0;
    struct snap s;
    struct vkvmpv copy;
    assert_int_equal(vkvmpv_write_msr(&p, MSR_KVM_STEAL_TIME, STEAL_AT | 1), OK);
    assert_int_equal(vkvmpv_write_msr(&p, MSR_KVM_PV_EOI_EN, EOI_AT | 1), OK);
    vkvmpv_add_steal(&p, 123456);
    vkvmpv_kick(&p);
    snap_begin_save(&s, first, sizeof first);
    vkvmpv_snapshot(&p, &s);
    assert_int_equal(snap_end(&s, &n), OK);
    vkvmpv_init(&copy, &mem);
    snap_begin_load(&s, first, n);
    vkvmpv_snapshot(&copy, &s);
    assert_int_equal(snap_end(&s, NULL), OK);
    snap_begin_save(&s, second, sizeof second);
    vkvmpv_snapshot(&copy, &s);
    assert_int_equal(snap_end(&s, &m), OK);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    assert_true(vkvmpv_take_kick(&copy));
    first[0] = 0x02; /* a reserved bit of the address */
    snap_begin_load(&s, first, n);
    vkvmpv_snapshot(&copy, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_vkvmpv_steal_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vkvmpv_refuses_bad_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vkvmpv_eoi, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vkvmpv_kick, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vkvmpv_snapshot, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
