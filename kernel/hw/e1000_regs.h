/* SPDX-License-Identifier: MIT */
/* e1000_regs.h - Intel 8254x Gigabit Ethernet: registers, descriptors and EEPROM words.
 * Source: PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453-006), chapter
 * 13 "Register Descriptions", sections 3.2.3 "Receive Descriptor Format" and 3.3.3 "Legacy Transmit
 * Descriptor Format" to 3.3.7 "TCP/IP Data Descriptor Format", and 5.6 "EEPROM Map". Only 32-bit accesses are
 * defined. */
#ifndef KERNEL_HW_E1000_REGS_H
#define KERNEL_HW_E1000_REGS_H

#include "kernel/types.h"

#define E1000_BIT(n) (1u << (n))

#define E1000_DEV_82540EM 0x100eu /* desktop; Bochs and QEMU's `e1000` */
#define E1000_DEV_82545EM 0x100fu /* copper server; QEMU's `e1000-82545em`, other hypervisors */
#define E1000_DEV_82544GC 0x1008u
#define E1000_DEV_82543GC 0x1004u
#define E1000_DEV_82546EB 0x1010u /* two ports */
#define E1000_DEV_82574L 0x10d3u  /* PCI Express; QEMU's `e1000e` */

/* Registers. */
#define E1000_CTRL 0x0000u
#define E1000_CTRL_FD E1000_BIT(0)
#define E1000_CTRL_ASDE E1000_BIT(5)
#define E1000_CTRL_SLU E1000_BIT(6)
#define E1000_CTRL_ILOS E1000_BIT(7)
#define E1000_CTRL_RST E1000_BIT(26)
#define E1000_CTRL_VME E1000_BIT(30)
#define E1000_CTRL_PHY_RST E1000_BIT(31)
#define E1000_STATUS 0x0008u
#define E1000_STATUS_FD E1000_BIT(0)
#define E1000_STATUS_LU E1000_BIT(1)
#define E1000_STATUS_SPEED_SHIFT 6u /* 0: 10, 1: 100, 2 and 3: 1000 Mbit/s */
#define E1000_STATUS_SPEED_MASK 3u
#define E1000_EECD 0x0010u
#define E1000_EERD 0x0014u
#define E1000_EERD_START E1000_BIT(0)
#define E1000_EERD_DONE E1000_BIT(4) /* 82540, 82545, 82546 */
#define E1000_EERD_ADDR_SHIFT 8u
#define E1000_EERD_DONE_82574 E1000_BIT(1) /* 82571 and later: DONE, address from bit 2 */
#define E1000_EERD_ADDR_SHIFT_82574 2u
#define E1000_EERD_DATA_SHIFT 16u
#define E1000_MDIC 0x0020u
#define E1000_FCAL 0x0028u
#define E1000_FCAH 0x002cu
#define E1000_FCT 0x0030u
#define E1000_VET 0x0038u
#define E1000_ICR 0x00c0u /* reading clears it */
#define E1000_ITR 0x00c4u
#define E1000_ICS 0x00c8u
#define E1000_IMS 0x00d0u
#define E1000_IMC 0x00d8u
#define E1000_INT_TXDW E1000_BIT(0)
#define E1000_INT_TXQE E1000_BIT(1)
#define E1000_INT_LSC E1000_BIT(2)
#define E1000_INT_RXDMT0 E1000_BIT(4)
#define E1000_INT_RXO E1000_BIT(6)
#define E1000_INT_RXT0 E1000_BIT(7)
#define E1000_RCTL 0x0100u
#define E1000_RCTL_EN E1000_BIT(1)
#define E1000_RCTL_UPE E1000_BIT(3)
#define E1000_RCTL_MPE E1000_BIT(4)
#define E1000_RCTL_LPE E1000_BIT(5)
#define E1000_RCTL_BAM E1000_BIT(15)
#define E1000_RCTL_BSIZE_2048 0u /* field 17:16, BSEX clear */
#define E1000_RCTL_VFE E1000_BIT(18)
#define E1000_RCTL_BSEX E1000_BIT(25)
#define E1000_RCTL_SECRC E1000_BIT(26)
#define E1000_FCTTV 0x0170u
#define E1000_TCTL 0x0400u
#define E1000_TCTL_EN E1000_BIT(1)
#define E1000_TCTL_PSP E1000_BIT(3)
#define E1000_TCTL_CT_SHIFT 4u
#define E1000_TCTL_COLD_SHIFT 12u
#define E1000_TCTL_RTLC E1000_BIT(24)
#define E1000_TIPG 0x0410u
#define E1000_TIPG_COPPER 0x0060200au /* IPGT 10, IPGR1 8, IPGR2 6: section 13.4.34 */
#define E1000_PBA 0x1000u
#define E1000_RDBAL 0x2800u
#define E1000_RDBAH 0x2804u
#define E1000_RDLEN 0x2808u
#define E1000_RDH 0x2810u
#define E1000_RDT 0x2818u
#define E1000_RDTR 0x2820u
#define E1000_RXDCTL 0x2828u
#define E1000_RADV 0x282cu
#define E1000_TDBAL 0x3800u
#define E1000_TDBAH 0x3804u
#define E1000_TDLEN 0x3808u
#define E1000_TDH 0x3810u
#define E1000_TDT 0x3818u
#define E1000_TIDV 0x3820u
#define E1000_TXDCTL 0x3828u
#define E1000_TXDCTL_GRAN E1000_BIT(24) /* thresholds count descriptors */
#define E1000_TXDCTL_WTHRESH_SHIFT 16u
#define E1000_TADV 0x382cu
#define E1000_CRCERRS 0x4000u
#define E1000_MPC 0x4010u
#define E1000_RNBC 0x40a0u
#define E1000_RXCSUM 0x5000u
#define E1000_RXCSUM_IPOFLD E1000_BIT(8)
#define E1000_RXCSUM_TUOFLD E1000_BIT(9)
#define E1000_MTA 0x5200u
#define E1000_NR_MTA 128u
#define E1000_RAL(n) (0x5400u + 8u * (n))
#define E1000_RAH(n) (0x5404u + 8u * (n))
#define E1000_RAH_AV E1000_BIT(31)
#define E1000_NR_RAR 16u
#define E1000_VFTA 0x5600u
#define E1000_NR_VFTA 128u
#define E1000_REGS_SIZE 0x20000u

/* EEPROM words. */
#define E1000_EEPROM_MAC 0x00u /* three words, low octet first */
#define E1000_EEPROM_CHECKSUM 0x3fu
#define E1000_EEPROM_SUM 0xbabau /* of words 0x00 to 0x3f */

/* Receive descriptor, section 3.2.3. */
struct e1000_rx_desc {
    uint64_t addr;     /* 0 */
    uint16_t length;   /* 8 */
    uint16_t checksum; /* 10 */
    uint8_t status;    /* 12 */
    uint8_t errors;    /* 13 */
    uint16_t special;  /* 14 */
};
_Static_assert(sizeof(struct e1000_rx_desc) == 16, "the hardware's layout");
_Static_assert(offsetof(struct e1000_rx_desc, status) == 12, "the hardware's layout");

#define E1000_RXD_STAT_DD 0x01u
#define E1000_RXD_STAT_EOP 0x02u
#define E1000_RXD_STAT_IXSM 0x04u
#define E1000_RXD_STAT_TCPCS 0x20u
#define E1000_RXD_STAT_IPCS 0x40u
#define E1000_RXD_ERR_CE 0x01u
#define E1000_RXD_ERR_SE 0x02u
#define E1000_RXD_ERR_SEQ 0x04u
#define E1000_RXD_ERR_CXE 0x10u
#define E1000_RXD_ERR_TCPE 0x20u
#define E1000_RXD_ERR_IPE 0x40u
#define E1000_RXD_ERR_RXE 0x80u
#define E1000_RXD_ERR_FRAME                                                                                  \
    (E1000_RXD_ERR_CE | E1000_RXD_ERR_SE | E1000_RXD_ERR_SEQ | E1000_RXD_ERR_CXE | E1000_RXD_ERR_RXE)

/* Transmit descriptor: legacy, context and data formats share the place; `cmd` holds DTALEN and DCMD. */
struct e1000_tx_desc {
    union {
        uint64_t addr; /* data */
        struct {       /* context, section 3.3.6 */
            uint8_t ipcss, ipcso;
            uint16_t ipcse;
            uint8_t tucss, tucso;
            uint16_t tucse;
        };
    };
    uint32_t cmd;   /* 8: length in 19:0, DTYP in 23:20, DCMD in 31:24 */
    uint8_t status; /* 12 */
    uint8_t popts;  /* 13: data: POPTS; context: HDRLEN */
    uint16_t mss;   /* 14: context; data: VLAN tag */
};
_Static_assert(sizeof(struct e1000_tx_desc) == 16, "the hardware's layout");
_Static_assert(offsetof(struct e1000_tx_desc, status) == 12, "the hardware's layout");

#define E1000_TXD_LEN_MASK 0xfffffu
#define E1000_TXD_DTYP_CONTEXT 0x00000000u
#define E1000_TXD_DTYP_DATA 0x00100000u
#define E1000_TXD_CMD_EOP 0x01000000u
#define E1000_TXD_CMD_IFCS 0x02000000u /* data */
#define E1000_TXD_CMD_TCP 0x01000000u  /* context: TUCMD, 1 TCP, 0 UDP */
#define E1000_TXD_CMD_IP 0x02000000u   /* context: TUCMD, 1 IPv4 */
#define E1000_TXD_CMD_TSE 0x04000000u  /* both */
#define E1000_TXD_CMD_RS 0x08000000u
#define E1000_TXD_CMD_DEXT 0x20000000u
#define E1000_TXD_STAT_DD 0x01u
#define E1000_TXD_POPTS_IXSM 0x01u
#define E1000_TXD_POPTS_TXSM 0x02u

#endif
