/* SPDX-License-Identifier: MIT */
/* vlapic_regs.c - the local APIC's registers, reached through the xAPIC page or the x2APIC MSRs.
 * Both name a register by its number: page offset / 16, or MSR - 0x800. */
#include "guest/vlapic_priv.h"

#define REG(offset) ((offset) >> 4)
#define NR_REGS 0x40u
#define SVR_WRITABLE \
    (LAPIC_SVR_VECTOR_MASK | (uint32_t)(LAPIC_SVR_ENABLE | LAPIC_SVR_FOCUS_OFF | LAPIC_SVR_EOI_SUPPRESS))

/* Bits of each local vector table entry that are kept. */
static const uint32_t lvt_writable[VLAPIC_NR_LVTS] = {
    [VLAPIC_LVT_TIMER] = 0x700ffu,   [VLAPIC_LVT_THERMAL] = 0x107ffu, [VLAPIC_LVT_PMI] = 0x107ffu,
    [VLAPIC_LVT_LINT0] = 0x1a7ffu,   [VLAPIC_LVT_LINT1] = 0x1a7ffu,   [VLAPIC_LVT_ERROR] = 0x100ffu,
};

/* x2APIC: bits that may be 1 in a WRMSR; other bits, and registers that are not here, are #GP. */
struct x2_write {
    bool exists;
    uint32_t allowed;
};
static const struct x2_write x2_write[NR_REGS] = {
    [REG(LAPIC_TPR)] = {true, 0xffu},
    [REG(LAPIC_EOI)] = {true, 0},
    [REG(LAPIC_SVR)] = {true, SVR_WRITABLE},
    [REG(LAPIC_ESR)] = {true, 0},
    [REG(LAPIC_LVT_TIMER)] = {true, 0x710ffu},
    [REG(LAPIC_LVT_THERMAL)] = {true, 0x117ffu},
    [REG(LAPIC_LVT_PMI)] = {true, 0x117ffu},
    [REG(LAPIC_LVT_LINT0)] = {true, 0x1f7ffu},
    [REG(LAPIC_LVT_LINT1)] = {true, 0x1f7ffu},
    [REG(LAPIC_LVT_ERROR)] = {true, 0x110ffu},
    [REG(LAPIC_TIMER_INIT)] = {true, 0xffffffffu},
    [REG(LAPIC_TIMER_DIVIDE)] = {true, LAPIC_TIMER_DIVIDE_MASK},
    [REG(LAPIC_SELF_IPI)] = {true, 0xffu},
};
#define X2_ICR_RESERVED 0xfff32000u

/* Registers that can be read: those of both modes, and those of xAPIC mode. */
#define R(offset) BIT(REG(offset))
#define R8(offset) (0xffull << REG(offset))
#define READABLE \
    (R(LAPIC_ID) | R(LAPIC_VERSION) | R(LAPIC_TPR) | R(LAPIC_PPR) | R(LAPIC_LDR) | R(LAPIC_SVR) | R8(LAPIC_ISR) | \
     R8(LAPIC_TMR) | R8(LAPIC_IRR) | R(LAPIC_ESR) | R(LAPIC_ICR_LOW) | R(LAPIC_LVT_TIMER) | R(LAPIC_LVT_THERMAL) | \
     R(LAPIC_LVT_PMI) | R(LAPIC_LVT_LINT0) | R(LAPIC_LVT_LINT1) | R(LAPIC_LVT_ERROR) | R(LAPIC_TIMER_INIT) | \
     R(LAPIC_TIMER_CURRENT) | R(LAPIC_TIMER_DIVIDE))
#define READABLE_XAPIC (READABLE | R(LAPIC_ICR_HIGH) | R(LAPIC_DFR) | R(LAPIC_APR) | R(LAPIC_RRD) | R(LAPIC_EOI))

static uint32_t reg_read(const struct vlapic *l, unsigned reg) {
    return reg == REG(LAPIC_TIMER_CURRENT) ? vlapic_timer_current(l) : vlapic_reg(l, reg << 4);
}

static void write_svr(struct vlapic *l, uint32_t value) {
    vlapic_fold(l); /* what came before belongs to the old state */
    vlapic_set_reg(l, LAPIC_SVR, value & SVR_WRITABLE);
    for (unsigned i = 0; !vlapic_is_sw_enabled(l) && i < VLAPIC_NR_LVTS; i++)
        vlapic_set_reg(l, VLAPIC_LVT(i), vlapic_reg(l, VLAPIC_LVT(i)) | (uint32_t)LAPIC_LVT_MASKED);
    vlapic_update_extint(l);
}

static void write_lvt(struct vlapic *l, unsigned index, uint32_t value) {
    value &= lvt_writable[index];
    if (!vlapic_is_sw_enabled(l))
        value |= (uint32_t)LAPIC_LVT_MASKED;
    if (index == VLAPIC_LVT_TIMER) {
        vlapic_timer_write_lvt(l, value);
        return;
    }
    __atomic_store_n(&l->page.word[VLAPIC_LVT(index) / 4], value, __ATOMIC_SEQ_CST); /* partner: heeds_lint in vlapic_take.c */
    if (index == VLAPIC_LVT_LINT0)
        vlapic_update_extint(l);
}

/* Source: SDM Vol. 3 "Interrupt Command Register (ICR)". */
static void send_ipi(struct vlapic *l, uint32_t low, uint32_t dest) {
    struct irq_msg msg = {
        .dest = dest,
        .vector = (uint8_t)low,
        .mode = (uint8_t)((low & LAPIC_ICR_MODE_MASK) >> LAPIC_ICR_MODE_SHIFT),
        .logical = (low & LAPIC_ICR_LOGICAL) != 0,
        .wide = l->x2apic,
    };
    if ((msg.mode == LAPIC_MODE_FIXED || msg.mode == LAPIC_MODE_LOWEST) && msg.vector < 16) {
        vlapic_error(l, (uint32_t)LAPIC_ESR_SEND_ILLEGAL);
        return;
    }
    if (msg.mode == LAPIC_MODE_INIT && (low & LAPIC_ICR_LEVEL) != 0 && (low & LAPIC_ICR_ASSERT) == 0)
        return; /* INIT level de-assert: ignored since the Pentium 4 */
    l->env->send(l->env->ctx, l, &msg, (low & LAPIC_ICR_SHORTHAND_MASK) >> LAPIC_ICR_SHORTHAND_SHIFT);
}

static void write_esr(struct vlapic *l) {
    vlapic_set_reg(l, LAPIC_ESR, l->esr_pending);
    l->esr_pending = 0;
}

/* Registers that both modes can write; false = no such register, or read-only. */
static bool reg_write(struct vlapic *l, unsigned reg, uint32_t value) {
    switch (reg) {
    case REG(LAPIC_TPR):
        vlapic_set_tpr(l, (uint8_t)value);
        return true;
    case REG(LAPIC_EOI):
        vlapic_eoi(l);
        return true;
    case REG(LAPIC_SVR):
        write_svr(l, value);
        return true;
    case REG(LAPIC_ESR):
        write_esr(l);
        return true;
    case REG(LAPIC_LVT_TIMER) ... REG(LAPIC_LVT_ERROR):
        write_lvt(l, reg - REG(LAPIC_LVT_TIMER), value);
        return true;
    case REG(LAPIC_TIMER_INIT):
        vlapic_timer_write_init(l, value);
        return true;
    case REG(LAPIC_TIMER_DIVIDE):
        vlapic_timer_write_divide(l, value);
        return true;
    default:
        return false;
    }
}

static uint32_t xapic_read(struct vlapic *l, unsigned reg) {
    if ((READABLE_XAPIC >> reg & 1) != 0)
        return reg_read(l, reg);
    vlapic_error(l, (uint32_t)LAPIC_ESR_ILLEGAL_REG);
    return 0;
}

uint64_t vlapic_mmio_read(struct vlapic *l, uint32_t offset, unsigned size) {
    if (l->mmio_base == VLAPIC_NO_MMIO)
        return UINT64_MAX;
    if (offset >= NR_REGS << 4 || (offset & 0xf) + size > 4)
        return 0; /* wider or crossing accesses are undefined: SDM Vol. 3 "Local APIC Register Address Map" */
    return xapic_read(l, REG(offset)) >> (8 * (offset & 3)) & 0xffffffffu >> (32 - 8 * size);
}

void vlapic_mmio_write(struct vlapic *l, uint32_t offset, unsigned size, uint64_t value) {
    if (l->mmio_base == VLAPIC_NO_MMIO || offset >= NR_REGS << 4 || (offset & 0xf) != 0 || size < 4)
        return;
    uint32_t v = (uint32_t)value;
    switch (REG(offset)) {
    case REG(LAPIC_EOI): /* first: the only register that is written often */
        vlapic_eoi(l);
        return;
    case REG(LAPIC_ICR_LOW):
        vlapic_set_reg(l, LAPIC_ICR_LOW, v & ~(uint32_t)LAPIC_ICR_PENDING);
        send_ipi(l, v, vlapic_reg(l, LAPIC_ICR_HIGH) >> LAPIC_ID_SHIFT);
        return;
    case REG(LAPIC_ICR_HIGH):
        vlapic_set_reg(l, LAPIC_ICR_HIGH, v & 0xff000000u);
        return;
    case REG(LAPIC_LDR):
        vlapic_set_reg(l, LAPIC_LDR, v & 0xff000000u);
        return;
    case REG(LAPIC_DFR):
        vlapic_set_reg(l, LAPIC_DFR, v | 0x0fffffffu);
        return;
    case REG(LAPIC_ID): /* read-only, as on current processors */
        return;
    default:
        if (!reg_write(l, REG(offset), v))
            vlapic_error(l, (uint32_t)LAPIC_ESR_ILLEGAL_REG);
        return;
    }
}

bool vlapic_msr_read(struct vlapic *l, uint32_t msr, uint64_t *value) {
    unsigned reg = msr - MSR_IA32_X2APIC_FIRST;
    if (!l->x2apic || reg >= NR_REGS || (READABLE >> reg & 1) == 0)
        return false;
    *value = reg_read(l, reg);
    if (reg == REG(LAPIC_ICR_LOW))
        *value |= (uint64_t)vlapic_reg(l, vlapic_icr_high(l)) << 32;
    return true;
}

bool vlapic_msr_write(struct vlapic *l, uint32_t msr, uint64_t value) {
    unsigned reg = msr - MSR_IA32_X2APIC_FIRST;
    if (!l->x2apic || reg >= NR_REGS)
        return false;
    if (reg == REG(LAPIC_ICR_LOW)) {
        if ((value & X2_ICR_RESERVED) != 0)
            return false;
        vlapic_set_reg(l, LAPIC_ICR_LOW, (uint32_t)(value & ~LAPIC_ICR_PENDING));
        vlapic_set_reg(l, vlapic_icr_high(l), (uint32_t)(value >> 32));
        send_ipi(l, (uint32_t)value, (uint32_t)(value >> 32));
        return true;
    }
    if (!x2_write[reg].exists || (value & ~(uint64_t)x2_write[reg].allowed) != 0)
        return false;
    if (reg == REG(LAPIC_SELF_IPI)) {
        send_ipi(l, (uint32_t)value | LAPIC_SHORTHAND_SELF << LAPIC_ICR_SHORTHAND_SHIFT, 0);
        return true;
    }
    return reg_write(l, reg, (uint32_t)value);
}
