/* SPDX-License-Identifier: MIT */
/* i8254_regs.h - the 8254 programmable interval timer and the PC's port 0x61 beside it. Constants only.
 * Source: Intel 8254 data sheet (231164), "Programming the 8254" and "Mode Definitions". */
#ifndef KERNEL_HW_I8254_REGS_H
#define KERNEL_HW_I8254_REGS_H

#define I8254_HZ 1193182u

#define I8254_PORT_CHANNEL0 0x40
#define I8254_PORT_CHANNEL1 0x41
#define I8254_PORT_CHANNEL2 0x42
#define I8254_PORT_CONTROL 0x43

/* Control word */
#define I8254_CONTROL_BCD 0x01u
#define I8254_CONTROL_MODE_SHIFT 1
#define I8254_CONTROL_MODE_MASK 0x07u
#define I8254_CONTROL_RW_SHIFT 4
#define I8254_CONTROL_RW_MASK 0x03u
#define I8254_CONTROL_SELECT_SHIFT 6
#define I8254_SELECT_READ_BACK 3u

#define I8254_RW_LATCH 0u
#define I8254_RW_LSB 1u
#define I8254_RW_MSB 2u
#define I8254_RW_LSB_MSB 3u

/* Read-back command: select = 3; the two latch bits are active low */
#define I8254_READ_BACK_NO_COUNT 0x20u
#define I8254_READ_BACK_NO_STATUS 0x10u
#define I8254_READ_BACK_CHANNEL0 0x02u /* channel n: this shifted left by n */

/* Status octet; bits 5:0 are those of the control word */
#define I8254_STATUS_OUT 0x80u
#define I8254_STATUS_NULL_COUNT 0x40u

/* Port 0x61, "NMI status and control" */
#define PORT61 0x61
#define PORT61_GATE2 0x01u
#define PORT61_SPEAKER 0x02u
#define PORT61_WRITABLE 0x0fu
#define PORT61_REFRESH 0x10u
#define PORT61_OUT2 0x20u

#endif
