/* SPDX-License-Identifier: MIT */
/* vuart.h - a guest serial port: 16550A with FIFOs, connected to a terminal that is always ready.
 * - vuart_init, vuart_attach: after reset; claim eight ports from `base`.
 * - vuart_receive: octets typed to the guest.   - vuart_drain: octets the guest wrote.
 * - vuart_snapshot: the field list; output that was not drained travels too.
 * There is no baud rate: a written octet has left at once, so THRE and TEMT are always set, and a waiting
 * octet below the trigger level is reported as a character timeout at once. No timers. Reception errors
 * other than loopback overrun do not exist. If nobody drains, the oldest output is dropped and counted.
 * Source: National Semiconductor PC16550D data sheet, "Registers" and "Interrupt Control Functions".
 * Context: the CPU that runs the VM. */
#ifndef GUEST_VUART_H
#define GUEST_VUART_H

#include "guest/bus.h"
#include "guest/irq_line.h"
#include "guest/snapshot.h"

#define VUART_RX_BYTES 256u          /* power of two */
#define VUART_TX_BYTES (32u * 1024u) /* power of two */

struct vuart {
    struct irq_line irq;
    uint16_t base;
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
    uint8_t lsr_errors;  /* sticky until LSR is read */
    uint8_t msr_deltas;  /* sticky until MSR is read */
    bool thr_pending;    /* the transmitter-empty interrupt waits to be seen */
    uint32_t rx_head, rx_len;
    uint32_t tx_head, tx_len;
    uint64_t tx_dropped; /* octets lost because nobody drained */
    uint8_t rx[VUART_RX_BYTES];
    uint8_t tx[VUART_TX_BYTES];
};

void vuart_init(struct vuart *u, uint16_t base, struct irq_line irq);
result_t vuart_attach(struct vuart *u, struct bus *bus) MUST_CHECK;
/* vuart_receive - returns how many octets were taken; the rest must be offered again later. */
size_t vuart_receive(struct vuart *u, const void *buf, size_t len);
/* vuart_drain - moves up to cap octets of output to buf; returns how many. */
size_t vuart_drain(struct vuart *u, void *buf, size_t cap);
void vuart_snapshot(struct vuart *u, struct snap *s);

#endif
