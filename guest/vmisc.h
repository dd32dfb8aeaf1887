/* SPDX-License-Identifier: MIT */
/* vmisc.h - the small parts of a PC that software touches: keyboard controller, PCI configuration, VGA
 * cursor.
 * - vmisc_init, vmisc_attach: after reset; claim the ports.   - vmisc_snapshot: the field list.
 * Nobody answers, which is right, at: 0x80 and 0xed (delays), 0xf0 and 0xf1 (x87 error), COM2 to COM4, LPT.
 * The VGA cursor ports 0x3d4 and 0x3d5 are 32 octets of memory: some kernels write them without a look and
 * read them back. There is no VGA.
 * Context: the CPU that runs the VM. */
#ifndef GUEST_VMISC_H
#define GUEST_VMISC_H

#include "guest/bus.h"
#include "guest/snapshot.h"
#include "guest/vkbc.h"
#include "guest/vpcihost.h"

#define VMISC_CRTC_REGISTERS 32u

struct vmisc {
    struct vkbc kbc;
    struct vpcihost pci;
    uint8_t crtc_index;
    uint8_t crtc[VMISC_CRTC_REGISTERS];
};

void vmisc_init(struct vmisc *m, struct power_ops ops);
result_t vmisc_attach(struct vmisc *m, struct bus *bus) MUST_CHECK;
void vmisc_snapshot(struct vmisc *m, struct snap *s);

#endif
