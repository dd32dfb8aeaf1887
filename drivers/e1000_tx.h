/* SPDX-License-Identifier: MIT */
/* e1000_tx.h - the transmit ring of an 8254x: data descriptors, context descriptors for checksum insertion
 * and TSO. Pure: registers and memory are given; a test passes plain memory. */
#ifndef DRIVERS_E1000_TX_H
#define DRIVERS_E1000_TX_H

#include "drivers/nic.h"
#include "kernel/hw/e1000_regs.h"

#define E1000_TX_DESCS 512u

struct e1000_tx_slot {
    void *cookie;  /* of the frame that starts here */
    uint16_t last; /* its last descriptor */
};

struct e1000_tx {
    volatile void *regs;
    struct e1000_tx_desc *desc; /* E1000_TX_DESCS, 16-aligned, physically contiguous */
    unsigned next;              /* first descriptor not used yet */
    unsigned clean;             /* oldest descriptor not reaped yet */
    unsigned tail;              /* what TDT holds */
    uint64_t context;           /* checksum offsets in force; 0 none */
    struct e1000_tx_slot slot[E1000_TX_DESCS];
};

void e1000_tx_init(struct e1000_tx *tx, volatile void *regs, void *desc, hpa_t desc_pa);
/* e1000_tx_send, e1000_tx_flush: see nic_send and nic_flush. */
result_t e1000_tx_send(struct e1000_tx *tx, struct nic *nic, const struct nic_frame *frame) MUST_CHECK;
void e1000_tx_flush(struct e1000_tx *tx);
/* e1000_tx_reap - report finished frames through nic->tx_done; returns how many. */
unsigned e1000_tx_reap(struct e1000_tx *tx, struct nic *nic);

#endif
