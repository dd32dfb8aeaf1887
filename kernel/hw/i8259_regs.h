/* SPDX-License-Identifier: MIT */
/* i8259_regs.h - the pair of 8259A interrupt controllers of a PC and their edge/level registers.
 * Source: Intel "8259A Programmable Interrupt Controller" data sheet 231468-003;
 * ELCR: "82371SB (PIIX3) / 82371AB (PIIX4)" data sheets, "Interrupt Controller Registers". */
#ifndef KERNEL_HW_I8259_REGS_H
#define KERNEL_HW_I8259_REGS_H

#include "kernel/types.h"

#define I8259_MASTER_COMMAND 0x20u
#define I8259_MASTER_DATA 0x21u
#define I8259_SLAVE_COMMAND 0xa0u
#define I8259_SLAVE_DATA 0xa1u
#define I8259_ELCR_MASTER 0x4d0u
#define I8259_ELCR_SLAVE 0x4d1u

#define I8259_CASCADE_IRQ 2u
#define I8259_ELCR_MASTER_WRITABLE 0xf8u /* IRQ 0, 1 and 2 are always edge */
#define I8259_ELCR_SLAVE_WRITABLE 0xdeu  /* IRQ 8 and 13 are always edge */

/* Written to the command port. */
#define I8259_ICW1_NEEDS_ICW4 BIT(0)
#define I8259_ICW1_SINGLE BIT(1)
#define I8259_ICW1_LEVEL BIT(3) /* all inputs level-triggered (ignored on PCs with an ELCR) */
#define I8259_ICW1 BIT(4)       /* this is ICW1 */
#define I8259_OCW3 BIT(3)       /* with bit 4 clear: OCW3, else OCW2 */
#define I8259_OCW2_LEVEL_MASK 0x07u
#define I8259_OCW2_COMMAND_SHIFT 5u
#define I8259_OCW2_ROTATE_AEOI_CLEAR 0u
#define I8259_OCW2_EOI 1u
#define I8259_OCW2_NOP 2u
#define I8259_OCW2_EOI_SPECIFIC 3u
#define I8259_OCW2_ROTATE_AEOI_SET 4u
#define I8259_OCW2_ROTATE_EOI 5u
#define I8259_OCW2_SET_PRIORITY 6u
#define I8259_OCW2_ROTATE_EOI_SPECIFIC 7u
#define I8259_OCW3_READ_ISR BIT(0)
#define I8259_OCW3_READ BIT(1) /* bit 0 chooses IRR or ISR */
#define I8259_OCW3_POLL BIT(2)
#define I8259_OCW3_SPECIAL_MASK BIT(5)
#define I8259_OCW3_SPECIAL_MASK_WRITE BIT(6) /* bit 5 is meant */

/* Written to the data port after ICW1. */
#define I8259_ICW2_VECTOR_MASK 0xf8u
#define I8259_ICW4_8086 BIT(0)
#define I8259_ICW4_AEOI BIT(1)
#define I8259_ICW4_NESTED BIT(4) /* special fully nested mode */

#define I8259_POLL_PENDING BIT(7) /* in the octet that a poll reads; bits 2:0 are the level */

#endif
