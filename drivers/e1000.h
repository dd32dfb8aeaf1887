/* SPDX-License-Identifier: MIT */
/* e1000.h - driver for Intel 8254x and 82574L cards through the legacy interface: no interrupts unless armed,
 * one ring each way, checksum insertion and TSO on transmit. */
#ifndef DRIVERS_E1000_H
#define DRIVERS_E1000_H

#include "drivers/nic.h"
#include "drivers/pci.h"

bool e1000_supports(const struct pci_dev *dev);
/* e1000_open - map, reset and start the card. Errors: ERR_NOMEM, ERR_IO (no MAC address, no register window).
 */
result_t e1000_open(const struct pci_dev *dev, struct nic **out, struct reason *why) MUST_CHECK;

#endif
