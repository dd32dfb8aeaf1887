/* SPDX-License-Identifier: MIT */
/* uart16550_regs.h - the 16550A UART. Constants only.
 * Source: National Semiconductor PC16550D data sheet, "Registers" and table "Summary of Registers". */
#ifndef KERNEL_HW_UART16550_REGS_H
#define KERNEL_HW_UART16550_REGS_H

#define UART_PORT_COM1 0x3f8
#define UART_PORTS 8
#define UART_CLOCK_HZ 1843200u
#define UART_FIFO_BYTES 16u

/* Offsets */
#define UART_RBR 0 /* read: receiver buffer */
#define UART_THR 0 /* write: transmitter holding */
#define UART_DLL 0 /* with LCR.DLAB: divisor, low octet */
#define UART_IER 1
#define UART_DLM 1 /* with LCR.DLAB: divisor, high octet */
#define UART_IIR 2 /* read */
#define UART_FCR 2 /* write */
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_MSR 6
#define UART_SCR 7

#define UART_IER_RDI 0x01u  /* received data */
#define UART_IER_THRI 0x02u /* transmitter holding register empty */
#define UART_IER_RLSI 0x04u /* receiver line status */
#define UART_IER_MSI 0x08u  /* modem status */
#define UART_IER_MASK 0x0fu

#define UART_IIR_NONE 0x01u
#define UART_IIR_MSI 0x00u
#define UART_IIR_THRI 0x02u
#define UART_IIR_RDI 0x04u
#define UART_IIR_RLSI 0x06u
#define UART_IIR_TIMEOUT 0x0cu
#define UART_IIR_ID_MASK 0x0fu
#define UART_IIR_FIFO 0xc0u

#define UART_FCR_ENABLE 0x01u
#define UART_FCR_CLEAR_RX 0x02u
#define UART_FCR_CLEAR_TX 0x04u
#define UART_FCR_DMA 0x08u
#define UART_FCR_TRIGGER_SHIFT 6
#define UART_FCR_STORED 0xc9u /* the bits that last */

#define UART_LCR_8N1 0x03u
#define UART_LCR_BREAK 0x40u
#define UART_LCR_DLAB 0x80u

#define UART_MCR_DTR 0x01u
#define UART_MCR_RTS 0x02u
#define UART_MCR_OUT1 0x04u
#define UART_MCR_OUT2 0x08u /* on a PC: the gate of the interrupt line */
#define UART_MCR_LOOP 0x10u
#define UART_MCR_MASK 0x1fu

#define UART_LSR_DR 0x01u   /* data ready */
#define UART_LSR_OE 0x02u   /* overrun */
#define UART_LSR_BI 0x10u   /* break */
#define UART_LSR_THRE 0x20u /* transmitter holding register empty */
#define UART_LSR_TEMT 0x40u /* transmitter empty */

#define UART_MSR_DCTS 0x01u
#define UART_MSR_DDSR 0x02u
#define UART_MSR_TERI 0x04u
#define UART_MSR_DDCD 0x08u
#define UART_MSR_DELTAS 0x0fu
#define UART_MSR_CTS 0x10u
#define UART_MSR_DSR 0x20u
#define UART_MSR_RI 0x40u
#define UART_MSR_DCD 0x80u

#endif
