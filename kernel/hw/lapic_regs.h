/* SPDX-License-Identifier: MIT */
/* lapic_regs.h - registers of the local APIC (xAPIC page offsets; the x2APIC MSR is 0x800 + offset / 16).
 * Source: SDM Vol. 3 chapter "Advanced Programmable Interrupt Controller (APIC)", tables "Local APIC Register
 * Address Map" and "Local APIC Register Address Map Supported by x2APIC". IA32_APIC_BASE is in msr_regs.h. */
#ifndef KERNEL_HW_LAPIC_REGS_H
#define KERNEL_HW_LAPIC_REGS_H

#include "kernel/types.h"

#define LAPIC_DEFAULT_BASE 0xfee00000ull
#define LAPIC_PAGE_SIZE 0x1000u

#define LAPIC_ID 0x020u
#define LAPIC_ID_SHIFT 24u /* xAPIC only; x2APIC has a 32-bit ID */
#define LAPIC_VERSION 0x030u
#define LAPIC_VERSION_MAX_LVT_SHIFT 16u
#define LAPIC_VERSION_EOI_SUPPRESS BIT(24)
#define LAPIC_TPR 0x080u
#define LAPIC_APR 0x090u
#define LAPIC_PPR 0x0a0u
#define LAPIC_EOI 0x0b0u
#define LAPIC_RRD 0x0c0u
#define LAPIC_LDR 0x0d0u
#define LAPIC_DFR 0x0e0u
#define LAPIC_DFR_FLAT 0xffffffffu
#define LAPIC_DFR_MODEL_SHIFT 28u
#define LAPIC_DFR_MODEL_CLUSTER 0x0u
#define LAPIC_DFR_MODEL_FLAT 0xfu
#define LAPIC_SVR 0x0f0u
#define LAPIC_SVR_VECTOR_MASK 0xffu
#define LAPIC_SVR_ENABLE BIT(8)
#define LAPIC_SVR_FOCUS_OFF BIT(9)
#define LAPIC_SVR_EOI_SUPPRESS BIT(12)
#define LAPIC_ISR 0x100u /* 8 words of 32 vectors, 0x10 apart */
#define LAPIC_TMR 0x180u
#define LAPIC_IRR 0x200u
#define LAPIC_ESR 0x280u
#define LAPIC_ESR_SEND_CHECKSUM BIT(0)
#define LAPIC_ESR_RECV_CHECKSUM BIT(1)
#define LAPIC_ESR_SEND_ACCEPT BIT(2)
#define LAPIC_ESR_RECV_ACCEPT BIT(3)
#define LAPIC_ESR_REDIRECTABLE_IPI BIT(4)
#define LAPIC_ESR_SEND_ILLEGAL BIT(5)
#define LAPIC_ESR_RECV_ILLEGAL BIT(6)
#define LAPIC_ESR_ILLEGAL_REG BIT(7)
#define LAPIC_LVT_CMCI 0x2f0u
#define LAPIC_ICR_LOW 0x300u
#define LAPIC_ICR_HIGH 0x310u
#define LAPIC_LVT_TIMER 0x320u
#define LAPIC_LVT_THERMAL 0x330u
#define LAPIC_LVT_PMI 0x340u
#define LAPIC_LVT_LINT0 0x350u
#define LAPIC_LVT_LINT1 0x360u
#define LAPIC_LVT_ERROR 0x370u
#define LAPIC_TIMER_INIT 0x380u
#define LAPIC_TIMER_CURRENT 0x390u
#define LAPIC_TIMER_DIVIDE 0x3e0u
#define LAPIC_SELF_IPI 0x3f0u /* x2APIC only */

/* Local vector table entries. */
#define LAPIC_LVT_VECTOR_MASK 0xffu
#define LAPIC_LVT_MODE_SHIFT 8u
#define LAPIC_LVT_MODE_MASK 0x700u
#define LAPIC_LVT_PENDING BIT(12)
#define LAPIC_LVT_ACTIVE_LOW BIT(13)
#define LAPIC_LVT_REMOTE_IRR BIT(14)
#define LAPIC_LVT_LEVEL BIT(15)
#define LAPIC_LVT_MASKED BIT(16)
#define LAPIC_LVT_TIMER_MODE_SHIFT 17u
#define LAPIC_LVT_TIMER_MODE_MASK 0x60000u
#define LAPIC_TIMER_ONESHOT 0u
#define LAPIC_TIMER_PERIODIC 1u
#define LAPIC_TIMER_TSC_DEADLINE 2u

/* Timer divide configuration: bits 3,1,0 as a number n give 2^((n + 1) & 7). */
#define LAPIC_TIMER_DIVIDE_MASK 0xbu
#define LAPIC_TIMER_DIVIDE_1 0xbu
#define LAPIC_TIMER_DIVIDE_16 0x3u

/* Delivery modes: ICR, LVT, IOAPIC redirection entries and MSI data share the numbers. */
#define LAPIC_MODE_FIXED 0u
#define LAPIC_MODE_LOWEST 1u
#define LAPIC_MODE_SMI 2u
#define LAPIC_MODE_NMI 4u
#define LAPIC_MODE_INIT 5u
#define LAPIC_MODE_SIPI 6u
#define LAPIC_MODE_EXTINT 7u

/* Interrupt command register, low half. */
#define LAPIC_ICR_VECTOR_MASK 0xffu
#define LAPIC_ICR_MODE_SHIFT 8u
#define LAPIC_ICR_MODE_MASK 0x700u
#define LAPIC_ICR_LOGICAL BIT(11)
#define LAPIC_ICR_PENDING BIT(12) /* delivery status; xAPIC only */
#define LAPIC_ICR_ASSERT BIT(14)
#define LAPIC_ICR_LEVEL BIT(15)
#define LAPIC_ICR_SHORTHAND_SHIFT 18u
#define LAPIC_ICR_SHORTHAND_MASK 0xc0000u
#define LAPIC_SHORTHAND_NONE 0u
#define LAPIC_SHORTHAND_SELF 1u
#define LAPIC_SHORTHAND_ALL 2u
#define LAPIC_SHORTHAND_OTHERS 3u

#define LAPIC_BROADCAST_XAPIC 0xffu
#define LAPIC_BROADCAST_X2APIC 0xffffffffu

/* Message-signalled interrupts, SDM Vol. 3 "Message Signalled Interrupts". */
#define MSI_ADDR_BASE 0xfee00000u
#define MSI_ADDR_BASE_MASK 0xfff00000u
#define MSI_ADDR_DEST_SHIFT 12u
#define MSI_ADDR_REDIRECT BIT(3)
#define MSI_ADDR_LOGICAL BIT(2)
#define MSI_DATA_VECTOR_MASK 0xffu
#define MSI_DATA_MODE_SHIFT 8u
#define MSI_DATA_ASSERT BIT(14)
#define MSI_DATA_LEVEL BIT(15)

#endif
