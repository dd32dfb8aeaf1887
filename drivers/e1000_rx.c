/* SPDX-License-Identifier: MIT */
#include "drivers/e1000_rx.h"

#include "kernel/io.h"

#define BARRIER() __asm__ volatile("" : : : "memory")

static void desc_fill(struct e1000_rx *rx, unsigned at, struct nic_buf *buf) {
    rx->owner[at] = buf;
    /* All of it: Bochs ORs into the status and leaves errors as they were. */
    rx->desc[at] = (struct e1000_rx_desc){.addr = buf->pa};
}

void e1000_rx_init(struct e1000_rx *rx, volatile void *regs, void *desc, hpa_t desc_pa,
                   uint8_t *(*chunk)(void *ctx, unsigned i, hpa_t *pa), void *ctx) {
    rx->regs = regs;
    rx->desc = desc;
    rx->next = 0;
    rx->nr_spare = 0;
    for (unsigned i = 0; i < E1000_RX_BUFS; i++) {
        struct nic_buf *buf = &rx->buf[i];
        buf->index = i;
        buf->len = 0;
        buf->data = chunk(ctx, i, &buf->pa);
        if (i < E1000_RX_DESCS)
            desc_fill(rx, i, buf);
        else
            rx->spare[rx->nr_spare++] = buf;
    }
    BARRIER();
    mmio_write32(regs, E1000_RDBAL, (uint32_t)desc_pa);
    mmio_write32(regs, E1000_RDBAH, (uint32_t)(desc_pa >> 32));
    mmio_write32(regs, E1000_RDLEN, E1000_RX_DESCS * sizeof(struct e1000_rx_desc));
    mmio_write32(regs, E1000_RDH, 0);
    /* One short of the head: a tail equal to the head would mean an empty ring (or, on Bochs, a full one). */
    mmio_write32(regs, E1000_RDT, E1000_RX_DESCS - 1);
}

static uint8_t desc_status(const struct e1000_rx_desc *desc) {
    return *(const volatile uint8_t *)&desc->status;
}

bool e1000_rx_waiting(const struct e1000_rx *rx) {
    return desc_status(&rx->desc[rx->next]) & E1000_RXD_STAT_DD;
}

/* Returns true when the receiver keeps the buffer. */
static bool deliver(struct nic *nic, const struct e1000_rx_desc *desc, struct nic_buf *buf) {
    if ((desc->status & E1000_RXD_STAT_EOP) == 0 || (desc->errors & E1000_RXD_ERR_FRAME) != 0 ||
        desc->length < NIC_HEADER_BYTES || desc->length > NIC_RX_BUF_BYTES) {
        nic->stats.rx_errors++;
        return false;
    }
    buf->len = desc->length;
    nic->stats.rx_frames++;
    nic->stats.rx_bytes += buf->len;
    return nic->rx != NULL && nic->rx(nic->ctx, buf);
}

unsigned e1000_rx_poll(struct e1000_rx *rx, struct nic *nic, unsigned budget) {
    unsigned done = 0;
    while (done < budget && e1000_rx_waiting(rx)) {
        BARRIER();
        struct nic_buf *buf = rx->owner[rx->next];
        nic->rx_spare = rx->nr_spare;
        bool may_keep = rx->nr_spare > 0;
        if (deliver(nic, &rx->desc[rx->next], buf) && may_keep)
            buf = rx->spare[--rx->nr_spare];
        desc_fill(rx, rx->next, buf);
        rx->next = (rx->next + 1) % E1000_RX_DESCS;
        done++;
    }
    nic->rx_spare = rx->nr_spare;
    if (done != 0) {
        BARRIER();
        mmio_write32(rx->regs, E1000_RDT, (rx->next + E1000_RX_DESCS - 1) % E1000_RX_DESCS);
    }
    return done;
}

void e1000_rx_release(struct e1000_rx *rx, struct nic *nic, struct nic_buf *buf) {
    rx->spare[rx->nr_spare++] = buf;
    nic->rx_spare = rx->nr_spare;
}
