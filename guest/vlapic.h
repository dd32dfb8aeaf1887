/* SPDX-License-Identifier: MIT */
/* vlapic.h - one vCPU's local APIC: xAPIC page, x2APIC MSRs, priorities, local vector table, timer, IPIs.
 * - vlapic_init / vlapic_reset: power-up state; vlapic_set_virtual_wire: what firmware leaves on CPU 0.
 * - vlapic_has_news, vlapic_take: what other CPUs posted. Then vlapic_has_pending, vlapic_accept, vlapic_accept_nmi: what can be
 *   injected. The vCPU loop asks in this order before it enters the guest or sleeps.
 * - vlapic_raise, vlapic_raise_nmi: an interrupt of its own. vlapic_eoi: one is done.
 * - vlapic_post, vlapic_post_lint, vlapic_matches, vlapic_arbitrates: for the sender of a message.
 * - vlapic_mmio_* / vlapic_msr_*: the guest's register accesses; vlapic_write_base: IA32_APIC_BASE.
 * - vlapic_next_event_tsc, vlapic_run: the timer. The bus runs at 1 GHz: a tick per guest ns before division.
 * Everything that leaves the CPU goes through struct vlapic_env, so this model knows neither IOAPIC nor PIC.
 * `pending` and `timer_next_tsc` are kept up to date by every change, so asking costs one load.
 *
 * Context: the owner, that is the CPU that runs the vCPU, or CPU 0 while the VM is stopped; without locks. Any CPU may call
 * vlapic_post, vlapic_post_lint, vlapic_matches, vlapic_arbitrates and vlapic_has_news, which touch only the inbox and fields
 * tagged [r]. What the environment's functions lock, they lock themselves, so the owner must not hold the VM's lock.
 * Source: SDM Vol. 3 chapter "Advanced Programmable Interrupt Controller (APIC)". */
#ifndef GUEST_VLAPIC_H
#define GUEST_VLAPIC_H

#include "guest/snapshot.h"
#include "guest/vclock.h"
#include "guest/vlapic_inbox.h"
#include "kernel/hw/lapic_regs.h"
#include "kernel/hw/msr_regs.h"

struct vlapic;

/* One interrupt message, from an ICR, an IOAPIC pin or a device's MSI. */
struct irq_msg {
    uint32_t dest;
    uint8_t vector;
    uint8_t mode; /* LAPIC_MODE_* */
    bool logical; /* dest is a logical destination */
    bool level;   /* level-triggered: its EOI is broadcast to the IOAPIC */
    bool wide;    /* dest has 32 bits (x2APIC); otherwise 8, and 0xff is everybody */
};

/* What a local APIC needs from the machine around it. Called by the owner, without locks. */
struct vlapic_env {
    void *ctx;
    void (*send)(void *ctx, struct vlapic *from, const struct irq_msg *msg, unsigned shorthand);
    void (*eoi)(void *ctx, uint8_t vector); /* EOI broadcast for a level-triggered vector */
    int (*extint_ack)(void *ctx);           /* INTA cycle: the PIC's vector, or -1: it asks no more */
};

/* What vlapic_take leaves to the vCPU: INIT first (the APIC is reset already), then SIPI. */
struct vlapic_requests {
    bool init;   /* back to wait-for-SIPI */
    bool sipi;   /* start at sipi_vector << 12, if it waits for one; otherwise nothing */
    uint8_t sipi_vector;
};

#define VLAPIC_PENDING_VECTOR 0x1u /* a vector above PPR */
#define VLAPIC_PENDING_EXTINT 0x2u /* the PIC's INTR, by LINT0 or by an IOAPIC pin */
#define VLAPIC_PENDING_NMI 0x4u

enum vlapic_lvt {
    VLAPIC_LVT_TIMER = 0,
    VLAPIC_LVT_THERMAL,
    VLAPIC_LVT_PMI,
    VLAPIC_LVT_LINT0,
    VLAPIC_LVT_LINT1,
    VLAPIC_LVT_ERROR,
    VLAPIC_NR_LVTS
};

#define VLAPIC_NO_MMIO UINT64_MAX  /* mmio_base when disabled or in x2APIC mode */
#define VLAPIC_MIN_PERIOD_NS 20000u /* a shorter periodic timer skips multiples of its period */

/* The registers, where the processor's APIC virtualisation has them: at their offsets in the xAPIC page. In x2APIC mode ID and LDR
 * have that mode's form, and the ICR is one of 64 bits at 0x300. The current count is computed when it is read.
 * Source: SDM Vol. 3C "Virtual APIC State", "Virtualizing MSR-Based APIC Accesses". */
struct vlapic_page {
    uint32_t word[1024];
} __attribute__((aligned(4096)));

/* Legend: [a] atomic, any CPU; the rest is the owner's. Of that, [d] is derived from the others and not in a snapshot, and [r] is
 * read by other CPUs, so each access is atomic. */
struct vlapic {
    struct vlapic_page page;   /* [r] */
    struct vlapic_inbox inbox; /* [a] */
    uint8_t pending;           /* VLAPIC_PENDING_*; the VECTOR and EXTINT bits are [d] */
    uint8_t timer_mode;        /* [d] LAPIC_TIMER_* */
    uint8_t irr_words;         /* [d] bit w set: word w of IRR != 0 */
    uint8_t isr_words;         /* [d] */
    uint8_t timer_shift;       /* [d] log2 of the divisor */
    bool x2apic;               /* [d] */
    bool extint_latched;       /* an ExtINT message arrived and was not yet accepted */
    bool boot_cpu;             /* constant */
    uint64_t timer_next_tsc;   /* [d] vclock TSC of the next expiry, or VCLOCK_NEVER */
    uint64_t tsc_deadline;     /* as the guest wrote it, 0 = disarmed */
    uint64_t tsc_adjust;       /* guest-visible TSC minus vclock TSC (modulo 2^64) */
    uint64_t base;             /* [r] IA32_APIC_BASE */
    uint64_t mmio_base;        /* [d] page that answers, or VLAPIC_NO_MMIO */
    uint64_t timer_expiry_ns;  /* one-shot and periodic: guest ns of the expiry, 0 = stopped */
    uint32_t id;               /* constant */
    uint32_t esr_pending;      /* errors since the last write to ESR */
    const struct vclock *clock;
    const struct vlapic_env *env;
};

/* vlapic_init - power-up state of vCPU `id` (the APIC ID), inbox empty. clock and env outlive the APIC; l must not move. */
void vlapic_init(struct vlapic *l, uint32_t id, const struct vclock *clock, const struct vlapic_env *env);
/* vlapic_reset - INIT: registers to their reset values; ID, IA32_APIC_BASE, inbox and the pins' levels stay. */
void vlapic_reset(struct vlapic *l);
/* vlapic_set_virtual_wire - enabled, LINT0 = ExtINT, LINT1 = NMI: how firmware hands over the boot CPU
 * (MultiProcessor Specification 1.4, section 3.6.2.2 "Virtual Wire Mode"). */
void vlapic_set_virtual_wire(struct vlapic *l);

/* vlapic_reg, vlapic_set_reg - the register at an offset of the page, without side effects. */
static inline uint32_t vlapic_reg(const struct vlapic *l, unsigned offset) {
    return __atomic_load_n(&l->page.word[offset / 4], __ATOMIC_RELAXED);
}
static inline void vlapic_set_reg(struct vlapic *l, unsigned offset, uint32_t value) {
    __atomic_store_n(&l->page.word[offset / 4], value, __ATOMIC_RELAXED);
}

static inline bool vlapic_is_hw_enabled(const struct vlapic *l) {
    return (l->base & APIC_BASE_EN) != 0;
}

/* vlapic_has_news - is there anything to take? One load; any CPU. */
static inline bool vlapic_has_news(const struct vlapic *l) {
    return vlapic_inbox_has_news(&l->inbox);
}
/* vlapic_take - carry out what was posted; true: r says what is left to do for the vCPU. Vectors and NMIs are pending
 * afterwards, or dropped if the APIC is disabled. Bounded work whatever was posted.
 * NMIs stay pending while the vCPU waits for SIPI, which blocks them (SDM Vol. 3C "Activity State"): it must not accept one
 * then. */
bool vlapic_take(struct vlapic *l, struct vlapic_requests *r) MUST_CHECK;
/* vlapic_fold - the same, but INITs and SIPIs stay in the inbox. */
void vlapic_fold(struct vlapic *l);

/* vlapic_has_pending - something can be injected now, as far as the APIC is concerned. */
static inline bool vlapic_has_pending(const struct vlapic *l) {
    return l->pending != 0;
}
/* vlapic_accept - acknowledge: ExtINT first, then the highest vector (IRR -> ISR); -1 when neither waits. The caller must
 * inject it. NMIs are apart. */
int vlapic_accept(struct vlapic *l);
static inline bool vlapic_nmi_pending(const struct vlapic *l) {
    return (l->pending & VLAPIC_PENDING_NMI) != 0;
}
/* vlapic_accept_nmi - true when an NMI was pending; it no longer is. */
static inline bool vlapic_accept_nmi(struct vlapic *l) {
    bool was = vlapic_nmi_pending(l);
    l->pending &= (uint8_t)~VLAPIC_PENDING_NMI;
    return was;
}
static inline void vlapic_raise_nmi(struct vlapic *l) {
    l->pending |= VLAPIC_PENDING_NMI;
}
/* vlapic_raise - a fixed interrupt of the vCPU itself. Vectors below 16 are errors (ESR); a disabled APIC drops it. */
void vlapic_raise(struct vlapic *l, uint8_t vector, bool level);

/* vlapic_post - a message that was found to be for this APIC; true: kick its owner. Any CPU. */
bool vlapic_post(struct vlapic *l, const struct irq_msg *msg) MUST_CHECK;
/* vlapic_post_lint - level of pin LINT0 or LINT1; true: kick. Any CPU, one at a time (the VM's lock). */
bool vlapic_post_lint(struct vlapic *l, unsigned pin, bool level) MUST_CHECK;
/* vlapic_matches - does the message's destination name this APIC? Any CPU. */
bool vlapic_matches(const struct vlapic *l, const struct irq_msg *msg);
/* vlapic_arbitrates - may it take a lowest-priority message? *ppr: its processor priority, about now. Any CPU. */
bool vlapic_arbitrates(const struct vlapic *l, unsigned *ppr);

void vlapic_eoi(struct vlapic *l);
static inline uint8_t vlapic_tpr(const struct vlapic *l) {
    return (uint8_t)vlapic_reg(l, LAPIC_TPR);
}
void vlapic_set_tpr(struct vlapic *l, uint8_t tpr);

/* For a processor that works on the page by itself (virtual-interrupt delivery).
 * vlapic_resync - it has: TPR, IRR, ISR may have changed; derive PPR and what is pending.
 * vlapic_interrupt_status - guest interrupt status for the entry: highest requested vector in 7:0, highest in service in 15:8.
 * vlapic_eoi_exits - the vectors whose EOI must come to vlapic_eoi_broadcast: the level-triggered ones.
 * vlapic_eoi_broadcast - the processor has done an EOI of such a vector.
 * Source: SDM Vol. 3C "Evaluation and Delivery of Virtual Interrupts", "EOI Virtualization". */
void vlapic_resync(struct vlapic *l);
uint16_t vlapic_interrupt_status(const struct vlapic *l);
void vlapic_eoi_exits(const struct vlapic *l, uint64_t bitmap[4]);
void vlapic_eoi_broadcast(struct vlapic *l, uint8_t vector);

/* vlapic_write_base - IA32_APIC_BASE; false = #GP (reserved bits, illegal transition).
 * phys_bits: the guest's MAXPHYADDR. Disabling resets the APIC.
 * Source: SDM Vol. 3 "x2APIC State Transitions". */
bool vlapic_write_base(struct vlapic *l, uint64_t value, unsigned phys_bits) MUST_CHECK;

/* vlapic_mmio_read, vlapic_mmio_write - an access at `offset` in the APIC page, size 1, 2, 4 or 8.
 * Nothing happens unless the APIC is in xAPIC mode (reads: all ones). */
uint64_t vlapic_mmio_read(struct vlapic *l, uint32_t offset, unsigned size);
void vlapic_mmio_write(struct vlapic *l, uint32_t offset, unsigned size, uint64_t value);
/* vlapic_msr_read, vlapic_msr_write - MSR 0x800..0x8ff; false = #GP. */
bool vlapic_msr_read(struct vlapic *l, uint32_t msr, uint64_t *value) MUST_CHECK;
bool vlapic_msr_write(struct vlapic *l, uint32_t msr, uint64_t value) MUST_CHECK;

/* Timer. vlapic_run - fire what is due; a periodic timer that is late fires once. */
static inline uint64_t vlapic_next_event_tsc(const struct vlapic *l) {
    return l->timer_next_tsc;
}
void vlapic_timer_expire(struct vlapic *l, uint64_t now_tsc);
static inline void vlapic_run(struct vlapic *l) {
    if (l->timer_next_tsc == VCLOCK_NEVER)
        return;
    uint64_t now = vclock_tsc(l->clock);
    if (now >= l->timer_next_tsc)
        vlapic_timer_expire(l, now);
}

/* vlapic_deadline_to_clock - the vclock TSC of a guest TSC value, saturating. */
uint64_t vlapic_deadline_to_clock(const struct vlapic *l, uint64_t deadline);
/* vlapic_write_tsc_deadline, vlapic_read_tsc_deadline - IA32_TSC_DEADLINE; ignored / 0 in other timer modes.
 * Source: SDM Vol. 3 "TSC-Deadline Mode". */
static inline void vlapic_write_tsc_deadline(struct vlapic *l, uint64_t deadline) {
    if (l->timer_mode != LAPIC_TIMER_TSC_DEADLINE)
        return;
    l->tsc_deadline = deadline;
    if (deadline == 0)
        l->timer_next_tsc = VCLOCK_NEVER;
    else if (l->tsc_adjust == 0)
        l->timer_next_tsc = deadline;
    else
        l->timer_next_tsc = vlapic_deadline_to_clock(l, deadline);
}
uint64_t vlapic_read_tsc_deadline(struct vlapic *l);
/* vlapic_set_tsc_adjust - the guest moved its TSC: guest-visible TSC = vclock TSC + adjust. */
void vlapic_set_tsc_adjust(struct vlapic *l, uint64_t adjust);

/* vlapic_snapshot - the VM is stopped, and INITs and SIPIs are taken. Loading empties the inbox. */
void vlapic_snapshot(struct vlapic *l, struct snap *s);

#endif
