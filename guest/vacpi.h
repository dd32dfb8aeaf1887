/* SPDX-License-Identifier: MIT */
/* vacpi.h - the ACPI tables of a guest, written once into its memory below 1 MiB before it starts.
 * - vacpi_build: RSDP, RSDT, XSDT, FADT (revision 6), FACS, MADT, DSDT.
 * - vacpi_pci_gsi: how the DSDT routes a PCI slot's interrupt pins.
 *      VACPI_START  RSDP            found by a scan on 16-octet boundaries, or through boot_params / PVH
 *      + 0x40       FACS            64-octet aligned, the guest writes its global lock
 *      + 0x80 ..    DSDT FADT MADT RSDT XSDT, each 16-octet aligned
 * The tables describe guest/vpm.h, vmisc.h, vpcihost.h, vpit.h, vrtc.h and vuart.h; they are memory, not
 * state. The memory map given to the guest must not offer [VACPI_START, VACPI_END) as free memory.
 * Source: ACPI Specification 6.4, chapter 5 "ACPI Software Programming Model". */
#ifndef GUEST_VACPI_H
#define GUEST_VACPI_H

#include "guest/gmem.h"

#define VACPI_START 0xe0000u
#define VACPI_END 0xf0000u

/* The window that the PCI host bridge passes on: from the end of the lowest RAM hole to the interrupt
 * controllers. */
#define VACPI_PCI_FIRST 0xc0000000u
#define VACPI_PCI_LAST 0xfebfffffu
#define VACPI_IOAPIC_ADDRESS 0xfec00000u
#define VACPI_LAPIC_ADDRESS 0xfee00000u

#define VACPI_MAX_VCPUS 1024u
#define VACPI_GSI_PCI_FIRST 16u
#define VACPI_GSI_PCI_COUNT 8u

struct vacpi_config {
    uint32_t nr_vcpus;       /* 1 .. VACPI_MAX_VCPUS; vCPU i has APIC id i */
    uint8_t ioapic_id;       /* what the IOAPIC's id register reads after reset */
};

/* vacpi_build - write the tables. rsdp: where the RSDP is (VACPI_START).
 * Errors: ERR_INVAL (config), ERR_NOMEM, ERR_RANGE (less than 1 MiB of guest memory); then nothing is
 * written. */
result_t vacpi_build(struct gmem *g, const struct vacpi_config *config, gpa_t *rsdp) MUST_CHECK;

/* vacpi_pci_gsi - the global system interrupt of a pin (0 = INTA) of a slot on bus 0; level, active low. */
static inline uint32_t vacpi_pci_gsi(unsigned slot, unsigned pin) {
    return VACPI_GSI_PCI_FIRST + (slot + pin) % VACPI_GSI_PCI_COUNT;
}

#endif
