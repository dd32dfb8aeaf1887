/* SPDX-License-Identifier: MIT */
#include "drivers/e1000.h"

#include <stdio.h>
#include <string.h>

#include "drivers/e1000_rx.h"
#include "drivers/e1000_tx.h"
#include "kernel/frames.h"
#include "kernel/hw/e1000_regs.h"
#include "kernel/hw/pci_regs.h"
#include "kernel/io.h"
#include "kernel/time.h"

#define EEPROM_TRIES 1000u
#define EEPROM_WAIT_US 5u
#define RESET_WAIT_US 5000u
#define BUFS_PER_RUN (LARGE_SIZE / NIC_RX_BUF_BYTES)
#define RUN_ORDER FRAMES_MAX_ORDER
#define RX_RING_BYTES (E1000_RX_DESCS * sizeof(struct e1000_rx_desc))
#define RINGS_ORDER 3u /* 32 KiB */
#define ARMED_CAUSES (E1000_INT_RXT0 | E1000_INT_RXO | E1000_INT_RXDMT0 | E1000_INT_LSC)

struct e1000 {
    struct nic nic;
    volatile void *regs;
    bool newer; /* 82574: another EERD layout */
    uint8_t *run[(E1000_RX_BUFS + BUFS_PER_RUN - 1) / BUFS_PER_RUN];
    struct e1000_rx rx;
    struct e1000_tx tx;
};
_Static_assert(sizeof(struct e1000) <= PAGE_SIZE << 6, "allocated as one run of frames");
#define E1000_ORDER 6u

static const uint16_t supported[] = {
    E1000_DEV_82540EM, E1000_DEV_82545EM, E1000_DEV_82544GC, E1000_DEV_82546EB, E1000_DEV_82574L,
};

bool e1000_supports(const struct pci_dev *dev) {
    if (dev->vendor != PCI_VENDOR_INTEL)
        return false;
    for (unsigned i = 0; i < ARRAY_LEN(supported); i++) {
        if (dev->device == supported[i])
            return true;
    }
    return false;
}

static uint32_t reg_read(const struct e1000 *e, unsigned reg) {
    return mmio_read32(e->regs, reg);
}

static void reg_write(struct e1000 *e, unsigned reg, uint32_t value) {
    mmio_write32(e->regs, reg, value);
}

/* Source: section 13.4.4 "EEPROM Read Register". */
static bool eeprom_read(struct e1000 *e, unsigned word, uint16_t *out) {
    unsigned shift = e->newer ? E1000_EERD_ADDR_SHIFT_82574 : E1000_EERD_ADDR_SHIFT;
    uint32_t done = e->newer ? E1000_EERD_DONE_82574 : E1000_EERD_DONE;
    reg_write(e, E1000_EERD, word << shift | E1000_EERD_START);
    for (unsigned i = 0; i < EEPROM_TRIES; i++) {
        uint32_t value = reg_read(e, E1000_EERD);
        if (value & done) {
            *out = (uint16_t)(value >> E1000_EERD_DATA_SHIFT);
            return true;
        }
        time_delay_us(EEPROM_WAIT_US);
    }
    return false;
}

static bool mac_usable(const uint8_t *mac) {
    static const uint8_t none[NIC_MAC_LEN];
    return (mac[0] & 1) == 0 && memcmp(mac, none, NIC_MAC_LEN) != 0;
}

static bool mac_read(struct e1000 *e, uint32_t ral, uint32_t rah) {
    uint8_t *mac = e->nic.mac;
    uint16_t word = 0;
    bool whole = true;
    for (unsigned i = 0; i < NIC_MAC_LEN / 2 && whole; i++) {
        whole = eeprom_read(e, E1000_EEPROM_MAC + i, &word);
        mac[2 * i] = (uint8_t)word;
        mac[2 * i + 1] = (uint8_t)(word >> 8);
    }
    if (whole && mac_usable(mac)) {
        /* The EEPROM has the first port's address; the second port of a two-port card is one above. */
        if (e->nic.where[6] == '1')
            mac[5] ^= 1;
        return true;
    }
    for (unsigned i = 0; i < 4; i++)
        mac[i] = (uint8_t)(ral >> (8 * i));
    mac[4] = (uint8_t)rah;
    mac[5] = (uint8_t)(rah >> 8);
    return mac_usable(mac);
}

/* By hand too: on Bochs and QEMU CTRL.RST leaves every register as the firmware's driver had it. */
static void reset(struct e1000 *e) {
    reg_write(e, E1000_IMC, UINT32_MAX);
    reg_write(e, E1000_RCTL, 0);
    reg_write(e, E1000_TCTL, 0);
    reg_read(e, E1000_STATUS); /* posts the writes */
    time_delay_us(RESET_WAIT_US);
    reg_write(e, E1000_CTRL, reg_read(e, E1000_CTRL) | E1000_CTRL_RST);
    time_delay_us(RESET_WAIT_US);

    static const uint16_t zeroed[] = {E1000_RCTL, E1000_TCTL, E1000_RDH,  E1000_RDT,  E1000_TDH,
                                      E1000_TDT,  E1000_RDTR, E1000_RADV, E1000_TIDV, E1000_TADV,
                                      E1000_ITR,  E1000_FCAL, E1000_FCAH, E1000_FCT,  E1000_FCTTV};
    for (unsigned i = 0; i < ARRAY_LEN(zeroed); i++)
        reg_write(e, zeroed[i], 0);
    reg_write(e, E1000_IMC, UINT32_MAX);
    reg_read(e, E1000_ICR);
    for (unsigned i = 0; i < E1000_NR_MTA; i++)
        reg_write(e, E1000_MTA + 4 * i, 0);
    for (unsigned i = 0; i < E1000_NR_VFTA; i++)
        reg_write(e, E1000_VFTA + 4 * i, 0);
    uint32_t ctrl = reg_read(e, E1000_CTRL);
    ctrl &= ~(E1000_CTRL_RST | E1000_CTRL_PHY_RST | E1000_CTRL_VME | E1000_CTRL_ILOS);
    reg_write(e, E1000_CTRL, ctrl | E1000_CTRL_SLU | E1000_CTRL_ASDE);
}

static void station_address(struct e1000 *e) {
    const uint8_t *mac = e->nic.mac;
    uint32_t low = mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
    reg_write(e, E1000_RAL(0), low);
    reg_write(e, E1000_RAH(0), mac[4] | (uint32_t)mac[5] << 8 | E1000_RAH_AV);
    for (unsigned i = 1; i < E1000_NR_RAR; i++) {
        reg_write(e, E1000_RAH(i), 0);
        reg_write(e, E1000_RAL(i), 0);
    }
}

static uint8_t *buffer_at(void *ctx, unsigned i, hpa_t *pa) {
    struct e1000 *e = ctx;
    uint8_t *at = e->run[i / BUFS_PER_RUN] + (size_t)(i % BUFS_PER_RUN) * NIC_RX_BUF_BYTES;
    *pa = virt_to_phys(at);
    return at;
}

static result_t start_rings(struct e1000 *e) {
    for (unsigned i = 0; i < ARRAY_LEN(e->run); i++) {
        hpa_t pa = frames_alloc(RUN_ORDER);
        if (pa == 0)
            return fail(ERR_NOMEM);
        e->run[i] = phys_to_virt(pa);
    }
    hpa_t rings = frames_alloc(RINGS_ORDER);
    if (rings == 0)
        return fail(ERR_NOMEM);
    e1000_rx_init(&e->rx, e->regs, phys_to_virt(rings), rings, buffer_at, e);
    e1000_tx_init(&e->tx, e->regs, phys_to_virt(rings + RX_RING_BYTES), rings + RX_RING_BYTES);
    e->nic.rx_spare = e->rx.nr_spare;
    e->nic.nr_rx_bufs = E1000_RX_BUFS;

    reg_write(e, E1000_RXCSUM, 0);
    reg_write(e, E1000_TIPG, E1000_TIPG_COPPER);
    reg_write(e, E1000_TCTL,
              E1000_TCTL_EN | E1000_TCTL_PSP | 0x0fu << E1000_TCTL_CT_SHIFT | 0x40u << E1000_TCTL_COLD_SHIFT |
                  E1000_TCTL_RTLC);
    reg_write(e, E1000_RCTL,
              E1000_RCTL_EN | E1000_RCTL_MPE | E1000_RCTL_BAM | E1000_RCTL_BSIZE_2048 | E1000_RCTL_SECRC);
    return OK;
}
_Static_assert(RX_RING_BYTES + E1000_TX_DESCS * sizeof(struct e1000_tx_desc) <= PAGE_SIZE << RINGS_ORDER,
               "both rings in one run");

static struct e1000 *of_nic(struct nic *nic) {
    return container_of(nic, struct e1000, nic);
}

static result_t op_send(struct nic *nic, const struct nic_frame *frame) {
    return e1000_tx_send(&of_nic(nic)->tx, nic, frame);
}

static void op_flush(struct nic *nic) {
    e1000_tx_flush(&of_nic(nic)->tx);
}

static unsigned op_poll(struct nic *nic, unsigned budget) {
    struct e1000 *e = of_nic(nic);
    unsigned reaped = e1000_tx_reap(&e->tx, nic);
    return reaped + e1000_rx_poll(&e->rx, nic, budget);
}

static void op_release(struct nic *nic, struct nic_buf *buf) {
    e1000_rx_release(&of_nic(nic)->rx, nic, buf);
}

static struct nic_link op_link(struct nic *nic) {
    static const unsigned mbits[] = {10, 100, 1000, 1000};
    struct e1000 *e = of_nic(nic);
    uint32_t status = reg_read(e, E1000_STATUS);
    nic->stats.rx_overruns += reg_read(e, E1000_MPC); /* clears on read */
    return (struct nic_link){
        .up = status & E1000_STATUS_LU,
        .full_duplex = status & E1000_STATUS_FD,
        .mbits = mbits[status >> E1000_STATUS_SPEED_SHIFT & E1000_STATUS_SPEED_MASK],
    };
}

static void op_promiscuous(struct nic *nic, bool on) {
    struct e1000 *e = of_nic(nic);
    uint32_t rctl = reg_read(e, E1000_RCTL);
    reg_write(e, E1000_RCTL, on ? rctl | E1000_RCTL_UPE : rctl & ~E1000_RCTL_UPE);
}

static void op_set_mac(struct nic *nic, const uint8_t *mac) {
    memcpy(nic->mac, mac, NIC_MAC_LEN);
    station_address(of_nic(nic));
}

static bool op_arm(struct nic *nic) {
    struct e1000 *e = of_nic(nic);
    reg_read(e, E1000_ICR);
    reg_write(e, E1000_IMS, ARMED_CAUSES);
    reg_read(e, E1000_STATUS);
    return !e1000_rx_waiting(&e->rx);
}

static void op_disarm(struct nic *nic) {
    struct e1000 *e = of_nic(nic);
    reg_write(e, E1000_IMC, UINT32_MAX);
    reg_read(e, E1000_ICR);
}

static void op_stop(struct nic *nic) {
    struct e1000 *e = of_nic(nic);
    reg_write(e, E1000_IMC, UINT32_MAX);
    reg_write(e, E1000_RCTL, 0);
    reg_write(e, E1000_TCTL, 0);
    reg_read(e, E1000_STATUS);
}

static const struct nic_ops ops = {
    .send = op_send,
    .flush = op_flush,
    .poll = op_poll,
    .release = op_release,
    .link = op_link,
    .promiscuous = op_promiscuous,
    .set_mac = op_set_mac,
    .arm = op_arm,
    .disarm = op_disarm,
    .stop = op_stop,
};

result_t e1000_open(const struct pci_dev *dev, struct nic **out, struct reason *why) {
    hpa_t pa = frames_alloc(E1000_ORDER);
    if (pa == 0)
        return reason_set(why, ERR_NOMEM, "no memory for the network card's driver");
    struct e1000 *e = phys_to_virt(pa);
    e->nic.ops = &ops;
    e->nic.driver = "e1000";
    e->nic.mtu = 1500;
    e->nic.features = NIC_CAN_CSUM | NIC_CAN_TSO4;
    e->nic.irq_line = dev->irq_line;
    e->newer = dev->device == E1000_DEV_82574L;
    snprintf(e->nic.where, sizeof e->nic.where, "%02x:%02x.%u", dev->bus, dev->slot & 0x1fu, dev->func & 7u);

    uint64_t size = 0;
    result_t r = pci_bar_map(dev, 0, &e->regs, &size);
    if (r != OK || size < E1000_REGS_SIZE)
        return reason_set(why, ERR_IO, "network card %s: its registers are not reachable (%s)", e->nic.where,
                          result_str(r));
    pci_enable(dev);
    uint32_t ral = reg_read(e, E1000_RAL(0)), rah = reg_read(e, E1000_RAH(0));
    reset(e);
    if (!mac_read(e, ral, rah))
        return reason_set(why, ERR_IO, "network card %s has no MAC address in its EEPROM; set [net] mac",
                          e->nic.where);
    station_address(e);
    r = start_rings(e);
    if (r != OK)
        return reason_set(why, r, "no memory for the network card's buffers (%lu MiB)",
                          (unsigned long)(ARRAY_LEN(e->run) * LARGE_SIZE / MIB));
    *out = &e->nic;
    return OK;
}
