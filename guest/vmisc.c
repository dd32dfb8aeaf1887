/* SPDX-License-Identifier: MIT */
#include "guest/vmisc.h"

#include "guest/pio8.h"

#define CRTC_PORT_INDEX 0x3d4
#define CRTC_PORT_DATA 0x3d5

static uint8_t read_octet(void *dev, uint16_t port) {
    const struct vmisc *m = dev;
    if (port == CRTC_PORT_INDEX)
        return m->crtc_index;
    return port == CRTC_PORT_DATA ? m->crtc[m->crtc_index] : 0xff;
}

static void write_octet(void *dev, uint16_t port, uint8_t value) {
    struct vmisc *m = dev;
    if (port == CRTC_PORT_INDEX)
        m->crtc_index = value % VMISC_CRTC_REGISTERS;
    else if (port == CRTC_PORT_DATA)
        m->crtc[m->crtc_index] = value;
}

static uint32_t crtc_read(void *dev, uint16_t port, unsigned size) {
    return pio8_read(dev, port, size, read_octet);
}

static void crtc_write(void *dev, uint16_t port, unsigned size, uint32_t value) {
    pio8_write(dev, port, size, value, write_octet);
}

void vmisc_init(struct vmisc *m, struct power_ops ops) {
    *m = (struct vmisc){.crtc_index = 0};
    vkbc_init(&m->kbc, ops);
    vpcihost_init(&m->pci);
}

result_t vmisc_attach(struct vmisc *m, struct bus *bus) {
    const struct pio_handler crtc = {CRTC_PORT_INDEX, CRTC_PORT_DATA, crtc_read, crtc_write, m, "vga-cursor"};
    result_t r = vkbc_attach(&m->kbc, bus);
    if (r == OK)
        r = vpcihost_attach(&m->pci, bus);
    return r == OK ? bus_add_pio(bus, &crtc) : r;
}

void vmisc_snapshot(struct vmisc *m, struct snap *s) {
    vkbc_snapshot(&m->kbc, s);
    vpcihost_snapshot(&m->pci, s);
    snap_u8(s, &m->crtc_index);
    snap_require(s, m->crtc_index < VMISC_CRTC_REGISTERS);
    snap_bytes(s, m->crtc, sizeof(m->crtc));
}
