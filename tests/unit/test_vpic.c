/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/vpic.h"

struct bench {
    struct vpic pic;
    struct bus bus;
    uint8_t *index;
    bool out;
    unsigned rises;
};

static void on_out(void *ctx, bool level) {
    struct bench *b = ctx;
    b->out = level;
    b->rises += level;
}

static void out(struct bench *b, uint16_t port, uint8_t value) {
    bus_pio_write(&b->bus, port, 1, value);
}

static uint8_t in(struct bench *b, uint16_t port) {
    return (uint8_t)bus_pio_read(&b->bus, port, 1);
}

/* The initialisation of every PC kernel: vectors 0x30 and 0x38, all unmasked. */
static void program(struct bench *b, uint8_t icw4) {
    out(b, I8259_MASTER_COMMAND, 0x11);
    out(b, I8259_MASTER_DATA, 0x30);
    out(b, I8259_MASTER_DATA, 0x04);
    out(b, I8259_MASTER_DATA, icw4);
    out(b, I8259_SLAVE_COMMAND, 0x11);
    out(b, I8259_SLAVE_DATA, 0x38);
    out(b, I8259_SLAVE_DATA, 0x02);
    out(b, I8259_SLAVE_DATA, icw4);
    out(b, I8259_MASTER_DATA, 0);
    out(b, I8259_SLAVE_DATA, 0);
}

static int setup(void **state) {
    struct bench *b = calloc(1, sizeof *b);
    b->index = calloc(1, BUS_PIO_PORTS);
    bus_init(&b->bus, b->index);
    vpic_init(&b->pic, (struct irq_line){on_out, b});
    assert_int_equal(vpic_attach(&b->pic, &b->bus), OK);
    program(b, 0x01);
    *state = b;
    return 0;
}

static int teardown(void **state) {
    struct bench *b = *state;
    free(b->index);
    free(b);
    return 0;
}

static void pulse(struct bench *b, unsigned irq) {
    vpic_set_irq(&b->pic, irq, true);
    vpic_set_irq(&b->pic, irq, false);
}

static void eoi(struct bench *b, uint8_t vector) {
    if (vector >= 0x38)
        out(b, I8259_SLAVE_COMMAND, 0x20);
    out(b, I8259_MASTER_COMMAND, 0x20);
}

static void test_vpic_priorities(void **state) {
    struct bench *b = *state;
    pulse(b, 4);
    pulse(b, 1);
    assert_true(b->out);
    assert_int_equal(vpic_peek(&b->pic), 0x31);
    assert_int_equal(vpic_ack(&b->pic), 0x31);
    assert_false(b->out); /* 4 waits below 1 */
    pulse(b, 0);
    assert_int_equal(vpic_ack(&b->pic), 0x30); /* nested above 1 */
    eoi(b, 0x30);
    assert_false(b->out);
    eoi(b, 0x31);
    assert_true(b->out);
    assert_int_equal(vpic_ack(&b->pic), 0x34);
    eoi(b, 0x34);
    assert_false(b->out);
}

static void test_vpic_cascade(void **state) {
    struct bench *b = *state;
    pulse(b, 8);
    pulse(b, 14);
    assert_int_equal(vpic_ack(&b->pic), 0x38);
    out(b, I8259_SLAVE_COMMAND, 0x0b);
    assert_int_equal(in(b, I8259_SLAVE_COMMAND), 0x01); /* ISR */
    out(b, I8259_MASTER_COMMAND, 0x0b);
    assert_int_equal(in(b, I8259_MASTER_COMMAND), 0x04);
    eoi(b, 0x38);
    assert_int_equal(vpic_ack(&b->pic), 0x3e);
    eoi(b, 0x3e);
    assert_false(b->out);
    pulse(b, 2); /* no such pin */
    assert_false(b->out);
}

static void test_vpic_mask_holds_request(void **state) {
    struct bench *b = *state;
    out(b, I8259_MASTER_DATA, 0x10);
    assert_int_equal(in(b, I8259_MASTER_DATA), 0x10);
    pulse(b, 4);
    assert_false(b->out);
    out(b, I8259_MASTER_COMMAND, 0x0a);
    assert_int_equal(in(b, I8259_MASTER_COMMAND), 0x10); /* IRR */
    out(b, I8259_MASTER_DATA, 0);
    assert_int_equal(vpic_ack(&b->pic), 0x34);
}

static void test_vpic_level(void **state) {
    struct bench *b = *state;
    out(b, I8259_ELCR_MASTER, 0xff);
    out(b, I8259_ELCR_SLAVE, 0xff);
    assert_int_equal(in(b, I8259_ELCR_MASTER), 0xf8);
    assert_int_equal(in(b, I8259_ELCR_SLAVE), 0xde);
    vpic_set_irq(&b->pic, 11, true);
    assert_int_equal(vpic_ack(&b->pic), 0x3b);
    eoi(b, 0x3b);
    assert_true(b->out); /* the wire is still high */
    assert_int_equal(vpic_ack(&b->pic), 0x3b);
    vpic_set_irq(&b->pic, 11, false);
    eoi(b, 0x3b);
    assert_false(b->out);
}

static void test_vpic_edge_fires_once(void **state) {
    struct bench *b = *state;
    vpic_set_irq(&b->pic, 4, true);
    assert_int_equal(vpic_ack(&b->pic), 0x34);
    eoi(b, 0x34);
    assert_false(b->out);
    vpic_set_irq(&b->pic, 4, true);
    assert_false(b->out);
    vpic_set_irq(&b->pic, 4, false);
    vpic_set_irq(&b->pic, 4, true);
    assert_true(b->out);
}

static void test_vpic_spurious(void **state) {
    struct bench *b = *state;
    out(b, I8259_ELCR_MASTER, 0x20);
    vpic_set_irq(&b->pic, 5, true);
    vpic_set_irq(&b->pic, 5, false);
    assert_int_equal(vpic_ack(&b->pic), 0x37);
    out(b, I8259_MASTER_COMMAND, 0x0b);
    assert_int_equal(in(b, I8259_MASTER_COMMAND), 0); /* no ISR bit */
}

static void test_vpic_auto_eoi_and_rotation(void **state) {
    struct bench *b = *state;
    program(b, 0x03); /* AEOI */
    pulse(b, 3);
    assert_int_equal(vpic_ack(&b->pic), 0x33);
    pulse(b, 6);
    assert_int_equal(vpic_ack(&b->pic), 0x36); /* 3 is not in service */
    out(b, I8259_MASTER_COMMAND, 0x80);        /* rotate in AEOI mode */
    pulse(b, 3);
    assert_int_equal(vpic_ack(&b->pic), 0x33); /* now 3 is lowest */
    pulse(b, 3);
    pulse(b, 6);
    assert_int_equal(vpic_ack(&b->pic), 0x36);
}

static void test_vpic_rotation_commands(void **state) {
    struct bench *b = *state;
    out(b, I8259_MASTER_COMMAND, 0xc4); /* set priority: 4 lowest, 5 highest */
    pulse(b, 0);
    pulse(b, 5);
    assert_int_equal(vpic_ack(&b->pic), 0x35);
    out(b, I8259_MASTER_COMMAND, 0xa0); /* rotate on non-specific EOI: 5 becomes lowest */
    assert_int_equal(vpic_ack(&b->pic), 0x30);
    out(b, I8259_MASTER_COMMAND, 0x60); /* specific EOI of 0 */
    pulse(b, 5);
    pulse(b, 6);
    assert_int_equal(vpic_ack(&b->pic), 0x36);
    out(b, I8259_MASTER_COMMAND, 0xe6); /* specific EOI of 6 and rotate: 7 highest */
    assert_int_equal(vpic_ack(&b->pic), 0x35);
}

static void test_vpic_special_mask(void **state) {
    struct bench *b = *state;
    pulse(b, 1);
    assert_int_equal(vpic_ack(&b->pic), 0x31);
    pulse(b, 4);
    assert_false(b->out);
    out(b, I8259_MASTER_DATA, 0x02);
    assert_false(b->out); /* masking an interrupt in service alone frees nothing */
    out(b, I8259_MASTER_COMMAND, 0x68);
    assert_true(b->out);
    assert_int_equal(vpic_ack(&b->pic), 0x34);
}

static void test_vpic_poll(void **state) {
    struct bench *b = *state;
    out(b, I8259_MASTER_COMMAND, 0x0c);
    assert_int_equal(in(b, I8259_MASTER_COMMAND), 0);
    pulse(b, 4);
    out(b, I8259_MASTER_COMMAND, 0x0c);
    assert_int_equal(in(b, I8259_MASTER_COMMAND), 0x84);
    assert_false(b->out); /* the poll acknowledged it */
    out(b, I8259_MASTER_COMMAND, 0x0b);
    assert_int_equal(in(b, I8259_MASTER_COMMAND), 0x10);
}

static void test_vpic_nested_cascade(void **state) {
    struct bench *b = *state;
    program(b, 0x11); /* special fully nested */
    pulse(b, 12);
    assert_int_equal(vpic_ack(&b->pic), 0x3c);
    pulse(b, 9);
    assert_int_equal(vpic_ack(&b->pic), 0x39); /* in plain mode the master would hold it back */
}

static void test_vpic_init_clears_edges(void **state) {
    struct bench *b = *state;
    vpic_set_irq(&b->pic, 4, true);
    program(b, 0x01);
    assert_false(b->out);
    vpic_set_irq(&b->pic, 4, false);
    vpic_set_irq(&b->pic, 4, true);
    assert_true(b->out);
}

static void test_vpic_ack_makes_an_edge(void **state) {
    struct bench *b = *state;
    pulse(b, 3);
    pulse(b, 4);
    unsigned before = b->rises;
    program(b, 0x03);
    pulse(b, 3);
    pulse(b, 4);
    before = b->rises;
    vpic_ack(&b->pic);
    assert_int_equal(b->rises, before + 1); /* AEOI: 4 asks at once, with a new edge */
}

static void test_vpic_snapshot(void **state) {
    struct bench *b = *state;
    uint8_t first[256], second[256];
    size_t n = 0, m = 0, used = 0;
    struct snap s;
    struct vpic other;
    out(b, I8259_ELCR_SLAVE, 0x08);
    pulse(b, 1);
    vpic_ack(&b->pic);
    vpic_set_irq(&b->pic, 11, true);
    out(b, I8259_SLAVE_COMMAND, 0x11); /* in the middle of an initialisation */
    out(b, I8259_SLAVE_DATA, 0x50);
    snap_begin_save(&s, first, sizeof first);
    vpic_snapshot(&b->pic, &s);
    assert_int_equal(snap_end(&s, &n), OK);
    vpic_init(&other, (struct irq_line){NULL, NULL});
    snap_begin_load(&s, first, n);
    vpic_snapshot(&other, &s);
    assert_int_equal(snap_end(&s, &used), OK);
    snap_begin_save(&s, second, sizeof second);
    vpic_snapshot(&other, &s);
    assert_int_equal(snap_end(&s, &m), OK);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    snap_begin_load(&s, first, n - 1);
    vpic_snapshot(&other, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_vpic_priorities), T(test_vpic_cascade), T(test_vpic_mask_holds_request), T(test_vpic_level),
        T(test_vpic_edge_fires_once), T(test_vpic_spurious), T(test_vpic_auto_eoi_and_rotation),
        T(test_vpic_rotation_commands), T(test_vpic_special_mask), T(test_vpic_poll),
        T(test_vpic_nested_cascade), T(test_vpic_init_clears_edges), T(test_vpic_ack_makes_an_edge),
        T(test_vpic_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
