/* SPDX-License-Identifier: MIT */
/* The least of an 82540EM driver. The firmware maps memory one to one, so addresses are bus addresses. */
#include "st_nic.h"

#include "kernel/hw/e1000_regs.h"
#include "kernel/hw/pci_regs.h"
#include "kernel/io.h"

#define NR_RX 256u
#define NR_TX 64u
#define BUFFER_BYTES 2048u

static struct e1000_rx_desc rx_ring[NR_RX] __attribute__((aligned(128)));
static struct e1000_tx_desc tx_ring[NR_TX] __attribute__((aligned(128)));
static uint8_t rx_buffers[NR_RX][BUFFER_BYTES], tx_buffers[NR_TX][BUFFER_BYTES];
static uint32_t rx_next, tx_next;
static volatile uint8_t *regs;
static uint8_t mac[NIC_MAC_BYTES];

static uint32_t pci_address(uint32_t slot, uint32_t reg)
{
    return PCI_CONFIG_ENABLE | slot << PCI_CONFIG_SLOT_SHIFT | (reg & PCI_CONFIG_REG_MASK);
}

static uint32_t pci_read(uint32_t slot, uint32_t reg)
{
    io_out32(PCI_CONFIG_ADDRESS, pci_address(slot, reg));
    return io_in32(PCI_CONFIG_DATA);
}

static void pci_write(uint32_t slot, uint32_t reg, uint32_t value)
{
    io_out32(PCI_CONFIG_ADDRESS, pci_address(slot, reg));
    io_out32(PCI_CONFIG_DATA, value);
}

static bool find_card(void)
{
    const uint32_t wanted = E1000_DEV_82540EM << 16 | PCI_VENDOR_INTEL;

    for (uint32_t slot = 0; slot < PCI_MAX_SLOTS; slot++) {
        if (pci_read(slot, PCI_VENDOR) == wanted) {
            uint32_t command = pci_read(slot, PCI_COMMAND);

            pci_write(slot, PCI_COMMAND, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
            regs = (volatile uint8_t *)(uintptr_t)(pci_read(slot, PCI_BAR(0)) & PCI_BAR_MEM_MASK);
            return true;
        }
    }
    return false;
}

static void read_mac(void)
{
    for (uint32_t word = 0; word < 3; word++) {
        uint32_t value;

        mmio_write32(regs, E1000_EERD, (E1000_EEPROM_MAC + word) << E1000_EERD_ADDR_SHIFT | E1000_EERD_START);
        do {
            value = mmio_read32(regs, E1000_EERD);
        } while (!(value & E1000_EERD_DONE));
        mac[2 * word] = (uint8_t)(value >> E1000_EERD_DATA_SHIFT);
        mac[2 * word + 1] = (uint8_t)(value >> (E1000_EERD_DATA_SHIFT + 8));
    }
}

static void start_receiver(void)
{
    for (uint32_t i = 0; i < NR_RX; i++) {
        rx_ring[i] = (struct e1000_rx_desc){ .addr = (uintptr_t)rx_buffers[i] };
    }
    mmio_write32(regs, E1000_RDBAL, (uint32_t)(uintptr_t)rx_ring);
    mmio_write32(regs, E1000_RDBAH, (uint32_t)((uintptr_t)rx_ring >> 32));
    mmio_write32(regs, E1000_RDLEN, sizeof(rx_ring));
    mmio_write32(regs, E1000_RDH, 0);
    mmio_write32(regs, E1000_RDT, NR_RX - 1);
    rx_next = 0;
    mmio_write32(regs, E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_BAM
                 | E1000_RCTL_SECRC | E1000_RCTL_BSIZE_2048);
}

static void start_transmitter(void)
{
    mmio_write32(regs, E1000_TDBAL, (uint32_t)(uintptr_t)tx_ring);
    mmio_write32(regs, E1000_TDBAH, (uint32_t)((uintptr_t)tx_ring >> 32));
    mmio_write32(regs, E1000_TDLEN, sizeof(tx_ring));
    mmio_write32(regs, E1000_TDH, 0);
    mmio_write32(regs, E1000_TDT, 0);
    tx_next = 0;
    mmio_write32(regs, E1000_TIPG, E1000_TIPG_COPPER);
    mmio_write32(regs, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP | 0xfu << E1000_TCTL_CT_SHIFT
                 | 0x40u << E1000_TCTL_COLD_SHIFT);
}

bool nic_init(void)
{
    if (!find_card()) {
        return false;
    }
    mmio_write32(regs, E1000_IMC, ~0u);
    mmio_write32(regs, E1000_RCTL, 0);
    mmio_write32(regs, E1000_TCTL, 0);
    mmio_write32(regs, E1000_CTRL, mmio_read32(regs, E1000_CTRL) | E1000_CTRL_SLU);
    read_mac();
    start_receiver();
    start_transmitter();
    return true;
}

const uint8_t *nic_mac(void)
{
    return mac;
}

bool nic_transmit(const void *frame, size_t len)
{
    uint32_t following = (tx_next + 1) % NR_TX;

    if (following == mmio_read32(regs, E1000_TDH)) {
        return false;
    }
    __builtin_memcpy(tx_buffers[tx_next], frame, len);
    tx_ring[tx_next] = (struct e1000_tx_desc){
        { .addr = (uintptr_t)tx_buffers[tx_next] },
        .cmd = E1000_TXD_CMD_EOP | E1000_TXD_CMD_IFCS | E1000_TXD_CMD_RS | (uint32_t)len,
    };
    __asm__ volatile("" ::: "memory");
    tx_next = following;
    mmio_write32(regs, E1000_TDT, tx_next);
    return true;
}

size_t nic_receive(void *frame)
{
    volatile struct e1000_rx_desc *desc = &rx_ring[rx_next];
    size_t len;

    if (!(desc->status & E1000_RXD_STAT_DD)) {
        return 0;
    }
    len = MIN((size_t)desc->length, (size_t)NIC_FRAME_MAX);
    __builtin_memcpy(frame, rx_buffers[rx_next], len);
    desc->status = 0;
    mmio_write32(regs, E1000_RDT, rx_next);
    rx_next = (rx_next + 1) % NR_RX;
    return len;
}
