/* SPDX-License-Identifier: MIT */
/* test_bus.c - who answers at a port or an address, and what nobody answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/bus.h"

struct device {
    uint64_t last_addr, last_value;
    unsigned last_size, reads, writes;
};

static uint32_t dev_in(void *dev, uint16_t port, unsigned size) {
    struct device *d = dev;
    d->last_addr = port, d->last_size = size, d->reads++;
    return 0x89abcdef;
}

static void dev_out(void *dev, uint16_t port, unsigned size, uint32_t value) {
    struct device *d = dev;
    d->last_addr = port, d->last_size = size, d->last_value = value, d->writes++;
}

static uint64_t dev_read(void *dev, gpa_t addr, unsigned size) {
    struct device *d = dev;
    d->last_addr = addr, d->last_size = size, d->reads++;
    return 0x0123456789abcdef;
}

static void dev_write(void *dev, gpa_t addr, unsigned size, uint64_t value) {
    struct device *d = dev;
    d->last_addr = addr, d->last_size = size, d->last_value = value, d->writes++;
}

static uint8_t pio_index[BUS_PIO_PORTS];

static void setup(struct bus *b) {
    memset(pio_index, 0, sizeof pio_index);
    bus_init(b, pio_index);
}

static result_t add_pio(struct bus *b, struct device *d, uint16_t first, uint16_t last) {
    return bus_add_pio(b, &(struct pio_handler){first, last, dev_in, dev_out, d, "test"});
}

static result_t add_mmio(struct bus *b, struct device *d, gpa_t start, gpa_t end) {
    return bus_add_mmio(b, &(struct mmio_handler){start, end, dev_read, dev_write, d, "test"});
}

static void test_bus_nobody_reads_ones(void **state) {
    (void)state;
    struct bus b;
    setup(&b);
    assert_int_equal(bus_pio_read(&b, 0x80, 1), 0xff);
    assert_int_equal(bus_pio_read(&b, 0x80, 2), 0xffff);
    assert_int_equal(bus_pio_read(&b, 0xffff, 4), 0xffffffff);
    bus_pio_write(&b, 0x80, 1, 0x55);
    assert_true(bus_mmio_read(&b, 0xfee00000, 4) == 0xffffffff);
    assert_true(bus_mmio_read(&b, UINT64_MAX, 8) == UINT64_MAX);
    bus_mmio_write(&b, 0, 8, 1);
}

static void test_bus_pio_reaches_exactly_its_range(void **state) {
    (void)state;
    struct bus b;
    struct device d = {0};
    setup(&b);
    assert_int_equal(add_pio(&b, &d, 0x60, 0x64), OK);
    for (uint32_t port = 0; port < BUS_PIO_PORTS; port++) {
        unsigned before = d.reads;
        (void)bus_pio_read(&b, (uint16_t)port, 1);
        assert_int_equal(d.reads - before, port >= 0x60 && port <= 0x64 ? 1 : 0);
    }
    bus_pio_write(&b, 0x64, 1, 0xfe);
    assert_int_equal(d.last_addr, 0x64);
    assert_int_equal(d.last_value, 0xfe);
    assert_int_equal(d.writes, 1);
}

static void test_bus_masks_values_to_the_access(void **state) {
    (void)state;
    struct bus b;
    struct device d = {0};
    setup(&b);
    assert_int_equal(add_pio(&b, &d, 0, 0xffff), OK);
    assert_int_equal(add_mmio(&b, &d, 0, UINT64_MAX), OK);
    assert_int_equal(bus_pio_read(&b, 0xffff, 1), 0xef);
    assert_int_equal(bus_pio_read(&b, 0, 2), 0xcdef);
    assert_int_equal(bus_pio_read(&b, 0, 4), 0x89abcdef);
    bus_pio_write(&b, 0, 2, 0x12345678);
    assert_int_equal(d.last_value, 0x5678);
    assert_int_equal(d.last_size, 2);
    assert_true(bus_mmio_read(&b, 8, 1) == 0xef);
    assert_true(bus_mmio_read(&b, 8, 4) == 0x89abcdef);
    assert_true(bus_mmio_read(&b, 8, 8) == 0x0123456789abcdef);
    bus_mmio_write(&b, 8, 4, UINT64_MAX);
    assert_true(d.last_value == UINT32_MAX);
    bus_mmio_write(&b, 8, 8, UINT64_MAX);
    assert_true(d.last_value == UINT64_MAX);
}

static void test_bus_missing_half_of_a_handler(void **state) {
    (void)state;
    struct bus b;
    setup(&b);
    assert_int_equal(bus_add_pio(&b, &(struct pio_handler){.first = 1, .last = 1}), OK);
    assert_int_equal(bus_add_mmio(&b, &(struct mmio_handler){.start = 0, .end = 1}), OK);
    assert_int_equal(bus_pio_read(&b, 1, 1), 0xff);
    bus_pio_write(&b, 1, 1, 0);
    assert_true(bus_mmio_read(&b, 0, 2) == 0xffff);
    bus_mmio_write(&b, 0, 2, 0);
}

static void test_bus_overlaps_are_refused_and_change_nothing(void **state) {
    (void)state;
    struct bus b;
    struct device one = {0}, two = {0};
    setup(&b);
    assert_int_equal(add_pio(&b, &one, 0x70, 0x71), OK);
    assert_int_equal(add_pio(&b, &two, 0x71, 0x80), ERR_EXIST);
    assert_int_equal(add_pio(&b, &two, 0x60, 0x70), ERR_EXIST);
    assert_int_equal(add_pio(&b, &two, 0x00, 0xff), ERR_EXIST);
    assert_int_equal(add_pio(&b, &two, 0x81, 0x80), ERR_INVAL);
    assert_int_equal(bus_pio_read(&b, 0x72, 1), 0xff);
    assert_int_equal(two.reads, 0);
    assert_int_equal(add_pio(&b, &two, 0x72, 0x80), OK);

    assert_int_equal(add_mmio(&b, &one, 0x1000, 0x2000), OK);
    assert_int_equal(add_mmio(&b, &two, 0x1fff, 0x3000), ERR_EXIST);
    assert_int_equal(add_mmio(&b, &two, 0, 0x1001), ERR_EXIST);
    assert_int_equal(add_mmio(&b, &two, 0, UINT64_MAX), ERR_EXIST);
    assert_int_equal(add_mmio(&b, &two, 0x1800, 0x1801), ERR_EXIST);
    assert_int_equal(add_mmio(&b, &two, 0x5000, 0x5000), ERR_INVAL);
    assert_int_equal(add_mmio(&b, &two, 0x6000, 0x5000), ERR_INVAL);
    assert_int_equal(add_mmio(&b, &two, 0x2000, 0x3000), OK); /* adjacent is no overlap */
    (void)bus_mmio_read(&b, 0x1fff, 1);
    (void)bus_mmio_read(&b, 0x2000, 1);
    (void)bus_mmio_read(&b, 0x3000, 1);
    assert_int_equal(one.reads, 1);
    assert_int_equal(two.reads, 1);
}

static void test_bus_full_tables_refuse(void **state) {
    (void)state;
    struct bus b;
    struct device d = {0}, late = {0};
    setup(&b);
    for (unsigned i = 0; i < BUS_MAX_PIO; i++)
        assert_int_equal(add_pio(&b, &d, (uint16_t)i, (uint16_t)i), OK);
    assert_int_equal(add_pio(&b, &late, 0x1000, 0x1000), ERR_FULL);
    assert_int_equal(bus_pio_read(&b, 0x1000, 1), 0xff);
    for (unsigned i = 0; i < BUS_MAX_MMIO; i++)
        assert_int_equal(add_mmio(&b, &d, i * 16, i * 16 + 16), OK);
    assert_int_equal(add_mmio(&b, &late, 0x100000, 0x100010), ERR_FULL);
    assert_int_equal(late.reads, 0);
    for (unsigned i = 0; i < BUS_MAX_PIO; i++)
        (void)bus_pio_read(&b, (uint16_t)i, 1);
    assert_int_equal(d.reads, BUS_MAX_PIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bus_nobody_reads_ones),
        cmocka_unit_test(test_bus_pio_reaches_exactly_its_range),
        cmocka_unit_test(test_bus_masks_values_to_the_access),
        cmocka_unit_test(test_bus_missing_half_of_a_handler),
        cmocka_unit_test(test_bus_overlaps_are_refused_and_change_nothing),
        cmocka_unit_test(test_bus_full_tables_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
