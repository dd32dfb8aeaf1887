/* SPDX-License-Identifier: MIT */
/* COM1 by polling: 115200 8N1, FIFO on. */
#include "st_console.h"

#include "kernel/hw/uart16550_regs.h"
#include "kernel/io.h"

#define COM1(reg) ((uint16_t)(UART_PORT_COM1 + (reg)))

static char typed[256];
static size_t nr_typed;

void console_init(void)
{
    io_out8(COM1(UART_IER), 0);
    io_out8(COM1(UART_LCR), UART_LCR_DLAB | UART_LCR_8N1);
    io_out8(COM1(UART_DLL), 1);
    io_out8(COM1(UART_DLM), 0);
    io_out8(COM1(UART_LCR), UART_LCR_8N1);
    io_out8(COM1(UART_FCR), UART_FCR_ENABLE | UART_FCR_CLEAR_RX | UART_FCR_CLEAR_TX);
    io_out8(COM1(UART_MCR), UART_MCR_DTR | UART_MCR_RTS);
}

static void put_char(char c)
{
    while (!(io_in8(COM1(UART_LSR)) & UART_LSR_THRE)) {
    }
    io_out8(COM1(UART_THR), (uint8_t)c);
}

void console_put(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            put_char('\r');
        }
        put_char(*text);
    }
}

void console_put_number(const char *label, uint64_t value)
{
    char digits[24];
    size_t i = sizeof(digits) - 1;

    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    console_put(label);
    console_put(digits + i);
}

bool console_poll(char *line, size_t size)
{
    while (io_in8(COM1(UART_LSR)) & UART_LSR_DR) {
        char c = (char)io_in8(COM1(UART_RBR));

        if (c != '\r' && nr_typed < sizeof(typed) - 1) {
            typed[nr_typed++] = c;
            put_char(c);
        } else if (c == '\r') {
            size_t len = MIN(nr_typed, size - 1);

            __builtin_memcpy(line, typed, len);
            line[len] = '\0';
            nr_typed = 0;
            console_put("\n");
            return true;
        }
    }
    return false;
}
