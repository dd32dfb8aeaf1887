/* SPDX-License-Identifier: MIT */
#include "guest/vpit.h"

#include "guest/pio8.h"
#include "kernel/hw/i8254_regs.h"

#define REFRESH_NS 15085u /* one DRAM refresh request; port 0x61 bit 4 changes with each */
#define TICK_LIMIT BIT(54) /* far beyond any guest's life; keeps loaded values out of overflow */

uint64_t vpit_ticks(uint64_t ns) {
    return ns / NSEC_PER_SEC * I8254_HZ + ns % NSEC_PER_SEC * I8254_HZ / NSEC_PER_SEC;
}

uint64_t vpit_tick_ns(uint64_t tick) {
    return tick / I8254_HZ * NSEC_PER_SEC + (tick % I8254_HZ * NSEC_PER_SEC + I8254_HZ - 1) / I8254_HZ;
}

static uint64_t now_ticks(const struct vpit *p) {
    return vpit_ticks(vclock_ns(p->clock));
}

static unsigned mode_of(const struct vpit_channel *c) {
    return c->control >> I8254_CONTROL_MODE_SHIFT & I8254_CONTROL_MODE_MASK;
}

static unsigned rw_of(const struct vpit_channel *c) {
    return c->control >> I8254_CONTROL_RW_SHIFT & I8254_CONTROL_RW_MASK;
}

static bool is_bcd(const struct vpit_channel *c) {
    return (c->control & I8254_CONTROL_BCD) != 0;
}

static bool is_periodic(const struct vpit_channel *c) {
    return mode_of(c) == 2 || mode_of(c) == 3;
}

static bool is_triggered(const struct vpit_channel *c) {
    return mode_of(c) == 1 || mode_of(c) == 5;
}

static uint32_t from_bcd(uint32_t v) {
    return (v >> 12 & 15) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static uint32_t to_bcd(uint32_t v) {
    return (v / 1000 % 10) << 12 | (v / 100 % 10) << 8 | (v / 10 % 10) << 4 | v % 10;
}

/* Take over the count that was written during a period, once that period has ended. */
static void settle(struct vpit_channel *c, uint64_t now) {
    if (!c->has_pending || !is_periodic(c) || !c->loaded || c->halted)
        return;
    /* load_count moved `start` to the period in which the count was written */
    if (now < c->start + c->count)
        return;
    c->start += c->count;
    c->count = c->pending;
    c->has_pending = false;
}

/* Ticks since the load; 0 while the load is still to come. */
static uint64_t elapsed(const struct vpit_channel *c, uint64_t now) {
    if (c->halted)
        return c->start;
    return now > c->start ? now - c->start : 0;
}

static bool out_level(const struct vpit_channel *c, uint64_t now) {
    unsigned mode = mode_of(c);
    uint64_t t = elapsed(c, now);
    if (!c->loaded)
        return mode != 0;
    switch (mode) {
    case 0:
    case 1:
        return t >= c->count;
    case 2:
        return !c->gate || t % c->count != c->count - 1;
    case 3:
        return !c->gate || t % c->count < (c->count + 1) / 2;
    default:
        return t != c->count;
    }
}

/* The counting element, as the guest reads it. */
static uint16_t count_value(const struct vpit_channel *c, uint64_t now) {
    uint64_t t = c->loaded ? elapsed(c, now) : 0;
    uint32_t modulus = is_bcd(c) ? 10000 : 65536;
    uint32_t value;
    if (mode_of(c) == 2) {
        value = c->count - (uint32_t)(t % c->count);
    } else if (mode_of(c) == 3) {
        uint32_t phase = (uint32_t)(t % c->count);
        uint32_t high = (c->count + 1) / 2;
        value = (c->count & ~1u) - 2 * (phase < high ? phase : phase - high);
    } else {
        value = (c->count % modulus + modulus - (uint32_t)(t % modulus)) % modulus;
    }
    value %= modulus;
    return (uint16_t)(is_bcd(c) ? to_bcd(value) : value);
}

/* The first rise of OUT after tick `after`. */
static uint64_t next_rise(const struct vpit_channel *c, uint64_t after) {
    if (!c->loaded || c->halted || is_triggered(c))
        return VCLOCK_NEVER;
    if (!is_periodic(c)) {
        uint64_t rise = c->start + c->count + (mode_of(c) == 4 ? 1 : 0);
        return rise > after ? rise : VCLOCK_NEVER;
    }
    if (c->has_pending && c->start + c->count > after)
        return c->start + c->count;
    uint64_t period = c->count;
    if (period < VPIT_MIN_PERIOD)
        period *= (VPIT_MIN_PERIOD + period - 1) / period;
    return after < c->start ? c->start + period : c->start + ((after - c->start) / period + 1) * period;
}

/* Load the counting element; the chip does it with the next clock. */
static void start_count(struct vpit_channel *c, uint32_t count, uint64_t now) {
    c->count = count;
    c->has_pending = false;
    c->loaded = true;
    c->halted = !c->gate && !is_triggered(c);
    c->start = c->halted ? 0 : now + 1;
}

static void load_count(struct vpit_channel *c, uint32_t raw, uint64_t now) {
    uint32_t count = is_bcd(c) ? from_bcd(raw) : raw;
    if (count == 0)
        count = is_bcd(c) ? 10000 : 65536;
    if (is_triggered(c)) {
        c->pending = count;
        c->has_pending = true;
    } else if (is_periodic(c) && c->loaded && !c->halted && now >= c->start) {
        c->start += (now - c->start) / c->count * c->count;
        c->pending = count;
        c->has_pending = true;
    } else {
        start_count(c, count, now);
    }
}

static void write_data(struct vpit_channel *c, uint8_t value, uint64_t now) {
    switch (rw_of(c)) {
    case I8254_RW_LSB:
        load_count(c, value, now);
        break;
    case I8254_RW_MSB:
        load_count(c, (uint32_t)value << 8, now);
        break;
    case I8254_RW_LSB_MSB:
        if (!c->write_msb) {
            c->write_lsb = value;
            if (mode_of(c) == 0)
                c->loaded = false; /* the first octet stops the count and drops OUT */
        } else {
            load_count(c, (uint32_t)value << 8 | c->write_lsb, now);
        }
        c->write_msb = !c->write_msb;
        break;
    default: /* never programmed */
        break;
    }
}

static void latch_count(struct vpit_channel *c, uint64_t now) {
    if (c->latched_octets != 0)
        return; /* a second latch command is ignored until the first is read */
    uint16_t value = count_value(c, now);
    c->latched = rw_of(c) == I8254_RW_MSB ? value >> 8 : value;
    c->latched_octets = rw_of(c) == I8254_RW_LSB_MSB ? 2 : 1;
}

static void latch_status(struct vpit_channel *c, uint64_t now) {
    if (c->has_status)
        return;
    bool null_count = c->has_pending || !c->loaded || (!c->halted && now < c->start);
    c->has_status = true;
    c->status = (uint8_t)(c->control | (out_level(c, now) ? I8254_STATUS_OUT : 0) |
                          (null_count ? I8254_STATUS_NULL_COUNT : 0));
}

static uint8_t read_data(struct vpit_channel *c, uint64_t now) {
    if (c->has_status) {
        c->has_status = false;
        return c->status;
    }
    if (c->latched_octets != 0) {
        uint8_t octet = (uint8_t)c->latched;
        c->latched >>= 8;
        c->latched_octets--;
        return octet;
    }
    uint16_t value = count_value(c, now);
    if (rw_of(c) == I8254_RW_LSB)
        return (uint8_t)value;
    if (rw_of(c) == I8254_RW_MSB)
        return (uint8_t)(value >> 8);
    c->read_msb = !c->read_msb;
    return (uint8_t)(c->read_msb ? value : value >> 8);
}

static void write_control(struct vpit *p, uint8_t value, uint64_t now) {
    unsigned select = value >> I8254_CONTROL_SELECT_SHIFT;
    if (select == I8254_SELECT_READ_BACK) {
        for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
            if ((value & I8254_READ_BACK_CHANNEL0 << i) == 0)
                continue;
            settle(&p->channel[i], now);
            if ((value & I8254_READ_BACK_NO_COUNT) == 0)
                latch_count(&p->channel[i], now);
            if ((value & I8254_READ_BACK_NO_STATUS) == 0)
                latch_status(&p->channel[i], now);
        }
        return;
    }
    struct vpit_channel *c = &p->channel[select];
    settle(c, now);
    if ((value >> I8254_CONTROL_RW_SHIFT & I8254_CONTROL_RW_MASK) == I8254_RW_LATCH) {
        latch_count(c, now);
        return;
    }
    value &= 0x3f;
    if ((value >> I8254_CONTROL_MODE_SHIFT & I8254_CONTROL_MODE_MASK) >= 6)
        value = (uint8_t)(value & ~(4u << I8254_CONTROL_MODE_SHIFT));
    *c = (struct vpit_channel){.control = value, .gate = c->gate, .count = c->count, .pending = c->pending};
}

/* Channel 2's gate, the only one that the PC wires to a register. */
static void set_gate(struct vpit_channel *c, bool level, uint64_t now) {
    if (c->gate == level)
        return;
    settle(c, now);
    c->gate = level;
    if (is_triggered(c)) {
        if (level && (c->has_pending || c->loaded))
            start_count(c, c->has_pending ? c->pending : c->count, now);
    } else if (c->loaded && !level) {
        c->start = elapsed(c, now);
        c->halted = true;
    } else if (c->loaded && is_periodic(c)) {
        start_count(c, c->has_pending ? c->pending : c->count, now);
    } else if (c->loaded) {
        c->start = now - c->start;
        c->halted = false;
    }
}

static uint8_t read_octet(void *dev, uint16_t port) {
    struct vpit *p = dev;
    if (port >= I8254_PORT_CONTROL) /* the control word cannot be read */
        return 0xff;
    uint64_t now = now_ticks(p);
    struct vpit_channel *c = &p->channel[port - I8254_PORT_CHANNEL0];
    settle(c, now);
    return read_data(c, now);
}

static void write_octet(void *dev, uint16_t port, uint8_t value) {
    struct vpit *p = dev;
    if (port > I8254_PORT_CONTROL)
        return;
    vpit_run(p); /* an edge that is due belongs to the old programming */
    uint64_t now = now_ticks(p);
    if (port == I8254_PORT_CONTROL) {
        write_control(p, value, now);
    } else {
        settle(&p->channel[port - I8254_PORT_CHANNEL0], now);
        write_data(&p->channel[port - I8254_PORT_CHANNEL0], value, now);
    }
    p->next_edge = next_rise(&p->channel[0], now);
}

static uint32_t vpit_read(void *dev, uint16_t port, unsigned size) {
    return pio8_read(dev, port, size, read_octet);
}

static void vpit_write(void *dev, uint16_t port, unsigned size, uint32_t value) {
    pio8_write(dev, port, size, value, write_octet);
}

static uint32_t read_port61(void *dev, uint16_t port, unsigned size) {
    struct vpit *p = dev;
    uint64_t ns = vclock_ns(p->clock);
    uint64_t now = vpit_ticks(ns);
    uint32_t value = p->port61;
    (void)port, (void)size;
    settle(&p->channel[2], now);
    if (out_level(&p->channel[2], now))
        value |= PORT61_OUT2;
    if ((ns / REFRESH_NS & 1) != 0)
        value |= PORT61_REFRESH;
    return value;
}

static void write_port61(void *dev, uint16_t port, unsigned size, uint32_t value) {
    struct vpit *p = dev;
    (void)port, (void)size;
    p->port61 = (uint8_t)(value & PORT61_WRITABLE);
    set_gate(&p->channel[2], (value & PORT61_GATE2) != 0, now_ticks(p));
}

void vpit_init(struct vpit *p, const struct vclock *clock, struct irq_line irq0) {
    *p = (struct vpit){.clock = clock, .irq0 = irq0, .next_edge = VCLOCK_NEVER};
    for (unsigned i = 0; i < VPIT_CHANNELS; i++)
        p->channel[i] = (struct vpit_channel){.gate = i != 2, .count = 65536, .pending = 65536};
}

result_t vpit_attach(struct vpit *p, struct bus *bus) {
    result_t r = bus_add_pio(bus, &(struct pio_handler){I8254_PORT_CHANNEL0, I8254_PORT_CONTROL, vpit_read,
                                                        vpit_write, p, "pit"});
    if (r != OK)
        return r;
    return bus_add_pio(bus, &(struct pio_handler){PORT61, PORT61, read_port61, write_port61, p, "port61"});
}

uint64_t vpit_next_event(const struct vpit *p) {
    return p->next_edge == VCLOCK_NEVER ? VCLOCK_NEVER : vpit_tick_ns(p->next_edge);
}

void vpit_run(struct vpit *p) {
    uint64_t now = now_ticks(p);
    if (now < p->next_edge)
        return;
    settle(&p->channel[0], now);
    p->next_edge = next_rise(&p->channel[0], now);
    irq_line_pulse(&p->irq0);
}

static void channel_snapshot(struct vpit_channel *c, struct snap *s) {
    snap_u8(s, &c->control);
    snap_require(s, c->control < 0x40 && mode_of(c) < 6);
    snap_bool(s, &c->gate);
    snap_bool(s, &c->loaded);
    snap_bool(s, &c->halted);
    snap_bool(s, &c->write_msb);
    snap_bool(s, &c->read_msb);
    snap_bool(s, &c->has_pending);
    snap_u8(s, &c->write_lsb);
    snap_u8(s, &c->latched_octets);
    snap_require(s, c->latched_octets <= 2);
    snap_u16(s, &c->latched);
    snap_bool(s, &c->has_status);
    snap_u8(s, &c->status);
    snap_u32(s, &c->count);
    snap_require(s, c->count >= 1 && c->count <= 65536);
    snap_u32(s, &c->pending);
    snap_require(s, c->pending >= 1 && c->pending <= 65536);
    snap_u64(s, &c->start);
    snap_require(s, c->start < TICK_LIMIT);
}

void vpit_snapshot(struct vpit *p, struct snap *s) {
    for (unsigned i = 0; i < VPIT_CHANNELS; i++)
        channel_snapshot(&p->channel[i], s);
    snap_u8(s, &p->port61);
    snap_require(s, (p->port61 & ~PORT61_WRITABLE) == 0);
    snap_u64(s, &p->next_edge);
    snap_require(s, p->next_edge < TICK_LIMIT || p->next_edge == VCLOCK_NEVER);
}
