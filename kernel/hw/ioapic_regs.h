/* SPDX-License-Identifier: MIT */
/* ioapic_regs.h - the 82093AA I/O APIC.
 * Source: Intel "82093AA I/O Advanced Programmable Interrupt Controller (IOAPIC)" data sheet 290566-001;
 * EOI register: 82801 (ICH) data sheets, I/O APIC version 0x20. */
#ifndef KERNEL_HW_IOAPIC_REGS_H
#define KERNEL_HW_IOAPIC_REGS_H

#include "kernel/types.h"

#define IOAPIC_DEFAULT_BASE 0xfec00000ull
#define IOAPIC_PAGE_SIZE 0x1000u
#define IOAPIC_NR_PINS 24u

/* Direct registers. */
#define IOAPIC_INDEX 0x00u
#define IOAPIC_DATA 0x10u
#define IOAPIC_EOI 0x40u /* version 0x20 and later */

/* Indexed registers. */
#define IOAPIC_REG_ID 0x00u
#define IOAPIC_ID_SHIFT 24u
#define IOAPIC_ID_MASK 0x0f000000u
#define IOAPIC_REG_VERSION 0x01u
#define IOAPIC_VERSION_MAX_ENTRY_SHIFT 16u
#define IOAPIC_REG_ARBITRATION 0x02u
#define IOAPIC_REG_REDIRECTION 0x10u /* low word of pin n at 0x10 + 2 n, high word after it */

/* Redirection table entry. Delivery modes: LAPIC_MODE_* in lapic_regs.h. */
#define IOAPIC_RTE_VECTOR_MASK 0xffull
#define IOAPIC_RTE_MODE_SHIFT 8u
#define IOAPIC_RTE_MODE_MASK 0x700ull
#define IOAPIC_RTE_LOGICAL BIT(11)
#define IOAPIC_RTE_PENDING BIT(12) /* delivery status, read-only */
#define IOAPIC_RTE_ACTIVE_LOW BIT(13)
#define IOAPIC_RTE_REMOTE_IRR BIT(14) /* read-only */
#define IOAPIC_RTE_LEVEL BIT(15)
#define IOAPIC_RTE_MASKED BIT(16)
#define IOAPIC_RTE_DEST_SHIFT 56u

#endif
