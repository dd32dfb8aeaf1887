/* SPDX-License-Identifier: MIT */
/* wire.h - what net/stream.c needs to know about the interface below lwIP; a hosted test has its own.
 * - wire_flush: hand queued frames to the card now.
 * - wire_mark / wire_passed: has the card read every frame that was queued up to a mark? Memory that frames
 * refer to may be given back only then.
 * - wire_segment: the largest TCP payload that the interface takes in one go for packets of mss octets. */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include "kernel/types.h"

void wire_flush(void);
uint64_t wire_mark(void);
bool wire_passed(uint64_t mark);
uint16_t wire_segment(uint16_t mss);

#endif
