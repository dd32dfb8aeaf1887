/* SPDX-License-Identifier: MIT */
/* pci_regs.h - PCI configuration space: access ports, header fields and bits.
 * Source: PCI Local Bus Specification 3.0, chapter 6 "Configuration Space"; section 3.2.2.3.2 "Software
 * Generation of Configuration Transactions"; PCI-to-PCI Bridge Architecture Specification 1.2, chapter 3. */
#ifndef KERNEL_HW_PCI_REGS_H
#define KERNEL_HW_PCI_REGS_H

#include "kernel/types.h"

/* Configuration mechanism 1. */
#define PCI_CONFIG_ADDRESS 0xcf8u
#define PCI_CONFIG_DATA 0xcfcu
#define PCI_CONFIG_ENABLE 0x80000000u
#define PCI_CONFIG_BUS_SHIFT 16u
#define PCI_CONFIG_SLOT_SHIFT 11u
#define PCI_CONFIG_FUNC_SHIFT 8u
#define PCI_CONFIG_REG_MASK 0xfcu

#define PCI_MAX_BUSES 256u
#define PCI_MAX_SLOTS 32u
#define PCI_MAX_FUNCS 8u

/* Header fields, all types. */
#define PCI_VENDOR 0x00u
#define PCI_VENDOR_NONE 0xffffu
#define PCI_DEVICE 0x02u
#define PCI_COMMAND 0x04u
#define PCI_COMMAND_IO 0x0001u
#define PCI_COMMAND_MEMORY 0x0002u
#define PCI_COMMAND_MASTER 0x0004u
#define PCI_COMMAND_INTX_OFF 0x0400u
#define PCI_STATUS 0x06u
#define PCI_STATUS_CAPABILITIES 0x0010u
#define PCI_REVISION 0x08u
#define PCI_PROG_IF 0x09u
#define PCI_SUBCLASS 0x0au
#define PCI_CLASS 0x0bu
#define PCI_CACHE_LINE 0x0cu
#define PCI_HEADER_TYPE 0x0eu
#define PCI_HEADER_TYPE_MASK 0x7fu
#define PCI_HEADER_TYPE_NORMAL 0x00u
#define PCI_HEADER_TYPE_BRIDGE 0x01u
#define PCI_HEADER_TYPE_CARDBUS 0x02u
#define PCI_HEADER_MULTI 0x80u

/* Header type 0. */
#define PCI_BAR(n) (0x10u + 4u * (n))
#define PCI_NR_BARS 6u
#define PCI_BAR_IO 0x1u
#define PCI_BAR_IO_MASK 0xfffffffcu
#define PCI_BAR_TYPE_MASK 0x6u
#define PCI_BAR_TYPE_32 0x0u
#define PCI_BAR_TYPE_64 0x4u
#define PCI_BAR_PREFETCH 0x8u
#define PCI_BAR_MEM_MASK 0xfffffff0u
#define PCI_SUBSYS_VENDOR 0x2cu
#define PCI_SUBSYS_DEVICE 0x2eu
#define PCI_CAPABILITIES 0x34u
#define PCI_IRQ_LINE 0x3cu
#define PCI_IRQ_LINE_NONE 0xffu
#define PCI_IRQ_PIN 0x3du /* 0 none, 1 INTA# ... 4 INTD# */

/* Header type 1. */
#define PCI_BRIDGE_PRIMARY 0x18u
#define PCI_BRIDGE_SECONDARY 0x19u
#define PCI_BRIDGE_SUBORDINATE 0x1au
#define PCI_BRIDGE_NR_BARS 2u

/* Capability identifiers. */
#define PCI_CAP_MSI 0x05u
#define PCI_CAP_VENDOR 0x09u
#define PCI_CAP_EXPRESS 0x10u
#define PCI_CAP_MSIX 0x11u

/* Class codes. */
#define PCI_CLASS_STORAGE 0x01u
#define PCI_CLASS_NETWORK 0x02u
#define PCI_SUBCLASS_ETHERNET 0x00u
#define PCI_CLASS_DISPLAY 0x03u
#define PCI_CLASS_BRIDGE 0x06u
#define PCI_SUBCLASS_HOST_BRIDGE 0x00u
#define PCI_SUBCLASS_PCI_BRIDGE 0x04u
#define PCI_CLASS_SERIAL 0x07u

#define PCI_VENDOR_INTEL 0x8086u
#define PCI_VENDOR_VIRTIO 0x1af4u

#endif
