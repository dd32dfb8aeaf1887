/* SPDX-License-Identifier: MIT */
/* test_vclock.c - TSC to nanoseconds and back: monotonic, exact by definition, never endless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest/vclock.h"

static const uint64_t frequencies[] = {
    1000000,    1193182,    3579545,    24000000,   999999937,  1000000000,
    1000000001, 2592000000, 2999999999, 3000000000, 5700000000, 16000000000,
};

static uint64_t now;
static uint64_t read_now(const struct vclock *c) {
    return now + c->tsc_offset;
}

/* A small reproducible generator: xorshift64. */
static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void test_vclock_reads_through_the_callback(void **state) {
    (void)state;
    struct vclock c;
    vclock_init(&c, NSEC_PER_SEC, read_now);
    now = 123456789;
    assert_true(vclock_tsc(&c) == 123456789);
    assert_true(vclock_ns(&c) == 123456789);
    c.tsc_offset = 1000;
    assert_true(vclock_ns(&c) == 123457789);
}

/* A second of the guest's TSC is a second to one part in 2^22 even at the slowest and fastest clock. */
static void test_vclock_frequency_is_kept(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(frequencies); i++) {
        struct vclock c;
        vclock_init(&c, frequencies[i], read_now);
        uint64_t day = vclock_tsc_to_ns(&c, frequencies[i] * 86400);
        uint64_t exact = 86400 * NSEC_PER_SEC;
        assert_true(day <= exact);
        assert_true(exact - day < exact >> 22);
    }
}

/* Without wrapping, unlike vclock_tsc_to_ns after 2^64 ns. */
static unsigned __int128 exact_ns(const struct vclock *c, uint64_t tsc) {
    return (unsigned __int128)tsc * c->ns_mul >> 32;
}

/* The contract: the first TSC value whose nanoseconds reach ns. */
static void check_first(const struct vclock *c, uint64_t ns) {
    uint64_t tsc = vclock_ns_to_tsc(c, ns);
    if (tsc == VCLOCK_NEVER) { /* only when no TSC value reaches it */
        assert_true(exact_ns(c, VCLOCK_NEVER - 1) < ns);
        return;
    }
    assert_true(exact_ns(c, tsc) >= ns);
    assert_true(tsc == 0 || exact_ns(c, tsc - 1) < ns);
}

static void test_vclock_ns_to_tsc_is_the_first_that_reaches(void **state) {
    (void)state;
    uint64_t seed = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < ARRAY_LEN(frequencies); i++) {
        struct vclock c;
        vclock_init(&c, frequencies[i], read_now);
        for (uint64_t ns = 0; ns < 3000; ns++)
            check_first(&c, ns);
        for (unsigned n = 0; n < 3000; n++)
            check_first(&c, next_random(&seed) >> (n % 40 + 4));
        check_first(&c, NSEC_PER_SEC - 1);
        check_first(&c, NSEC_PER_SEC);
        check_first(&c, NSEC_PER_SEC + 1);
    }
}

/* A guest that sets its TSC near the end of its range must not hang the hypervisor. */
static void test_vclock_far_times_end(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(frequencies); i++) {
        struct vclock c;
        vclock_init(&c, frequencies[i], read_now);
        unsigned __int128 last = exact_ns(&c, VCLOCK_NEVER - 1);
        if (last < VCLOCK_NEVER - 1) {
            check_first(&c, (uint64_t)last - 1);
            check_first(&c, (uint64_t)last);
            assert_true(vclock_ns_to_tsc(&c, (uint64_t)last + 1) == VCLOCK_NEVER);
        }
        for (unsigned shift = 0; shift < 8; shift++)
            check_first(&c, (VCLOCK_NEVER - 1) >> shift);
    }
}

static void test_vclock_never_stays_never(void **state) {
    (void)state;
    struct vclock c;
    vclock_init(&c, 3000000000, read_now);
    assert_true(vclock_ns_to_tsc(&c, VCLOCK_NEVER) == VCLOCK_NEVER);
}

static void test_vclock_is_monotonic(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(frequencies); i++) {
        struct vclock c;
        vclock_init(&c, frequencies[i], read_now);
        uint64_t before = 0;
        for (uint64_t tsc = 0; tsc < 100000; tsc += 7) {
            uint64_t ns = vclock_tsc_to_ns(&c, tsc);
            assert_true(ns >= before);
            before = ns;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vclock_reads_through_the_callback),
        cmocka_unit_test(test_vclock_frequency_is_kept),
        cmocka_unit_test(test_vclock_ns_to_tsc_is_the_first_that_reaches),
        cmocka_unit_test(test_vclock_far_times_end),
        cmocka_unit_test(test_vclock_never_stays_never),
        cmocka_unit_test(test_vclock_is_monotonic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
