/* SPDX-License-Identifier: MIT */
#include "guest/vpm.h"

#include "guest/pio8.h"
#include "kernel/hw/acpi_pm_regs.h"

#define CARRY_TICKS BIT(ACPI_PM_TIMER_BITS - 1) /* the status bit follows each change of the highest bit */

uint64_t vpm_timer_ticks(uint64_t ns) {
    return ns / NSEC_PER_SEC * ACPI_PM_TIMER_HZ + ns % NSEC_PER_SEC * ACPI_PM_TIMER_HZ / NSEC_PER_SEC;
}

/* The first ns at which the timer has counted `ticks`. */
static uint64_t timer_ns(uint64_t ticks) {
    return ticks / ACPI_PM_TIMER_HZ * NSEC_PER_SEC +
           (ticks % ACPI_PM_TIMER_HZ * NSEC_PER_SEC + ACPI_PM_TIMER_HZ - 1) / ACPI_PM_TIMER_HZ;
}

static uint64_t next_carry_ns(uint64_t now_ns) {
    return timer_ns((vpm_timer_ticks(now_ns) / CARRY_TICKS + 1) * CARRY_TICKS);
}

static void update_sci(struct vpm *p) {
    irq_line_set(&p->sci, (p->pm1_sts & p->pm1_en) != 0);
}

static void update_carry(struct vpm *p) {
    uint64_t now = vclock_ns(p->clock);
    if (now < p->carry_ns)
        return;
    p->pm1_sts |= ACPI_PM1_TMR;
    p->carry_ns = next_carry_ns(now);
}

static void write_control_high(struct vpm *p, uint8_t value) {
    uint32_t word = (uint32_t)value << 8;
    p->pm1_cnt = (uint16_t)((p->pm1_cnt & 0xff) | (word & ACPI_PM1_SLP_TYP_MASK << ACPI_PM1_SLP_TYP_SHIFT));
    if ((word & ACPI_PM1_SLP_EN) == 0)
        return;
    uint32_t type = word >> ACPI_PM1_SLP_TYP_SHIFT & ACPI_PM1_SLP_TYP_MASK;
    if (type == VPM_SLP_TYP_S5 && p->ops.power_off != NULL)
        p->ops.power_off(p->ops.ctx);
}

static uint8_t octet_of(uint32_t value, unsigned index) {
    return (uint8_t)(value >> (8 * index));
}

static uint16_t with_octet(uint16_t word, unsigned index, uint8_t octet, uint32_t mask) {
    uint32_t lane = 0xffu << (8 * index);
    return (uint16_t)(((word & ~lane) | ((uint32_t)octet << (8 * index))) & mask);
}

static uint8_t read_octet(void *dev, uint16_t port) {
    struct vpm *p = dev;
    unsigned lane = port & 1;
    switch (port & ~1u) {
    case VPM_PM1A_EVT:
        return octet_of(p->pm1_sts, lane);
    case VPM_PM1A_EVT + 2:
        return octet_of(p->pm1_en, lane);
    case VPM_PM1A_CNT:
        return octet_of(p->pm1_cnt | ACPI_PM1_SCI_EN, lane);
    case VPM_PM_TMR:
    case VPM_PM_TMR + 2:
        return octet_of((uint32_t)vpm_timer_ticks(vclock_ns(p->clock)), port - VPM_PM_TMR);
    case VPM_GPE0 + 2:
        return octet_of(p->gpe_en, lane);
    default: /* reserved, and GPE0 status: no event has ever come */
        return 0;
    }
}

static void write_octet(void *dev, uint16_t port, uint8_t value) {
    struct vpm *p = dev;
    unsigned lane = port & 1;
    switch (port & ~1u) {
    case VPM_PM1A_EVT: /* one clears */
        p->pm1_sts &= (uint16_t)~((uint32_t)value << (8 * lane));
        break;
    case VPM_PM1A_EVT + 2:
        p->pm1_en = with_octet(p->pm1_en, lane, value, ACPI_PM1_EN_MASK);
        break;
    case VPM_PM1A_CNT:
        if (lane == 1)
            write_control_high(p, value);
        else
            p->pm1_cnt = (uint16_t)((p->pm1_cnt & 0xff00) | (value & ACPI_PM1_BM_RLD));
        break;
    case VPM_GPE0 + 2:
        p->gpe_en = with_octet(p->gpe_en, lane, value, 0xffff);
        break;
    default: /* the timer and GPE0 status do not change by writing */
        break;
    }
}

static uint32_t vpm_read(void *dev, uint16_t port, unsigned size) {
    struct vpm *p = dev;
    update_carry(p);
    update_sci(p);
    if (port == VPM_PM_TMR && size == 4) /* one moment for all four octets */
        return (uint32_t)vpm_timer_ticks(vclock_ns(p->clock));
    return pio8_read(dev, port, size, read_octet);
}

static void vpm_write(void *dev, uint16_t port, unsigned size, uint32_t value) {
    struct vpm *p = dev;
    update_carry(p);
    pio8_write(dev, port, size, value, write_octet);
    update_sci(p);
}

static void ask_reset(struct vpm *p) {
    if (p->ops.reset != NULL)
        p->ops.reset(p->ops.ctx);
}

static uint32_t read_reset(void *dev, uint16_t port, unsigned size) {
    struct vpm *p = dev;
    (void)port, (void)size;
    return p->port_reset;
}

static void write_reset(void *dev, uint16_t port, unsigned size, uint32_t value) {
    struct vpm *p = dev;
    (void)port, (void)size;
    bool rises = (value & PC_RESET_CPU) != 0 && (p->port_reset & PC_RESET_CPU) == 0;
    p->port_reset = value & (PC_RESET_HARD | PC_RESET_CPU | PC_RESET_FULL);
    if (rises)
        ask_reset(p);
}

static uint32_t read_port_a(void *dev, uint16_t port, unsigned size) {
    struct vpm *p = dev;
    (void)port, (void)size;
    return p->port_a;
}

/* Address line 20 is always on; the bit is only remembered. */
static void write_port_a(void *dev, uint16_t port, unsigned size, uint32_t value) {
    struct vpm *p = dev;
    (void)port, (void)size;
    bool rises = (value & PC_PORT_A_RESET) != 0 && (p->port_a & PC_PORT_A_RESET) == 0;
    p->port_a = value & (PC_PORT_A_RESET | PC_PORT_A_A20);
    if (rises)
        ask_reset(p);
}

void vpm_init(struct vpm *p, const struct vclock *clock, struct irq_line sci, struct power_ops ops) {
    *p = (struct vpm){
        .clock = clock,
        .sci = sci,
        .ops = ops,
        .port_a = PC_PORT_A_A20,
        .carry_ns = next_carry_ns(vclock_ns(clock)),
    };
}

result_t vpm_attach(struct vpm *p, struct bus *bus) {
    const struct pio_handler handlers[] = {
        {VPM_BASE, VPM_BASE + VPM_LEN - 1, vpm_read, vpm_write, p, "pm"},
        {PC_PORT_RESET, PC_PORT_RESET, read_reset, write_reset, p, "reset"},
        {PC_PORT_A, PC_PORT_A, read_port_a, write_port_a, p, "port-a"},
    };
    result_t r = OK;
    for (unsigned i = 0; i < ARRAY_LEN(handlers) && r == OK; i++)
        r = bus_add_pio(bus, &handlers[i]);
    return r;
}

void vpm_press_power_button(struct vpm *p) {
    p->pm1_sts |= ACPI_PM1_PWRBTN;
    update_sci(p);
}

uint64_t vpm_next_event(const struct vpm *p) {
    if ((p->pm1_en & ACPI_PM1_TMR) == 0 || (p->pm1_sts & ACPI_PM1_TMR) != 0)
        return VCLOCK_NEVER;
    return p->carry_ns;
}

void vpm_run(struct vpm *p) {
    update_carry(p);
    update_sci(p);
}

void vpm_snapshot(struct vpm *p, struct snap *s) {
    snap_u16(s, &p->pm1_sts);
    snap_require(s, (p->pm1_sts & ~ACPI_PM1_STS_MASK) == 0);
    snap_u16(s, &p->pm1_en);
    snap_require(s, (p->pm1_en & ~ACPI_PM1_EN_MASK) == 0);
    snap_u16(s, &p->pm1_cnt);
    snap_require(s, (p->pm1_cnt & ~(ACPI_PM1_BM_RLD | ACPI_PM1_SLP_TYP_MASK << ACPI_PM1_SLP_TYP_SHIFT)) == 0);
    snap_u16(s, &p->gpe_en);
    snap_u8(s, &p->port_reset);
    snap_require(s, (p->port_reset & ~(PC_RESET_HARD | PC_RESET_CPU | PC_RESET_FULL)) == 0);
    snap_u8(s, &p->port_a);
    snap_require(s, (p->port_a & ~(PC_PORT_A_RESET | PC_PORT_A_A20)) == 0);
    snap_u64(s, &p->carry_ns);
}
