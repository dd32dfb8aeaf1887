/* SPDX-License-Identifier: MIT */
/* acpi.h - what the hypervisor needs of the firmware's ACPI tables: PM timer, reset register, soft-off, CPUs.
 * - acpi_init: walk XSDT/RSDT; tables with bad checksums or lengths are ignored with a log line.
 * Source: ACPI Specification 6.5, 5.2 "ACPI System Description Tables", 4.8.3 "Fixed Hardware". */
#ifndef KERNEL_ACPI_H
#define KERNEL_ACPI_H

#include "kernel/types.h"

#define ACPI_MAX_IOAPICS 16
#define ACPI_MAX_CPUS 256

struct acpi_info {
    bool found;
    uint16_t pm_timer_port; /* 0: none in I/O space */
    bool pm_timer_32bit;
    uint16_t pm1a_cnt_port, pm1b_cnt_port;
    uint16_t reset_port; /* 0: no reset register in I/O space */
    uint8_t reset_value;
    uint32_t ioapic[ACPI_MAX_IOAPICS]; /* register addresses from the MADT */
    unsigned nr_ioapics;
    unsigned nr_cpus;    /* enabled local APICs in the MADT, at most ACPI_MAX_CPUS */
    unsigned nr_cpus_beyond; /* and those that did not fit */
    uint32_t apic_id[ACPI_MAX_CPUS];
};

void acpi_init(hpa_t rsdp, hpa_t direct_map_end);
const struct acpi_info *acpi_get(void);
void acpi_reset(void);    /* returns when there is no reset register or it did nothing */
void acpi_power_off(void); /* S5 by the usual SLP_TYP values; returns when it did nothing */

#endif
