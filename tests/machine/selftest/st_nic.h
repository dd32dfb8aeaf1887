/* SPDX-License-Identifier: MIT */
/* The least of an 82540EM driver: one card, receive and transmit rings, polling. */
#ifndef SELFTEST_NIC_H
#define SELFTEST_NIC_H

#include "kernel/types.h"

#define NIC_MAC_BYTES 6u
#define NIC_FRAME_MAX 1514u

/* nic_init - find and set up the card, promiscuous. Returns false when there is none. */
bool nic_init(void);

const uint8_t *nic_mac(void);

/* nic_transmit - send one frame. Returns false when the ring is full. */
bool nic_transmit(const void *frame, size_t len);

/* nic_receive - next received frame. Returns its length, 0: there is none. `frame` holds NIC_FRAME_MAX. */
size_t nic_receive(void *frame);

#endif
