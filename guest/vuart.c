/* SPDX-License-Identifier: MIT */
#include "guest/vuart.h"

#include <string.h>

#include "guest/pio8.h"
#include "kernel/hw/uart16550_regs.h"

#define MSR_CONNECTED (UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD)

static bool has_fifo(const struct vuart *u) {
    return (u->fcr & UART_FCR_ENABLE) != 0;
}

static bool is_looped(const struct vuart *u) {
    return (u->mcr & UART_MCR_LOOP) != 0;
}

static uint32_t rx_trigger(const struct vuart *u) {
    static const uint8_t level[] = {1, 4, 8, 14};
    return has_fifo(u) ? level[u->fcr >> UART_FCR_TRIGGER_SHIFT] : 1;
}

/* The interrupt with the highest priority, as IIR bits 3:0. */
static uint8_t pending_id(const struct vuart *u) {
    if ((u->ier & UART_IER_RLSI) != 0 && u->lsr_errors != 0)
        return UART_IIR_RLSI;
    if ((u->ier & UART_IER_RDI) != 0 && u->rx_len != 0)
        return u->rx_len >= rx_trigger(u) ? UART_IIR_RDI : UART_IIR_TIMEOUT;
    if ((u->ier & UART_IER_THRI) != 0 && u->thr_pending)
        return UART_IIR_THRI;
    if ((u->ier & UART_IER_MSI) != 0 && u->msr_deltas != 0)
        return UART_IIR_MSI;
    return UART_IIR_NONE;
}

/* OUT2 gates the line on a PC, and in loopback that pin is inactive. */
static void update_irq(struct vuart *u) {
    bool gate = (u->mcr & UART_MCR_OUT2) != 0 && !is_looped(u);
    irq_line_set(&u->irq, gate && pending_id(u) != UART_IIR_NONE);
}

static uint8_t modem_lines(const struct vuart *u) {
    if (!is_looped(u))
        return MSR_CONNECTED;
    return (uint8_t)(((u->mcr & UART_MCR_RTS) != 0 ? UART_MSR_CTS : 0) |
                     ((u->mcr & UART_MCR_DTR) != 0 ? UART_MSR_DSR : 0) |
                     ((u->mcr & UART_MCR_OUT1) != 0 ? UART_MSR_RI : 0) |
                     ((u->mcr & UART_MCR_OUT2) != 0 ? UART_MSR_DCD : 0));
}

static void rx_push(struct vuart *u, uint8_t octet) {
    u->rx[(u->rx_head + u->rx_len) % VUART_RX_BYTES] = octet;
    u->rx_len++;
}

static uint8_t rx_pop(struct vuart *u) {
    if (u->rx_len == 0)
        return 0;
    uint8_t octet = u->rx[u->rx_head];
    u->rx_head = (u->rx_head + 1) % VUART_RX_BYTES;
    u->rx_len--;
    return octet;
}

static void rx_clear(struct vuart *u) {
    u->rx_head = 0;
    u->rx_len = 0;
}

static void tx_push(struct vuart *u, uint8_t octet) {
    if (u->tx_len == VUART_TX_BYTES) {
        u->tx_head = (u->tx_head + 1) % VUART_TX_BYTES;
        u->tx_len--;
        u->tx_dropped++;
    }
    u->tx[(u->tx_head + u->tx_len) % VUART_TX_BYTES] = octet;
    u->tx_len++;
}

/* The interrupt goes away with the write and comes back when the octet has left, which is at once: the line
 * falls and rises, so that an edge-triggered controller sees it. */
static void write_thr(struct vuart *u, uint8_t octet) {
    u->thr_pending = false;
    update_irq(u);
    if (!is_looped(u))
        tx_push(u, octet);
    else if (u->rx_len < UART_FIFO_BYTES)
        rx_push(u, octet);
    else
        u->lsr_errors |= UART_LSR_OE;
    u->thr_pending = true;
}

static void write_ier(struct vuart *u, uint8_t value) {
    uint8_t changed = u->ier ^ value;
    u->ier = value & UART_IER_MASK;
    if ((changed & UART_IER_THRI) != 0)
        u->thr_pending = (value & UART_IER_THRI) != 0; /* the transmitter is always empty */
}

static void write_fcr(struct vuart *u, uint8_t value) {
    bool toggled = ((u->fcr ^ value) & UART_FCR_ENABLE) != 0;
    if (toggled || (value & UART_FCR_CLEAR_RX) != 0)
        rx_clear(u);
    u->fcr = (value & UART_FCR_ENABLE) != 0 ? value & UART_FCR_STORED : 0;
}

static void write_mcr(struct vuart *u, uint8_t value) {
    uint8_t before = modem_lines(u);
    u->mcr = value & UART_MCR_MASK;
    uint8_t after = modem_lines(u);
    uint8_t changed = before ^ after;
    u->msr_deltas |= changed >> 4 & (UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
    if ((changed & before & UART_MSR_RI) != 0) /* only the trailing edge of RI */
        u->msr_deltas |= UART_MSR_TERI;
}

static uint8_t read_iir(struct vuart *u) {
    uint8_t id = pending_id(u);
    if (id == UART_IIR_THRI)
        u->thr_pending = false;
    return id | (has_fifo(u) ? UART_IIR_FIFO : 0);
}

static uint8_t read_lsr(struct vuart *u) {
    uint8_t value = UART_LSR_THRE | UART_LSR_TEMT | u->lsr_errors | (u->rx_len != 0 ? UART_LSR_DR : 0);
    u->lsr_errors = 0;
    return value;
}

static uint8_t read_msr(struct vuart *u) {
    uint8_t value = modem_lines(u) | u->msr_deltas;
    u->msr_deltas = 0;
    return value;
}

static uint8_t read_register(struct vuart *u, unsigned offset) {
    bool dlab = (u->lcr & UART_LCR_DLAB) != 0;
    switch (offset) {
    case UART_RBR:
        return dlab ? u->dll : rx_pop(u);
    case UART_IER:
        return dlab ? u->dlm : u->ier;
    case UART_IIR:
        return read_iir(u);
    case UART_LCR:
        return u->lcr;
    case UART_MCR:
        return u->mcr;
    case UART_LSR:
        return read_lsr(u);
    case UART_MSR:
        return read_msr(u);
    case UART_SCR:
        return u->scr;
    default:
        return 0xff;
    }
}

static void write_register(struct vuart *u, unsigned offset, uint8_t value) {
    bool dlab = (u->lcr & UART_LCR_DLAB) != 0;
    switch (offset) {
    case UART_THR:
        if (dlab)
            u->dll = value;
        else
            write_thr(u, value);
        break;
    case UART_IER:
        if (dlab)
            u->dlm = value;
        else
            write_ier(u, value);
        break;
    case UART_FCR:
        write_fcr(u, value);
        break;
    case UART_LCR:
        u->lcr = value;
        break;
    case UART_MCR:
        write_mcr(u, value);
        break;
    case UART_SCR:
        u->scr = value;
        break;
    default: /* LSR and MSR are read-only */
        break;
    }
}

static uint8_t read_octet(void *dev, uint16_t port) {
    struct vuart *u = dev;
    uint8_t value = read_register(u, (uint16_t)(port - u->base));
    update_irq(u);
    return value;
}

static void write_octet(void *dev, uint16_t port, uint8_t value) {
    struct vuart *u = dev;
    write_register(u, (uint16_t)(port - u->base), value);
    update_irq(u);
}

static uint32_t vuart_read(void *dev, uint16_t port, unsigned size) {
    return pio8_read(dev, port, size, read_octet);
}

static void vuart_write(void *dev, uint16_t port, unsigned size, uint32_t value) {
    pio8_write(dev, port, size, value, write_octet);
}

void vuart_init(struct vuart *u, uint16_t base, struct irq_line irq) {
    memset(u, 0, sizeof(*u));
    u->base = base;
    u->irq = irq;
    u->dll = 1; /* 115200 baud */
    u->lcr = UART_LCR_8N1;
}

result_t vuart_attach(struct vuart *u, struct bus *bus) {
    return bus_add_pio(bus, &(struct pio_handler){u->base, (uint16_t)(u->base + UART_PORTS - 1), vuart_read,
                                                  vuart_write, u, "uart"});
}

size_t vuart_receive(struct vuart *u, const void *buf, size_t len) {
    const uint8_t *in = buf;
    size_t taken = 0;
    if (is_looped(u)) /* the input pin is disconnected */
        return 0;
    while (taken < len && u->rx_len < VUART_RX_BYTES)
        rx_push(u, in[taken++]);
    update_irq(u);
    return taken;
}

size_t vuart_drain(struct vuart *u, void *buf, size_t cap) {
    size_t total = MIN(cap, (size_t)u->tx_len);
    size_t first = MIN(total, (size_t)(VUART_TX_BYTES - u->tx_head));
    memcpy(buf, u->tx + u->tx_head, first);
    memcpy((uint8_t *)buf + first, u->tx, total - first);
    u->tx_head = (u->tx_head + (uint32_t)total) % VUART_TX_BYTES;
    u->tx_len -= (uint32_t)total;
    return total;
}

/* A ring as its length and its octets in order; after loading it begins at index 0. */
static void ring_snapshot(uint8_t *ring, uint32_t size, uint32_t *head, uint32_t *len, struct snap *s) {
    snap_u32(s, len);
    snap_require(s, *len <= size);
    if (s->loading) {
        *head = 0;
        *len = s->status == OK ? *len : 0;
    }
    uint32_t first = MIN(*len, size - *head);
    snap_bytes(s, ring + *head, first);
    snap_bytes(s, ring, *len - first);
}

void vuart_snapshot(struct vuart *u, struct snap *s) {
    snap_u8(s, &u->ier);
    snap_require(s, (u->ier & ~UART_IER_MASK) == 0);
    snap_u8(s, &u->fcr);
    snap_require(s, (u->fcr & ~UART_FCR_STORED) == 0);
    snap_u8(s, &u->lcr);
    snap_u8(s, &u->mcr);
    snap_require(s, (u->mcr & ~UART_MCR_MASK) == 0);
    snap_u8(s, &u->scr);
    snap_u8(s, &u->dll);
    snap_u8(s, &u->dlm);
    snap_u8(s, &u->lsr_errors);
    snap_require(s, (u->lsr_errors & ~UART_LSR_OE) == 0);
    snap_u8(s, &u->msr_deltas);
    snap_require(s, (u->msr_deltas & ~UART_MSR_DELTAS) == 0);
    snap_bool(s, &u->thr_pending);
    snap_u64(s, &u->tx_dropped);
    ring_snapshot(u->rx, VUART_RX_BYTES, &u->rx_head, &u->rx_len, s);
    ring_snapshot(u->tx, VUART_TX_BYTES, &u->tx_head, &u->tx_len, s);
}
