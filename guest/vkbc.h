/* SPDX-License-Identifier: MIT */
/* vkbc.h - the guest's keyboard controller (ports 0x60 and 0x64) with nothing plugged in.
 * - vkbc_init, vkbc_attach: after reset, self test passed; claim the ports.   - vkbc_snapshot: the field
 * list. It exists for what PC software expects of it: probes that end, the A20 gate and the CPU reset. It
 * raises no interrupt. Whatever is sent to a keyboard or mouse is answered with RESEND and the timeout
 * status.
 * Source: IBM Personal System/2 Hardware Interface Technical Reference.
 * Context: the CPU that runs the VM. */
#ifndef GUEST_VKBC_H
#define GUEST_VKBC_H

#include "guest/bus.h"
#include "guest/snapshot.h"
#include "guest/vpm.h"

struct vkbc {
    struct power_ops ops;
    uint8_t config;
    uint8_t output_port;
    uint8_t command; /* a command that waits for its data octet, or 0 */
    uint8_t data;    /* the output buffer */
    uint8_t status;  /* the STATUS bits that vary: OBF, COMMAND, AUX, TIMEOUT */
};

void vkbc_init(struct vkbc *k, struct power_ops ops);
result_t vkbc_attach(struct vkbc *k, struct bus *bus) MUST_CHECK;
void vkbc_snapshot(struct vkbc *k, struct snap *s);

#endif
