/* SPDX-License-Identifier: MIT */
/* i8042_regs.h - the PC's keyboard controller. Constants only.
 * Source: IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device
 * Controller". */
#ifndef KERNEL_HW_I8042_REGS_H
#define KERNEL_HW_I8042_REGS_H

#define I8042_PORT_DATA 0x60
#define I8042_PORT_STATUS 0x64 /* write: command */

#define I8042_STATUS_OBF 0x01u      /* an octet waits at the data port */
#define I8042_STATUS_IBF 0x02u      /* the controller is busy */
#define I8042_STATUS_SYS 0x04u      /* the self test has passed */
#define I8042_STATUS_COMMAND 0x08u  /* the last write was a command */
#define I8042_STATUS_UNLOCKED 0x10u /* the key lock is open */
#define I8042_STATUS_AUX 0x20u      /* the waiting octet is from the mouse */
#define I8042_STATUS_TIMEOUT 0x40u  /* no device answered */

#define I8042_CMD_READ_CONFIG 0x20u
#define I8042_CMD_WRITE_CONFIG 0x60u
#define I8042_CMD_AUX_OFF 0xa7u
#define I8042_CMD_AUX_ON 0xa8u
#define I8042_CMD_AUX_TEST 0xa9u
#define I8042_CMD_SELF_TEST 0xaau
#define I8042_CMD_KBD_TEST 0xabu
#define I8042_CMD_KBD_OFF 0xadu
#define I8042_CMD_KBD_ON 0xaeu
#define I8042_CMD_READ_INPUT 0xc0u
#define I8042_CMD_READ_OUTPUT 0xd0u
#define I8042_CMD_WRITE_OUTPUT 0xd1u
#define I8042_CMD_LOOP_KBD 0xd2u
#define I8042_CMD_LOOP_AUX 0xd3u
#define I8042_CMD_WRITE_AUX 0xd4u
#define I8042_CMD_PULSE_FIRST 0xf0u /* to 0xff: pulse the output bits that are 0 */

#define I8042_CONFIG_KBD_IRQ 0x01u
#define I8042_CONFIG_AUX_IRQ 0x02u
#define I8042_CONFIG_SYS 0x04u
#define I8042_CONFIG_KBD_OFF 0x10u
#define I8042_CONFIG_AUX_OFF 0x20u
#define I8042_CONFIG_TRANSLATE 0x40u

#define I8042_OUTPUT_RUN 0x01u /* 0: the CPU is held in reset */
#define I8042_OUTPUT_A20 0x02u

#define I8042_SELF_TEST_PASSED 0x55u
#define I8042_TEST_CLOCK_LOW 0x01u /* interface test: nothing is plugged in */
#define I8042_DEVICE_RESEND 0xfeu  /* what a device, or the controller for an absent one, answers */

#endif
