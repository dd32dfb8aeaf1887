/* SPDX-License-Identifier: MIT */
#include "guest/vpic.h"

#include <string.h>

#include "guest/pio8.h"

#define MASTER 0
#define SLAVE 1
#define NONE (-1)
#define SPURIOUS 7u

static const uint8_t elcr_writable[2] = {I8259_ELCR_MASTER_WRITABLE, I8259_ELCR_SLAVE_WRITABLE};

/* How far an input is from the highest priority (0..7); 8 = no bit set. */
static unsigned priority_of(const struct vpic_chip *c, uint8_t mask) {
    if (mask == 0)
        return 8;
    unsigned rotated = ((unsigned)mask << 8 | mask) >> c->lowest_next;
    return (unsigned)__builtin_ctz(rotated);
}

/* The input that this chip asks for, or NONE. */
static int requested(const struct vpic_chip *c, bool is_master) {
    unsigned want = priority_of(c, c->irr & (uint8_t)~c->imr);
    if (want == 8)
        return NONE;
    uint8_t in_service = c->isr;
    if (c->special_mask)
        in_service &= (uint8_t)~c->imr;
    if (c->nested && is_master)
        in_service &= (uint8_t)~(1u << I8259_CASCADE_IRQ);
    if (want >= priority_of(c, in_service))
        return NONE;
    return (int)((want + c->lowest_next) & 7);
}

/* Returns whether a request came or went. */
static bool set_input(struct vpic_chip *c, unsigned input, bool level) {
    uint8_t bit = (uint8_t)(1u << input), before = c->irr;
    bool rising = level && (c->lines & bit) == 0;
    c->lines = level ? c->lines | bit : c->lines & (uint8_t)~bit;
    if ((c->elcr & bit) != 0)
        c->irr = level ? c->irr | bit : c->irr & (uint8_t)~bit;
    else if (rising)
        c->irr |= bit;
    return c->irr != before;
}

/* The slave's output is the master's input 2: a level while the slave asks. */
static void update_cascade(struct vpic *p) {
    struct vpic_chip *master = &p->chip[MASTER];
    uint8_t bit = (uint8_t)(1u << I8259_CASCADE_IRQ);
    bool asks = requested(&p->chip[SLAVE], false) != NONE;
    master->lines = asks ? master->lines | bit : master->lines & (uint8_t)~bit;
    master->irr = asks ? master->irr | bit : master->irr & (uint8_t)~bit;
}

static void set_output(struct vpic *p, bool level) {
    if (p->intr == level)
        return;
    p->intr = level;
    irq_line_set(&p->out, level);
}

static void update(struct vpic *p) {
    update_cascade(p);
    set_output(p, requested(&p->chip[MASTER], true) != NONE);
}

void vpic_init(struct vpic *p, struct irq_line out) {
    memset(p, 0, sizeof *p);
    p->out = out;
}

void vpic_set_irq(struct vpic *p, unsigned irq, bool level) {
    if (irq >= 16 || irq == I8259_CASCADE_IRQ)
        return;
    if (set_input(&p->chip[irq >> 3], irq & 7, level))
        update(p);
}

/* One chip's half of an INTA cycle. */
static void take(struct vpic_chip *c, unsigned input) {
    uint8_t bit = (uint8_t)(1u << input);
    if ((c->elcr & bit) == 0)
        c->irr &= (uint8_t)~bit;
    if (!c->auto_eoi)
        c->isr |= bit;
    else if (c->rotate_auto_eoi)
        c->lowest_next = (uint8_t)((input + 1) & 7);
}

uint8_t vpic_ack(struct vpic *p) {
    struct vpic_chip *master = &p->chip[MASTER], *slave = &p->chip[SLAVE];
    int input = requested(master, true);
    uint8_t vector = (uint8_t)(master->vector_base + SPURIOUS);
    if (input == (int)I8259_CASCADE_IRQ) {
        int behind = requested(slave, false);
        if (behind != NONE)
            take(slave, (unsigned)behind);
        vector = (uint8_t)(slave->vector_base + (behind != NONE ? (unsigned)behind : SPURIOUS));
    } else if (input != NONE) {
        vector = (uint8_t)(master->vector_base + (unsigned)input);
    }
    if (input != NONE)
        take(master, (unsigned)input);
    set_output(p, false); /* INTR drops in the cycle: an edge-triggered receiver must see the next request */
    update(p);
    return vector;
}

uint8_t vpic_peek(const struct vpic *p) {
    int input = requested(&p->chip[MASTER], true);
    if (input != (int)I8259_CASCADE_IRQ)
        return (uint8_t)(p->chip[MASTER].vector_base + (input == NONE ? SPURIOUS : (unsigned)input));
    int behind = requested(&p->chip[SLAVE], false);
    return (uint8_t)(p->chip[SLAVE].vector_base + (behind == NONE ? SPURIOUS : (unsigned)behind));
}

static void write_icw1(struct vpic_chip *c, uint8_t value) {
    c->irr &= c->elcr; /* the edge latches are cleared; a wire that is high needs a new edge */
    c->imr = 0;
    c->isr = 0;
    c->vector_base = 0;
    c->lowest_next = 0;
    c->read_isr = c->poll = c->special_mask = c->auto_eoi = c->rotate_auto_eoi = c->nested = false;
    c->needs_icw4 = (value & I8259_ICW1_NEEDS_ICW4) != 0;
    c->single = (value & I8259_ICW1_SINGLE) != 0;
    c->init_step = 2;
}

static void end_of_interrupt(struct vpic_chip *c, unsigned input, bool rotate) {
    c->isr &= (uint8_t)~(1u << input);
    if (rotate)
        c->lowest_next = (uint8_t)((input + 1) & 7);
}

/* Not specific: the interrupt in service of highest priority. */
static void end_of_highest(struct vpic_chip *c, bool rotate) {
    uint8_t in_service = c->special_mask ? c->isr & (uint8_t)~c->imr : c->isr;
    unsigned priority = priority_of(c, in_service);
    if (priority < 8)
        end_of_interrupt(c, (priority + c->lowest_next) & 7, rotate);
}

static void write_ocw2(struct vpic_chip *c, uint8_t value) {
    unsigned input = value & I8259_OCW2_LEVEL_MASK;
    switch (value >> I8259_OCW2_COMMAND_SHIFT) {
    case I8259_OCW2_ROTATE_AEOI_CLEAR:
        c->rotate_auto_eoi = false;
        break;
    case I8259_OCW2_ROTATE_AEOI_SET:
        c->rotate_auto_eoi = true;
        break;
    case I8259_OCW2_EOI:
    case I8259_OCW2_ROTATE_EOI:
        end_of_highest(c, value >> I8259_OCW2_COMMAND_SHIFT == I8259_OCW2_ROTATE_EOI);
        break;
    case I8259_OCW2_EOI_SPECIFIC:
    case I8259_OCW2_ROTATE_EOI_SPECIFIC:
        end_of_interrupt(c, input, value >> I8259_OCW2_COMMAND_SHIFT == I8259_OCW2_ROTATE_EOI_SPECIFIC);
        break;
    case I8259_OCW2_SET_PRIORITY:
        c->lowest_next = (uint8_t)((input + 1) & 7);
        break;
    default:
        break;
    }
}

static void write_ocw3(struct vpic_chip *c, uint8_t value) {
    c->poll = (value & I8259_OCW3_POLL) != 0;
    if ((value & I8259_OCW3_READ) != 0)
        c->read_isr = (value & I8259_OCW3_READ_ISR) != 0;
    if ((value & I8259_OCW3_SPECIAL_MASK_WRITE) != 0)
        c->special_mask = (value & I8259_OCW3_SPECIAL_MASK) != 0;
}

static void write_command(struct vpic_chip *c, uint8_t value) {
    if ((value & I8259_ICW1) != 0)
        write_icw1(c, value);
    else if ((value & I8259_OCW3) != 0)
        write_ocw3(c, value);
    else
        write_ocw2(c, value);
}

static void write_data(struct vpic_chip *c, uint8_t value) {
    switch (c->init_step) {
    case 2:
        c->vector_base = value & I8259_ICW2_VECTOR_MASK;
        c->init_step = !c->single ? 3 : c->needs_icw4 ? 4 : 0;
        return;
    case 3: /* which input the cascade is on: fixed by the wiring of a PC */
        c->init_step = c->needs_icw4 ? 4 : 0;
        return;
    case 4:
        c->auto_eoi = (value & I8259_ICW4_AEOI) != 0;
        c->nested = (value & I8259_ICW4_NESTED) != 0;
        c->init_step = 0;
        return;
    default:
        c->imr = value;
        return;
    }
}

/* A poll is an acknowledge by software. */
static uint8_t read_poll(struct vpic *p, unsigned which) {
    struct vpic_chip *c = &p->chip[which];
    c->poll = false;
    int input = requested(c, which == MASTER);
    if (input == NONE)
        return 0;
    take(c, (unsigned)input);
    return (uint8_t)(I8259_POLL_PENDING | (unsigned)input);
}

static uint8_t port_read(void *dev, uint16_t port) {
    struct vpic *p = dev;
    uint8_t value;
    switch (port) {
    case I8259_MASTER_COMMAND:
    case I8259_MASTER_DATA:
    case I8259_SLAVE_COMMAND:
    case I8259_SLAVE_DATA:
        break;
    case I8259_ELCR_MASTER:
    case I8259_ELCR_SLAVE:
        return p->chip[port - I8259_ELCR_MASTER].elcr;
    default:
        return 0xff;
    }
    unsigned which = port >= I8259_SLAVE_COMMAND ? SLAVE : MASTER;
    struct vpic_chip *c = &p->chip[which];
    if (c->poll)
        value = read_poll(p, which);
    else if ((port & 1) != 0)
        return c->imr;
    else
        return c->read_isr ? c->isr : c->irr;
    update(p);
    return value;
}

static void write_elcr(struct vpic *p, unsigned which, uint8_t value) {
    struct vpic_chip *c = &p->chip[which];
    c->elcr = value & elcr_writable[which];
    c->irr = (uint8_t)((c->irr & ~c->elcr) | (c->lines & c->elcr));
}

static void port_write(void *dev, uint16_t port, uint8_t value) {
    struct vpic *p = dev;
    switch (port) {
    case I8259_MASTER_COMMAND:
        write_command(&p->chip[MASTER], value);
        break;
    case I8259_MASTER_DATA:
        write_data(&p->chip[MASTER], value);
        break;
    case I8259_SLAVE_COMMAND:
        write_command(&p->chip[SLAVE], value);
        break;
    case I8259_SLAVE_DATA:
        write_data(&p->chip[SLAVE], value);
        break;
    case I8259_ELCR_MASTER:
    case I8259_ELCR_SLAVE:
        write_elcr(p, port - I8259_ELCR_MASTER, value);
        break;
    default:
        return;
    }
    update(p);
}

static uint32_t pic_read(void *dev, uint16_t port, unsigned size) {
    return pio8_read(dev, port, size, port_read);
}

static void pic_write(void *dev, uint16_t port, unsigned size, uint32_t value) {
    pio8_write(dev, port, size, value, port_write);
}

result_t vpic_attach(struct vpic *p, struct bus *bus) {
    static const uint16_t first[] = {I8259_MASTER_COMMAND, I8259_SLAVE_COMMAND, I8259_ELCR_MASTER};
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        struct pio_handler h = {first[i], (uint16_t)(first[i] + 1), pic_read, pic_write, p, "pic"};
        result_t r = bus_add_pio(bus, &h);
        if (r != OK)
            return r;
    }
    return OK;
}

static void chip_snapshot(struct vpic_chip *c, struct snap *s) {
    snap_u8(s, &c->irr);
    snap_u8(s, &c->imr);
    snap_u8(s, &c->isr);
    snap_u8(s, &c->lines);
    snap_u8(s, &c->elcr);
    snap_u8(s, &c->vector_base);
    snap_u8(s, &c->lowest_next);
    snap_require(s, c->lowest_next < 8);
    snap_u8(s, &c->init_step);
    snap_require(s, c->init_step == 0 || (c->init_step >= 2 && c->init_step <= 4));
    snap_bool(s, &c->needs_icw4);
    snap_bool(s, &c->single);
    snap_bool(s, &c->read_isr);
    snap_bool(s, &c->poll);
    snap_bool(s, &c->special_mask);
    snap_bool(s, &c->auto_eoi);
    snap_bool(s, &c->rotate_auto_eoi);
    snap_bool(s, &c->nested);
}

void vpic_snapshot(struct vpic *p, struct snap *s) {
    chip_snapshot(&p->chip[MASTER], s);
    chip_snapshot(&p->chip[SLAVE], s);
    snap_bool(s, &p->intr);
}
