/* SPDX-License-Identifier: MIT */
#include "guest/vpcihost.h"

#include "kernel/hw/pci_regs.h"

#define ADDRESS_MASK (PCI_CONFIG_ENABLE | 0x00fffffcu)

/* The bridge is that of Intel's 440FX, which every system knows and does nothing with. */
#define BRIDGE_VENDOR_DEVICE 0x12378086u
#define BRIDGE_COMMAND_STATUS 0x00000006u /* memory and bus master, fixed */
#define BRIDGE_CLASS_REVISION 0x06000002u

static uint32_t bridge_read(void *dev, unsigned offset, unsigned size) {
    uint32_t dword = 0;
    (void)dev, (void)size;
    switch (offset & ~3u) {
    case PCI_VENDOR:
        dword = BRIDGE_VENDOR_DEVICE;
        break;
    case PCI_COMMAND:
        dword = BRIDGE_COMMAND_STATUS;
        break;
    case PCI_REVISION:
        dword = BRIDGE_CLASS_REVISION;
        break;
    default: /* no BAR, no capability, no interrupt */
        break;
    }
    return dword >> (8 * (offset & 3));
}

static void bridge_write(void *dev, unsigned offset, unsigned size, uint32_t value) {
    (void)dev, (void)offset, (void)size, (void)value;
}

/* The function that the address register selects, or NULL. */
static const struct vpci_function *selected(const struct vpcihost *h) {
    unsigned bus = h->address >> PCI_CONFIG_BUS_SHIFT & 0xff;
    unsigned function = h->address >> PCI_CONFIG_FUNC_SHIFT & (PCI_MAX_FUNCS - 1);
    if ((h->address & PCI_CONFIG_ENABLE) == 0 || bus != 0 || function != 0)
        return NULL;
    const struct vpci_function *fn = &h->slot[h->address >> PCI_CONFIG_SLOT_SHIFT & (VPCIHOST_SLOTS - 1)];
    return fn->read != NULL ? fn : NULL;
}

/* An access must stay inside the 32-bit register; the bus sizes are powers of two, so this means natural
 * alignment or a word in the middle. */
static bool is_inside(uint16_t port, unsigned size) {
    return (port & 3u) + size <= 4;
}

static unsigned config_offset(const struct vpcihost *h, uint16_t port) {
    return (h->address & PCI_CONFIG_REG_MASK) + (port & 3u);
}

static uint32_t read_address(void *dev, uint16_t port, unsigned size) {
    const struct vpcihost *h = dev;
    (void)port;
    return size == 4 ? h->address : UINT32_MAX;
}

static void write_address(void *dev, uint16_t port, unsigned size, uint32_t value) {
    struct vpcihost *h = dev;
    (void)port;
    if (size == 4)
        h->address = value & ADDRESS_MASK;
}

static uint32_t read_config(void *dev, uint16_t port, unsigned size) {
    const struct vpcihost *h = dev;
    const struct vpci_function *fn = selected(h);
    if (fn == NULL || !is_inside(port, size))
        return UINT32_MAX;
    return fn->read(fn->dev, config_offset(h, port), size);
}

static void write_config(void *dev, uint16_t port, unsigned size, uint32_t value) {
    const struct vpcihost *h = dev;
    const struct vpci_function *fn = selected(h);
    if (fn != NULL && fn->write != NULL && is_inside(port, size))
        fn->write(fn->dev, config_offset(h, port), size, value);
}

void vpcihost_init(struct vpcihost *h) {
    *h = (struct vpcihost){0};
    h->slot[0] = (struct vpci_function){bridge_read, bridge_write, NULL};
}

result_t vpcihost_attach(struct vpcihost *h, struct bus *bus) {
    const struct pio_handler address = {PCI_CONFIG_ADDRESS, PCI_CONFIG_ADDRESS, read_address, write_address,
                                        h, "pci-address"};
    const struct pio_handler data = {PCI_CONFIG_DATA, PCI_CONFIG_DATA + 3, read_config, write_config,
                                     h, "pci-data"};
    result_t r = bus_add_pio(bus, &address);
    return r == OK ? bus_add_pio(bus, &data) : r;
}

result_t vpcihost_add(struct vpcihost *h, unsigned slot, const struct vpci_function *fn) {
    if (slot == 0 || slot >= VPCIHOST_SLOTS || fn->read == NULL)
        return fail(ERR_RANGE);
    if (h->slot[slot].read != NULL)
        return fail(ERR_EXIST);
    h->slot[slot] = *fn;
    return OK;
}

void vpcihost_snapshot(struct vpcihost *h, struct snap *s) {
    snap_u32(s, &h->address);
    snap_require(s, (h->address & ~ADDRESS_MASK) == 0);
}
