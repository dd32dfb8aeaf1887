/* SPDX-License-Identifier: MIT */
#include "drivers/e1000_tx.h"

#include "kernel/io.h"

#define BARRIER() __asm__ volatile("" : : : "memory")
#define FLUSH_AT 64u /* descriptors queued before the card is told without being asked */
#define IPV4_CSUM_OFFSET 10u

void e1000_tx_init(struct e1000_tx *tx, volatile void *regs, void *desc, hpa_t desc_pa) {
    tx->regs = regs;
    tx->desc = desc;
    tx->next = tx->clean = tx->tail = 0;
    tx->context = 0;
    mmio_write32(regs, E1000_TDBAL, (uint32_t)desc_pa);
    mmio_write32(regs, E1000_TDBAH, (uint32_t)(desc_pa >> 32));
    mmio_write32(regs, E1000_TDLEN, E1000_TX_DESCS * sizeof(struct e1000_tx_desc));
    mmio_write32(regs, E1000_TDH, 0);
    mmio_write32(regs, E1000_TDT, 0);
}

void e1000_tx_flush(struct e1000_tx *tx) {
    if (tx->tail == tx->next)
        return;
    tx->tail = tx->next;
    BARRIER();
    mmio_write32(tx->regs, E1000_TDT, tx->next);
}

static unsigned free_descs(const struct e1000_tx *tx) {
    return (tx->clean + E1000_TX_DESCS - tx->next - 1) % E1000_TX_DESCS;
}

unsigned e1000_tx_reap(struct e1000_tx *tx, struct nic *nic) {
    unsigned done = 0;
    while (tx->clean != tx->next) {
        struct e1000_tx_slot slot = tx->slot[tx->clean];
        if ((*(const volatile uint8_t *)&tx->desc[slot.last].status & E1000_TXD_STAT_DD) == 0)
            break;
        BARRIER();
        tx->clean = (slot.last + 1u) % E1000_TX_DESCS;
        done++;
        if (nic->tx_done != NULL)
            nic->tx_done(nic->ctx, slot.cookie);
    }
    return done;
}

static struct e1000_tx_desc *take_desc(struct e1000_tx *tx) {
    struct e1000_tx_desc *desc = &tx->desc[tx->next];
    tx->next = (tx->next + 1) % E1000_TX_DESCS;
    return desc;
}

static uint64_t context_key(const struct nic_frame *frame) {
    return (uint64_t)frame->csum_start << 16 | frame->csum_offset | BIT(63);
}

static bool needs_context(const struct e1000_tx *tx, const struct nic_frame *frame) {
    if (frame->flags & NIC_TX_TSO4)
        return true;
    return (frame->flags & NIC_TX_CSUM) && tx->context != context_key(frame);
}

/* Section 3.3.6 "TCP/IP Context Descriptor Format": where the checksums go, and for TSO how to cut. */
static void put_context(struct e1000_tx *tx, const struct nic_frame *frame, uint32_t total) {
    struct e1000_tx_desc d = {
        .tucss = (uint8_t)frame->csum_start,
        .tucso = (uint8_t)(frame->csum_start + frame->csum_offset),
        .cmd = E1000_TXD_DTYP_CONTEXT | E1000_TXD_CMD_DEXT | E1000_TXD_CMD_TCP,
    };
    if (frame->flags & NIC_TX_TSO4) {
        d.ipcss = (uint8_t)frame->l3_start;
        d.ipcso = (uint8_t)(frame->l3_start + IPV4_CSUM_OFFSET);
        d.ipcse = (uint16_t)(frame->csum_start - 1);
        d.cmd |= E1000_TXD_CMD_TSE | E1000_TXD_CMD_IP | (total - frame->header_len);
        d.popts = (uint8_t)frame->header_len;
        d.mss = frame->mss;
    }
    *take_desc(tx) = d;
    /* Some models keep one context for both kinds, so a TSO frame makes the next checksum frame set its own.
     */
    tx->context = frame->flags & NIC_TX_TSO4 ? 0 : context_key(frame);
}

static void put_data(struct e1000_tx *tx, const struct nic_frame *frame) {
    uint32_t cmd = E1000_TXD_DTYP_DATA | E1000_TXD_CMD_DEXT | E1000_TXD_CMD_IFCS;
    uint8_t popts = 0;
    if (frame->flags & NIC_TX_CSUM)
        popts = E1000_TXD_POPTS_TXSM;
    if (frame->flags & NIC_TX_TSO4) {
        popts |= E1000_TXD_POPTS_IXSM;
        cmd |= E1000_TXD_CMD_TSE;
    }
    for (unsigned i = 0; i < frame->nr_segs; i++) {
        bool last = i + 1 == frame->nr_segs;
        *take_desc(tx) = (struct e1000_tx_desc){
            .addr = frame->segs[i].addr,
            .cmd = cmd | frame->segs[i].len | (last ? E1000_TXD_CMD_EOP | E1000_TXD_CMD_RS : 0),
            .popts = popts,
        };
    }
}

static result_t check_frame(const struct nic_frame *frame, uint32_t *total) {
    uint32_t sum = 0;
    if (frame->nr_segs == 0 || frame->nr_segs > NIC_MAX_SEGS)
        return fail(ERR_INVAL);
    for (unsigned i = 0; i < frame->nr_segs; i++) {
        if (frame->segs[i].len == 0 || frame->segs[i].len > NIC_MAX_TSO_BYTES)
            return fail(ERR_INVAL);
        sum += frame->segs[i].len;
    }
    if (sum > NIC_MAX_TSO_BYTES ||
        ((frame->flags & NIC_TX_TSO4) && (frame->mss == 0 || sum <= frame->header_len)))
        return fail(ERR_INVAL);
    *total = sum;
    return OK;
}

result_t e1000_tx_send(struct e1000_tx *tx, struct nic *nic, const struct nic_frame *frame) {
    uint32_t total = 0;
    result_t r = check_frame(frame, &total);
    if (r != OK)
        return r;
    unsigned need = frame->nr_segs + 1; /* one for a context */
    if (free_descs(tx) < need) {
        e1000_tx_flush(tx);
        e1000_tx_reap(tx, nic);
        if (free_descs(tx) < need) {
            nic->stats.tx_full++;
            return fail(ERR_FULL);
        }
    }
    unsigned first = tx->next;
    if (needs_context(tx, frame))
        put_context(tx, frame, total);
    put_data(tx, frame);
    tx->slot[first] =
        (struct e1000_tx_slot){frame->cookie, (uint16_t)((tx->next + E1000_TX_DESCS - 1) % E1000_TX_DESCS)};
    nic->stats.tx_frames++;
    nic->stats.tx_bytes += total;
    if ((tx->next + E1000_TX_DESCS - tx->tail) % E1000_TX_DESCS >= FLUSH_AT)
        e1000_tx_flush(tx);
    return OK;
}
