/* SPDX-License-Identifier: MIT */
/* mc146818_regs.h - the MC146818 real-time clock and the PC's CMOS memory behind it. Constants only.
 * Source: Motorola MC146818A data sheet, "Registers"; PC/AT technical reference, "CMOS RAM address map". */
#ifndef KERNEL_HW_MC146818_REGS_H
#define KERNEL_HW_MC146818_REGS_H

#define RTC_PORT_INDEX 0x70
#define RTC_PORT_DATA 0x71
#define RTC_INDEX_NMI_OFF 0x80u
#define RTC_INDEX_MASK 0x7fu
#define RTC_BYTES 128

#define RTC_SECONDS 0x00
#define RTC_SECONDS_ALARM 0x01
#define RTC_MINUTES 0x02
#define RTC_MINUTES_ALARM 0x03
#define RTC_HOURS 0x04
#define RTC_HOURS_ALARM 0x05
#define RTC_DAY_OF_WEEK 0x06 /* 1 = Sunday */
#define RTC_DAY_OF_MONTH 0x07
#define RTC_MONTH 0x08
#define RTC_YEAR 0x09
#define RTC_REG_A 0x0a
#define RTC_REG_B 0x0b
#define RTC_REG_C 0x0c
#define RTC_REG_D 0x0d

#define RTC_HOURS_PM 0x80u         /* in 12-hour mode */
#define RTC_ALARM_DONT_CARE 0xc0u  /* both bits set: matches anything */

#define RTC_A_UIP 0x80u            /* update in progress, read-only */
#define RTC_A_DV_MASK 0x70u
#define RTC_A_DV_32768 0x20u       /* normal operation */
#define RTC_A_DV_RESET 0x60u       /* both bits set: the divider is held in reset */
#define RTC_A_RS_MASK 0x0fu

#define RTC_B_SET 0x80u            /* the time registers stand still */
#define RTC_B_PIE 0x40u            /* periodic interrupt */
#define RTC_B_AIE 0x20u            /* alarm interrupt */
#define RTC_B_UIE 0x10u            /* update-ended interrupt */
#define RTC_B_BINARY 0x04u         /* else BCD */
#define RTC_B_24H 0x02u

#define RTC_C_IRQF 0x80u
#define RTC_C_PF 0x40u             /* the flags are where their enables are in B */
#define RTC_C_AF 0x20u
#define RTC_C_UF 0x10u
#define RTC_C_FLAGS 0x70u

#define RTC_D_VRT 0x80u            /* the battery is good */

#define CMOS_EQUIPMENT 0x14
#define CMOS_EQUIPMENT_FPU 0x02u
#define CMOS_BASE_KIB_LOW 0x15     /* memory below 640 KiB, in KiB */
#define CMOS_BASE_KIB_HIGH 0x16
#define CMOS_EXT_KIB_LOW 0x17      /* memory above 1 MiB, in KiB, at most 63 MiB */
#define CMOS_EXT_KIB_HIGH 0x18
#define CMOS_EXT2_KIB_LOW 0x30     /* the same again */
#define CMOS_EXT2_KIB_HIGH 0x31
#define CMOS_CENTURY 0x32
#define CMOS_ABOVE_16M_LOW 0x34    /* memory from 16 MiB to the PCI hole, in 64 KiB */
#define CMOS_ABOVE_16M_HIGH 0x35
#define CMOS_ABOVE_4G_LOW 0x5b     /* memory above 4 GiB, in 64 KiB, three octets */
#define CMOS_ABOVE_4G_MID 0x5c
#define CMOS_ABOVE_4G_HIGH 0x5d

#define RTC_IRQ 8

#endif
