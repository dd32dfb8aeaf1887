/* SPDX-License-Identifier: MIT */
#include "tests/unit/device_fixture.h"

#include "guest/vuart.h"
#include "kernel/hw/uart16550_regs.h"

#define BASE UART_PORT_COM1

struct uart_test {
    struct fixture f;
    struct vuart uart;
};

static struct uart_test t;

static void out(unsigned reg, uint8_t value) {
    fixture_outb(&t.f, (uint16_t)(BASE + reg), value);
}

static uint8_t in(unsigned reg) {
    return fixture_inb(&t.f, (uint16_t)(BASE + reg));
}

static int setup(void **state) {
    (void)state;
    fixture_init(&t.f);
    vuart_init(&t.uart, BASE, fixture_line(&t.f));
    assert_int_equal(vuart_attach(&t.uart, &t.f.bus), OK);
    return 0;
}

/* What a driver does before it uses interrupts. */
static void open_port(uint8_t fcr, uint8_t ier) {
    out(UART_FCR, fcr);
    out(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
    out(UART_IER, ier);
}

static void test_vuart_reset_state(void **state) {
    (void)state;
    assert_int_equal(in(UART_IER), 0);
    assert_int_equal(in(UART_IIR), UART_IIR_NONE);
    assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
    assert_int_equal(in(UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
    assert_int_equal(in(UART_RBR), 0);
    assert_false(t.f.wire.level);
}

static void test_vuart_divisor_and_scratch(void **state) {
    (void)state;
    out(UART_LCR, UART_LCR_8N1 | UART_LCR_DLAB);
    out(UART_DLL, 0x0c);
    out(UART_DLM, 0x34);
    assert_int_equal(in(UART_DLL), 0x0c);
    assert_int_equal(in(UART_DLM), 0x34);
    out(UART_LCR, UART_LCR_8N1);
    assert_int_equal(in(UART_IER), 0);
    assert_int_equal(vuart_drain(&t.uart, (uint8_t[4]){0}, 4), 0); /* the divisor is not output */
    out(UART_SCR, 0xa5);
    assert_int_equal(in(UART_SCR), 0xa5);
    out(UART_LSR, 0xff);
    out(UART_MSR, 0xff);
    assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}

/* The probe of 8250 drivers: which chip is this? */
static void test_vuart_is_a_16550a(void **state) {
    (void)state;
    out(UART_IER, 0xff); /* upper bits must not stick */
    assert_int_equal(in(UART_IER), UART_IER_MASK);
    out(UART_IER, 0);
    out(UART_FCR, UART_FCR_ENABLE);
    assert_int_equal(in(UART_IIR), UART_IIR_FIFO | UART_IIR_NONE);
    out(UART_FCR, UART_FCR_ENABLE | 0x20); /* a 64-octet FIFO would show in IIR bit 5 */
    assert_int_equal(in(UART_IIR), UART_IIR_FIFO | UART_IIR_NONE);
    out(UART_FCR, 0);
    assert_int_equal(in(UART_IIR), UART_IIR_NONE);
    out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
    assert_int_equal(in(UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
}

/* The start-up test of 8250 drivers: each enabling of THRI must show, also the second one. */
static void test_vuart_thri_after_enable(void **state) {
    (void)state;
    open_port(UART_FCR_ENABLE, 0);
    for (unsigned i = 0; i < 2; i++) {
        out(UART_IER, UART_IER_THRI);
        assert_true(t.f.wire.level);
        assert_int_equal(in(UART_IIR), UART_IIR_FIFO | UART_IIR_THRI);
        assert_false(t.f.wire.level); /* reading it took it away */
        assert_int_equal(in(UART_IIR), UART_IIR_FIFO | UART_IIR_NONE);
        out(UART_IER, 0);
    }
    assert_int_equal(t.f.wire.rises, 2);
}

static void test_vuart_thri_after_write(void **state) {
    (void)state;
    open_port(UART_FCR_ENABLE, UART_IER_THRI);
    (void)in(UART_IIR);
    unsigned rises = t.f.wire.rises;
    out(UART_THR, 'a'); /* an edge although... */
    assert_true(t.f.wire.level);
    assert_int_equal(t.f.wire.rises, rises + 1);
    out(UART_THR, 'b'); /* ...and another although the first was not read */
    assert_int_equal(t.f.wire.rises, rises + 2);
    assert_int_equal(in(UART_IIR) & UART_IIR_ID_MASK, UART_IIR_THRI);
    out(UART_IER, 0);
    assert_false(t.f.wire.level);
}

static void test_vuart_out2_gates_the_line(void **state) {
    (void)state;
    out(UART_IER, UART_IER_THRI);
    assert_false(t.f.wire.level);
    out(UART_MCR, UART_MCR_OUT2);
    assert_true(t.f.wire.level);
    out(UART_MCR, UART_MCR_OUT2 | UART_MCR_LOOP);
    assert_false(t.f.wire.level);
}

static void test_vuart_receive_trigger_and_timeout(void **state) {
    (void)state;
    open_port(UART_FCR_ENABLE | 3 << UART_FCR_TRIGGER_SHIFT, UART_IER_RDI);
    assert_false(t.f.wire.level);
    assert_int_equal(vuart_receive(&t.uart, "0123456789abcde", 15), 15);
    assert_true(t.f.wire.level);
    assert_int_equal(in(UART_IIR), UART_IIR_FIFO | UART_IIR_RDI);
    for (unsigned i = 0; i < 15; i++) {
        assert_true(t.f.wire.level);
        assert_int_equal(in(UART_IIR) & UART_IIR_ID_MASK, i < 2 ? UART_IIR_RDI : UART_IIR_TIMEOUT);
        assert_int_equal(in(UART_LSR) & UART_LSR_DR, UART_LSR_DR);
        assert_int_equal(in(UART_RBR), "0123456789abcde"[i]);
    }
    assert_false(t.f.wire.level);
    assert_int_equal(in(UART_LSR) & UART_LSR_DR, 0);
}

static void test_vuart_receive_takes_what_fits(void **state) {
    (void)state;
    uint8_t buf[VUART_RX_BYTES + 10];
    for (size_t i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)i;
    assert_int_equal(vuart_receive(&t.uart, buf, sizeof(buf)), VUART_RX_BYTES);
    assert_int_equal(vuart_receive(&t.uart, buf, 1), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(in(UART_RBR), i);
    assert_int_equal(vuart_receive(&t.uart, buf + VUART_RX_BYTES, 10), 5);
    for (unsigned i = 5; i < VUART_RX_BYTES + 5; i++)
        assert_int_equal(in(UART_RBR), i & 0xff);
    vuart_receive(&t.uart, buf, 3);
    out(UART_FCR, UART_FCR_ENABLE); /* switching the FIFOs clears them */
    assert_int_equal(in(UART_LSR) & UART_LSR_DR, 0);
    vuart_receive(&t.uart, buf, 3);
    out(UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_RX);
    assert_int_equal(in(UART_LSR) & UART_LSR_DR, 0);
}

static void test_vuart_interrupt_priorities(void **state) {
    (void)state;
    open_port(UART_FCR_ENABLE, 0);
    out(UART_MCR, UART_MCR_LOOP);
    for (unsigned i = 0; i <= UART_FIFO_BYTES; i++)
        out(UART_THR, (uint8_t)i); /* one too many: overrun */
    out(UART_IER, UART_IER_MASK);
    assert_int_equal(in(UART_IIR) & UART_IIR_ID_MASK, UART_IIR_RLSI);
    assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT | UART_LSR_OE | UART_LSR_DR);
    assert_int_equal(in(UART_IIR) & UART_IIR_ID_MASK, UART_IIR_RDI);
    for (unsigned i = 0; i < UART_FIFO_BYTES; i++)
        assert_int_equal(in(UART_RBR), i);
    assert_int_equal(in(UART_IIR) & UART_IIR_ID_MASK, UART_IIR_THRI);
    assert_int_equal(in(UART_IIR) & UART_IIR_ID_MASK, UART_IIR_MSI); /* the modem lines fell with loopback */
    assert_int_equal(in(UART_MSR) & UART_MSR_DELTAS, UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
    assert_int_equal(in(UART_IIR) & UART_IIR_ID_MASK, UART_IIR_NONE);
    assert_false(t.f.wire.level); /* loopback keeps OUT2 from the line all the time */
    assert_int_equal(t.f.wire.rises, 0);
}

static void test_vuart_loopback_disconnects(void **state) {
    (void)state;
    uint8_t buf[4];
    out(UART_MCR, UART_MCR_LOOP);
    assert_int_equal(vuart_receive(&t.uart, "x", 1), 0);
    out(UART_THR, 'y');
    assert_int_equal(in(UART_RBR), 'y');
    assert_int_equal(vuart_drain(&t.uart, buf, sizeof(buf)), 0);
    out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
    assert_int_equal(in(UART_MSR) & UART_MSR_RI, UART_MSR_RI);
    assert_int_equal(in(UART_MSR) & UART_MSR_TERI, 0);
    out(UART_MCR, UART_MCR_LOOP);
    assert_int_equal(in(UART_MSR) & UART_MSR_TERI, UART_MSR_TERI);
}

static void test_vuart_output_in_order_and_oldest_dropped(void **state) {
    (void)state;
    static uint8_t buf[2 * VUART_TX_BYTES];
    out(UART_THR, 'h');
    out(UART_THR, 'i');
    assert_int_equal(vuart_drain(&t.uart, buf, 1), 1);
    assert_int_equal(buf[0], 'h');
    assert_int_equal(vuart_drain(&t.uart, buf, sizeof(buf)), 1);
    assert_int_equal(buf[0], 'i');
    for (unsigned i = 0; i < VUART_TX_BYTES + 7; i++)
        out(UART_THR, (uint8_t)(i * 7));
    assert_int_equal(t.uart.tx_dropped, 7);
    assert_int_equal(vuart_drain(&t.uart, buf, sizeof(buf)), VUART_TX_BYTES);
    for (unsigned i = 0; i < VUART_TX_BYTES; i++)
        assert_int_equal(buf[i], (uint8_t)((i + 7) * 7));
}

static void test_vuart_snapshot(void **state) {
    (void)state;
    static struct vuart copy;
    uint8_t a[64], b[64];
    open_port(UART_FCR_ENABLE | 1 << UART_FCR_TRIGGER_SHIFT, UART_IER_RDI | UART_IER_THRI);
    for (unsigned i = 0; i < VUART_TX_BYTES + 100; i++) {
        out(UART_THR, (uint8_t)i); /* the ring wraps */
        if (i % 4096 == 0)
            vuart_drain(&t.uart, a, sizeof(a));
    }
    vuart_receive(&t.uart, "typed ahead", 11);
    assert_int_equal(in(UART_RBR), 't');
    vuart_init(&copy, BASE, fixture_line(&t.f));
    assert_snapshot_round_trip(&t.uart, &copy, vuart_snapshot);
    size_t n;
    do {
        n = vuart_drain(&t.uart, a, sizeof(a));
        assert_int_equal(vuart_drain(&copy, b, sizeof(b)), n);
        assert_memory_equal(a, b, n);
    } while (n > 0);
    bus_init(&t.f.bus, memset(t.f.index, 0, sizeof(t.f.index)));
    assert_int_equal(vuart_attach(&copy, &t.f.bus), OK);
    assert_int_equal(in(UART_IIR), UART_IIR_FIFO | UART_IIR_RDI);
    assert_int_equal(in(UART_RBR), 'y');
}

static void test_vuart_saving_without_room_keeps_the_output(void **state) {
    (void)state;
    uint8_t buf[16];
    struct snap s;
    out(UART_THR, 'k');
    snap_begin_save(&s, buf, sizeof(buf));
    vuart_snapshot(&t.uart, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_FULL);
    assert_int_equal(vuart_drain(&t.uart, buf, sizeof(buf)), 1);
}

static void test_vuart_refuses_hostile_lengths(void **state) {
    (void)state;
    static uint8_t image[VUART_TX_BYTES];
    struct snap s;
    size_t used;
    snap_begin_save(&s, image, sizeof(image));
    vuart_snapshot(&t.uart, &s);
    assert_int_equal(snap_end(&s, &used), OK);
    for (size_t i = 0; i < used; i++) {
        uint8_t keep = image[i];
        image[i] = 0xff;
        snap_begin_load(&s, image, sizeof(image));
        vuart_snapshot(&t.uart, &s);
        assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT); /* too long at least */
        image[i] = keep;
        assert_true(t.uart.rx_len <= VUART_RX_BYTES && t.uart.tx_len <= VUART_TX_BYTES);
        for (unsigned reg = 0; reg < UART_PORTS; reg++)
            (void)in(reg);
        vuart_receive(&t.uart, "abc", 3);
    }
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_vuart_reset_state),
        TEST(test_vuart_divisor_and_scratch),
        TEST(test_vuart_is_a_16550a),
        TEST(test_vuart_thri_after_enable),
        TEST(test_vuart_thri_after_write),
        TEST(test_vuart_out2_gates_the_line),
        TEST(test_vuart_receive_trigger_and_timeout),
        TEST(test_vuart_receive_takes_what_fits),
        TEST(test_vuart_interrupt_priorities),
        TEST(test_vuart_loopback_disconnects),
        TEST(test_vuart_output_in_order_and_oldest_dropped),
        TEST(test_vuart_snapshot),
        TEST(test_vuart_saving_without_room_keeps_the_output),
        TEST(test_vuart_refuses_hostile_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
