/* SPDX-License-Identifier: MIT */
#include "drivers/nic.h"

#include "drivers/e1000.h"
#include "drivers/pci.h"
#include "kernel/hw/pci_regs.h"

struct driver {
    bool (*supports)(const struct pci_dev *dev);
    result_t (*open)(const struct pci_dev *dev, struct nic **out, struct reason *why);
};

static const struct driver drivers[] = {
    {e1000_supports, e1000_open},
};

static const struct driver *driver_for(const struct pci_dev *dev) {
    for (unsigned i = 0; i < ARRAY_LEN(drivers); i++) {
        if (drivers[i].supports(dev))
            return &drivers[i];
    }
    return NULL;
}

result_t nic_open(unsigned nth, struct nic **out, struct reason *why) {
    const struct pci_dev *dev, *other = NULL;
    unsigned found = 0;
    for (unsigned i = 0; (dev = pci_get(i)) != NULL; i++) {
        const struct driver *driver = driver_for(dev);
        if (driver == NULL) {
            if (dev->class_code == PCI_CLASS_NETWORK)
                other = dev;
        } else if (found++ == nth) {
            return driver->open(dev, out, why);
        }
    }
    if (found == 0 && other != NULL)
        return reason_set(
            why, ERR_NODEV,
            "no driver for network card %04x:%04x at %02x:%02x.%u; supported: Intel 8254x, 82574L",
            other->vendor, other->device, other->bus, other->slot, other->func);
    if (found == 0)
        return reason_set(why, ERR_NODEV, "no network card found; supported: Intel 8254x, 82574L");
    return reason_set(why, ERR_NODEV, "network card %u asked for, but there are %u; set [net] nic", nth,
                      found);
}
