/* SPDX-License-Identifier: MIT */
/* e1000_rx.h - the receive ring of an 8254x: descriptors, a pool of buffers larger than the ring, and who
 * owns which. A received buffer goes to the receiver, who may keep it; its descriptor then gets a spare one,
 * so the ring is always full. Pure: registers and memory are given; a test passes plain memory. */
#ifndef DRIVERS_E1000_RX_H
#define DRIVERS_E1000_RX_H

#include "drivers/nic.h"
#include "kernel/hw/e1000_regs.h"

#define E1000_RX_DESCS 1024u /* more than a receive window of full frames: a busy CPU loses none of them */
#define E1000_RX_BUFS 2048u  /* 4 MiB: the ring, and as many that the receiver may keep */

struct e1000_rx {
    volatile void *regs;
    struct e1000_rx_desc *desc; /* E1000_RX_DESCS, 16-aligned, physically contiguous */
    unsigned next;              /* descriptor that the card fills next */
    unsigned nr_spare;
    struct nic_buf *spare[E1000_RX_BUFS];
    struct nic_buf *owner[E1000_RX_DESCS]; /* buffer behind each descriptor */
    struct nic_buf buf[E1000_RX_BUFS];
};

/* e1000_rx_init - chunk(ctx, i) returns the address of buffer i (NIC_RX_BUF_BYTES, physically contiguous).
 * desc_pa: physical address of desc. Programs base, length, head and tail; the receiver itself is still off.
 */
void e1000_rx_init(struct e1000_rx *rx, volatile void *regs, void *desc, hpa_t desc_pa,
                   uint8_t *(*chunk)(void *ctx, unsigned i, hpa_t *pa), void *ctx);
/* e1000_rx_poll - deliver up to budget frames through nic->rx and write the tail once. Returns how many came.
 */
unsigned e1000_rx_poll(struct e1000_rx *rx, struct nic *nic, unsigned budget);
void e1000_rx_release(struct e1000_rx *rx, struct nic *nic, struct nic_buf *buf);
/* e1000_rx_waiting - is a frame there? */
bool e1000_rx_waiting(const struct e1000_rx *rx);

#endif
