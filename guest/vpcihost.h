/* SPDX-License-Identifier: MIT */
/* vpcihost.h - the guest's PCI bus 0: configuration mechanism 1 (ports 0xcf8, 0xcfc) and the host bridge in
 * slot 0.
 * - vpcihost_init, vpcihost_attach: a bus with the bridge only; claim the ports.
 * - vpcihost_add: put a device into a slot (before the guest runs).   - vpcihost_snapshot: the field list.
 * One function per slot. Absent functions and other buses read as all ones. Port 0xcf9 is vpm's: the address
 * register answers to aligned 32-bit accesses only.
 * Interrupt pins are routed as guest/vacpi.h, vacpi_pci_gsi, says.
 * Source: PCI Local Bus Specification 3.0, section 3.2.2.3.2 "Software Generation of Configuration
 * Transactions".
 * Context: the CPU that runs the VM. */
#ifndef GUEST_VPCIHOST_H
#define GUEST_VPCIHOST_H

#include "guest/bus.h"
#include "guest/snapshot.h"

#define VPCIHOST_SLOTS 32u

/* A device's configuration space. offset: 0 .. 255, never crossing a multiple of 4; size: 1, 2 or 4. */
struct vpci_function {
    uint32_t (*read)(void *dev, unsigned offset, unsigned size);
    void (*write)(void *dev, unsigned offset, unsigned size, uint32_t value);
    void *dev;
};

struct vpcihost {
    uint32_t address; /* the configuration address register */
    struct vpci_function slot[VPCIHOST_SLOTS];
};

void vpcihost_init(struct vpcihost *h);
result_t vpcihost_attach(struct vpcihost *h, struct bus *bus) MUST_CHECK;
/* vpcihost_add - slot: 1 .. 31. fn: copied. Errors: ERR_RANGE, ERR_EXIST. */
result_t vpcihost_add(struct vpcihost *h, unsigned slot, const struct vpci_function *fn) MUST_CHECK;
void vpcihost_snapshot(struct vpcihost *h, struct snap *s);

#endif
