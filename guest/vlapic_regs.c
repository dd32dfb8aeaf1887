/* SPDX-License-Identifier: MIT */
/* vlapic_regs.c - the local APIC's registers, reached through the xAPIC page or the x2APIC MSRs.
 * Both name a register by its number: page offset / 16, or MSR - 0x800. */
#include "guest/vlapic_priv.h"

#define REG(offset) ((offset) >> 4)
#define NR_REGS 0x40u
#define VERSION \
    (0x14u | (VLAPIC_NR_LVTS - 1) << LAPIC_VERSION_MAX_LVT_SHIFT | (uint32_t)LAPIC_VERSION_EOI_SUPPRESS)
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

static uint32_t vector_word(const uint64_t *words, unsigned n) {
    return (uint32_t)(words[n >> 1] >> (32 * (n & 1)));
}

/* Registers that both modes can read; false = no such register. */
static bool reg_read(const struct vlapic *l, unsigned reg, uint32_t *value) {
    switch (reg) {
    case REG(LAPIC_ID):
        *value = l->x2apic ? l->id : l->id << LAPIC_ID_SHIFT;
        return true;
    case REG(LAPIC_VERSION):
        *value = VERSION;
        return true;
    case REG(LAPIC_TPR):
        *value = l->tpr;
        return true;
    case REG(LAPIC_PPR):
        *value = l->ppr;
        return true;
    case REG(LAPIC_LDR):
        *value = l->x2apic ? (l->id >> 4) << 16 | 1u << (l->id & 15) : l->ldr;
        return true;
    case REG(LAPIC_SVR):
        *value = l->svr;
        return true;
    case REG(LAPIC_ISR) ... REG(LAPIC_ISR) + 7:
        *value = vector_word(l->isr, reg - REG(LAPIC_ISR));
        return true;
    case REG(LAPIC_TMR) ... REG(LAPIC_TMR) + 7:
        *value = vector_word(l->tmr, reg - REG(LAPIC_TMR));
        return true;
    case REG(LAPIC_IRR) ... REG(LAPIC_IRR) + 7:
        *value = vector_word(l->irr, reg - REG(LAPIC_IRR));
        return true;
    case REG(LAPIC_ESR):
        *value = l->esr;
        return true;
    case REG(LAPIC_ICR_LOW):
        *value = (uint32_t)l->icr;
        return true;
    case REG(LAPIC_LVT_TIMER) ... REG(LAPIC_LVT_ERROR):
        *value = l->lvt[reg - REG(LAPIC_LVT_TIMER)];
        return true;
    case REG(LAPIC_TIMER_INIT):
        *value = l->timer_init;
        return true;
    case REG(LAPIC_TIMER_CURRENT):
        *value = vlapic_timer_current(l);
        return true;
    case REG(LAPIC_TIMER_DIVIDE):
        *value = l->timer_divide;
        return true;
    default:
        return false;
    }
}

static void write_svr(struct vlapic *l, uint32_t value) {
    vlapic_fold(l); /* what came before belongs to the old state */
    l->svr = value & SVR_WRITABLE;
    if ((l->svr & LAPIC_SVR_ENABLE) == 0)
        for (unsigned i = 0; i < VLAPIC_NR_LVTS; i++)
            l->lvt[i] |= (uint32_t)LAPIC_LVT_MASKED;
    vlapic_update_extint(l);
}

static void write_lvt(struct vlapic *l, unsigned index, uint32_t value) {
    value &= lvt_writable[index];
    if ((l->svr & LAPIC_SVR_ENABLE) == 0)
        value |= (uint32_t)LAPIC_LVT_MASKED;
    if (index == VLAPIC_LVT_TIMER) {
        vlapic_timer_write_lvt(l, value);
        return;
    }
    l->lvt[index] = value;
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
    l->esr = l->esr_pending;
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
    uint32_t value = 0;
    switch (reg) {
    case REG(LAPIC_ICR_HIGH):
        return (uint32_t)(l->icr >> 32);
    case REG(LAPIC_DFR):
        return l->dfr;
    case REG(LAPIC_APR):
    case REG(LAPIC_RRD):
    case REG(LAPIC_EOI):
        return 0;
    default:
        if (!reg_read(l, reg, &value))
            vlapic_error(l, (uint32_t)LAPIC_ESR_ILLEGAL_REG);
        return value;
    }
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
        l->icr = (l->icr & ~0xffffffffull) | (v & ~(uint32_t)LAPIC_ICR_PENDING);
        send_ipi(l, v, (uint32_t)(l->icr >> 56));
        return;
    case REG(LAPIC_ICR_HIGH):
        l->icr = (l->icr & 0xffffffffu) | (uint64_t)(v & 0xff000000u) << 32;
        return;
    case REG(LAPIC_LDR):
        l->ldr = v & 0xff000000u;
        return;
    case REG(LAPIC_DFR):
        l->dfr = v | 0x0fffffffu;
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
    uint32_t low;
    if (!l->x2apic || reg >= NR_REGS)
        return false;
    if (reg == REG(LAPIC_ICR_LOW)) {
        *value = l->icr;
        return true;
    }
    if (!reg_read(l, reg, &low))
        return false;
    *value = low;
    return true;
}

bool vlapic_msr_write(struct vlapic *l, uint32_t msr, uint64_t value) {
    unsigned reg = msr - MSR_IA32_X2APIC_FIRST;
    if (!l->x2apic || reg >= NR_REGS)
        return false;
    if (reg == REG(LAPIC_ICR_LOW)) {
        if ((value & X2_ICR_RESERVED) != 0)
            return false;
        l->icr = value & ~LAPIC_ICR_PENDING;
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
