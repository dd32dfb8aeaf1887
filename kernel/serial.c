/* SPDX-License-Identifier: MIT */
/* Source: PC16550D data sheet (National Semiconductor), 8 "Registers". */
#include "kernel/serial.h"

#include "kernel/io.h"
#include "kernel/time.h"

enum { REG_DATA = 0, REG_IER = 1, REG_FCR = 2, REG_LCR = 3, REG_MCR = 4, REG_LSR = 5, REG_SCR = 7 };
enum { LSR_DR = 1, LSR_THRE = 0x20, LCR_8N1 = 3, LCR_DLAB = 0x80, FCR_ENABLE_CLEAR = 7, MCR_DTR_RTS_OUT2 = 0x0b };

#define FIFO_BYTES 16
#define BYTE_NS 86806ull /* 10 bits at 115200 baud */
#define TX_RING (64u * 1024) /* power of two */
#define RX_RING 1024u

static struct {
    uint16_t port;
    bool present;
    uint32_t tx_head, tx_tail; /* free-running; tail is drained */
    uint32_t rx_head, rx_tail;
    uint64_t dropped;
    char tx[TX_RING];
    char rx[RX_RING];
} uart;

void serial_init(uint16_t port) {
    uart.port = port;
    io_out8((uint16_t)(port + REG_SCR), 0x5a);
    uart.present = io_in8((uint16_t)(port + REG_SCR)) == 0x5a;
    if (!uart.present)
        return;
    io_out8((uint16_t)(port + REG_IER), 0);
    io_out8((uint16_t)(port + REG_LCR), LCR_DLAB);
    io_out8((uint16_t)(port + REG_DATA), 1);
    io_out8((uint16_t)(port + REG_IER), 0);
    io_out8((uint16_t)(port + REG_LCR), LCR_8N1);
    io_out8((uint16_t)(port + REG_FCR), FCR_ENABLE_CLEAR);
    io_out8((uint16_t)(port + REG_MCR), MCR_DTR_RTS_OUT2);
}

size_t serial_space(void) {
    return TX_RING - (uart.tx_head - uart.tx_tail);
}

size_t serial_write(const char *data, size_t len) {
    size_t n = MIN(len, serial_space());
    for (size_t i = 0; i < n; i++)
        uart.tx[uart.tx_head++ % TX_RING] = data[i];
    uart.dropped += len - n;
    return n;
}

static uint8_t line_status(void) {
    return io_in8((uint16_t)(uart.port + REG_LSR));
}

static bool drain(void) {
    if (uart.tx_head == uart.tx_tail || (line_status() & LSR_THRE) == 0)
        return false;
    for (unsigned i = 0; i < FIFO_BYTES && uart.tx_tail != uart.tx_head; i++)
        io_out8((uint16_t)(uart.port + REG_DATA), (uint8_t)uart.tx[uart.tx_tail++ % TX_RING]);
    return true;
}

bool serial_poll(void) {
    if (!uart.present) {
        uart.tx_tail = uart.tx_head;
        return false;
    }
    bool moved = drain();
    for (unsigned i = 0; i < FIFO_BYTES && (line_status() & LSR_DR) != 0; i++) {
        char c = (char)io_in8((uint16_t)(uart.port + REG_DATA));
        if (uart.rx_head - uart.rx_tail < RX_RING)
            uart.rx[uart.rx_head++ % RX_RING] = c;
        moved = true;
    }
    return moved;
}

size_t serial_read(char *buf, size_t cap) {
    size_t n = 0;
    while (n < cap && uart.rx_tail != uart.rx_head)
        buf[n++] = uart.rx[uart.rx_tail++ % RX_RING];
    return n;
}

uint64_t serial_next_ns(void) {
    if (!uart.present || uart.tx_head == uart.tx_tail)
        return UINT64_MAX;
    return time_now_ns() + FIFO_BYTES * BYTE_NS;
}

void serial_flush_sync(void) {
    while (uart.present && uart.tx_head != uart.tx_tail)
        drain();
}

void serial_write_sync(const char *data, size_t len) {
    serial_flush_sync();
    for (size_t i = 0; uart.present && i < len; i++) {
        while ((line_status() & LSR_THRE) == 0)
            cpu_pause();
        io_out8((uint16_t)(uart.port + REG_DATA), (uint8_t)data[i]);
    }
}
