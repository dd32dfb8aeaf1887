/* SPDX-License-Identifier: MIT */
/* acpi_pm_regs.h - ACPI fixed hardware registers, the PC's reset ports, and the resources of Godwit's guest
 * board that the power model and the ACPI tables must agree on. Constants only.
 * Source: ACPI Specification 6.4, section 4.8.3 "Fixed Hardware Registers". */
#ifndef KERNEL_HW_ACPI_PM_REGS_H
#define KERNEL_HW_ACPI_PM_REGS_H

/* PM1 status and enable */
#define ACPI_PM1_TMR 0x0001u     /* timer carry */
#define ACPI_PM1_BM 0x0010u      /* status only: bus master */
#define ACPI_PM1_GBL 0x0020u     /* global lock released */
#define ACPI_PM1_PWRBTN 0x0100u  /* power button */
#define ACPI_PM1_SLPBTN 0x0200u  /* sleep button */
#define ACPI_PM1_RTC 0x0400u     /* RTC alarm */
#define ACPI_PM1_WAK 0x8000u     /* status only: woke up */
#define ACPI_PM1_STS_MASK 0x8731u
#define ACPI_PM1_EN_MASK 0x0721u

/* PM1 control */
#define ACPI_PM1_SCI_EN 0x0001u
#define ACPI_PM1_BM_RLD 0x0002u
#define ACPI_PM1_GBL_RLS 0x0004u /* write-only */
#define ACPI_PM1_SLP_TYP_SHIFT 10
#define ACPI_PM1_SLP_TYP_MASK 0x07u
#define ACPI_PM1_SLP_EN 0x2000u  /* write-only */

#define ACPI_PM_TIMER_HZ 3579545u
#define ACPI_PM_TIMER_BITS 32

/* Reset ports. Source: Intel 440FX PCIset data sheet (290549), "TRC - Turbo Reset Control Register". */
#define PC_PORT_RESET 0xcf9
#define PC_RESET_HARD 0x02u      /* type of the reset */
#define PC_RESET_CPU 0x04u       /* 0 -> 1 resets */
#define PC_RESET_FULL 0x08u      /* power cycle */
#define PC_RESET_VALUE 0x06u     /* what the FADT tells a guest to write */
#define PC_PORT_A 0x92
#define PC_PORT_A_RESET 0x01u
#define PC_PORT_A_A20 0x02u

/* Godwit's guest board */
#define VPM_BASE 0x600
#define VPM_PM1A_EVT (VPM_BASE + 0)   /* status, enable: 2 octets each */
#define VPM_PM1A_EVT_LEN 4
#define VPM_PM1A_CNT (VPM_BASE + 4)
#define VPM_PM1A_CNT_LEN 2
#define VPM_PM_TMR (VPM_BASE + 8)
#define VPM_PM_TMR_LEN 4
#define VPM_GPE0 (VPM_BASE + 0x0c)    /* status, enable: 2 octets each, no event is wired */
#define VPM_GPE0_LEN 4
#define VPM_LEN 0x10
#define VPM_SLP_TYP_S5 5u
#define VPM_SCI_IRQ 9                 /* level, active high */

#endif
