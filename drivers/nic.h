/* SPDX-License-Identifier: MIT */
/* nic.h - what every network card driver offers: frames out, frames in, polled.
 * - nic_send: queue one frame made of physical segments; nic_flush: hand the queued ones to the card (one
 * register write).
 * - nic_poll: reap sent frames (tx_done callback) and deliver received ones (rx callback).
 * - nic_release: give back a receive buffer that the rx callback kept.
 * - nic_arm: let the card interrupt when a frame comes, before HLT; nic_disarm: quiet again.
 * - nic_open: bring up the nth supported card (drivers/nic.c lists the drivers).
 * Context: CPU 0's loop. The callbacks run inside nic_poll (tx_done also inside nic_send, when the queue was
 * full). */
#ifndef DRIVERS_NIC_H
#define DRIVERS_NIC_H

#include "kernel/result.h"

#define NIC_MAC_LEN 6u
#define NIC_MAX_SEGS 16u
#define NIC_RX_BUF_BYTES 2048u
#define NIC_HEADER_BYTES 14u
#define NIC_MAX_TSO_BYTES 16384u /* payload and headers of one frame that the card cuts up */

struct nic;

enum nic_feature {
    NIC_CAN_CSUM = 1, /* one TCP checksum per frame */
    NIC_CAN_TSO4 = 2, /* cut a long TCP/IPv4 frame into packets */
};

struct nic_seg {
    hpa_t addr;
    uint32_t len; /* octets, not 0 */
};

enum nic_tx_flag {
    NIC_TX_CSUM = 1, /* sum from csum_start to the end, store at csum_start + csum_offset; seeded with the
                        pseudo header */
    NIC_TX_TSO4 = 2, /* with NIC_TX_CSUM: IPv4 length and checksum fields 0, seed without length */
};

struct nic_frame {
    const struct nic_seg *segs;
    unsigned nr_segs; /* 1 to NIC_MAX_SEGS */
    unsigned flags;   /* enum nic_tx_flag */
    uint16_t l3_start, csum_start, csum_offset;
    uint16_t header_len; /* NIC_TX_TSO4: all headers, repeated per packet, within the first segment */
    uint16_t mss;        /* NIC_TX_TSO4: payload octets per packet */
    void *cookie;        /* handed to tx_done once the card is done with the segments */
};

struct nic_buf {
    uint8_t *data;
    hpa_t pa;
    uint32_t len;   /* without FCS */
    uint32_t index; /* 0 .. nic->nr_rx_bufs - 1, stays with the buffer */
};

struct nic_stats {
    uint64_t rx_frames, rx_bytes, rx_errors, rx_overruns;
    uint64_t tx_frames, tx_bytes, tx_full;
};

struct nic_link {
    bool up, full_duplex;
    unsigned mbits;
};

struct nic_ops {
    result_t (*send)(struct nic *nic, const struct nic_frame *frame);
    void (*flush)(struct nic *nic);
    unsigned (*poll)(struct nic *nic, unsigned budget);
    void (*release)(struct nic *nic, struct nic_buf *buf);
    struct nic_link (*link)(struct nic *nic);
    void (*promiscuous)(struct nic *nic, bool on);
    void (*set_mac)(struct nic *nic, const uint8_t *mac);
    bool (*arm)(struct nic *nic);
    void (*disarm)(struct nic *nic);
    void (*stop)(struct nic *nic);
};

struct nic {
    const struct nic_ops *ops;
    const char *driver;
    char where[8]; /* "00:02.0" */
    uint8_t mac[NIC_MAC_LEN];
    uint16_t mtu;
    unsigned features; /* enum nic_feature */
    unsigned nr_rx_bufs;
    unsigned rx_spare; /* buffers that may be kept right now; the rings never starve for them */
    uint8_t irq_line;  /* PIC/IOAPIC input as the firmware routed it; 0xff none */
    struct nic_stats stats;
    /* rx: returns true to keep buf until nic_release; only allowed while rx_spare > 0. */
    bool (*rx)(void *ctx, struct nic_buf *buf);
    void (*tx_done)(void *ctx, void *cookie);
    void *ctx;
};

/* nic_open - find the nth supported card (from 0, in PCI order), reset it and start both rings. pci_scan came
 * before. Errors: ERR_NODEV (why lists what was found), ERR_NOMEM, ERR_IO. */
result_t nic_open(unsigned nth, struct nic **out, struct reason *why) MUST_CHECK;

/* nic_send - queue a frame; segments stay untouched until tx_done(cookie). Errors: ERR_FULL (nothing was
 * queued), ERR_INVAL (segment count). The card sees it at the next nic_flush, or earlier. */
static inline result_t MUST_CHECK nic_send(struct nic *nic, const struct nic_frame *frame) {
    return nic->ops->send(nic, frame);
}

static inline void nic_flush(struct nic *nic) {
    nic->ops->flush(nic);
}

/* nic_poll - at most `budget` received frames; returns how many frames came in or were reaped. */
static inline unsigned nic_poll(struct nic *nic, unsigned budget) {
    return nic->ops->poll(nic, budget);
}

static inline void nic_release(struct nic *nic, struct nic_buf *buf) {
    nic->ops->release(nic, buf);
}

static inline struct nic_link nic_link(struct nic *nic) {
    return nic->ops->link(nic);
}

/* nic_promiscuous - also deliver frames for other stations' addresses (guests behind this card). */
static inline void nic_promiscuous(struct nic *nic, bool on) {
    nic->ops->promiscuous(nic, on);
}

/* nic_set_mac - receive on another station address than the EEPROM's. */
static inline void nic_set_mac(struct nic *nic, const uint8_t *mac) {
    nic->ops->set_mac(nic, mac);
}

/* nic_arm - interrupt on the next frame. Returns false when one is waiting already: poll instead of halting.
 */
static inline bool nic_arm(struct nic *nic) {
    return nic->ops->arm(nic);
}

/* nic_disarm - acknowledge and mask; from the interrupt handler or after HLT. */
static inline void nic_disarm(struct nic *nic) {
    nic->ops->disarm(nic);
}

/* nic_stop - no more DMA, before a reboot. */
static inline void nic_stop(struct nic *nic) {
    nic->ops->stop(nic);
}

#endif
