/* SPDX-License-Identifier: MIT */
/* vlapic_inbox.h - what other CPUs have for a vCPU's local APIC, without locks.
 * - vlapic_inbox_init: empty.   - vlapic_inbox_post*: any CPU.   - vlapic_inbox_take, _take_vectors, _take_sipi: the owner.
 * - vlapic_inbox_has_news: one load.   - vlapic_inbox_lint: levels of the two pins.
 * The owner is the CPU that runs the vCPU, or CPU 0 while the VM is stopped.
 *
 * A post function returns whether the owner must be kicked: nobody has posted such a thing since the owner last took. Vectors
 * and requests are counted apart, since a processor that takes vectors by itself (posted-interrupt processing) leaves the
 * requests to its software. The kick must end the owner's stay in the guest or its sleep even when it comes too early:
 *
 *     poster                                  owner
 *     PIR |= vector                           takes: control &= ~(ON | requests), then PIR = 0
 *     control |= ON       was 0: kick  (a)    looks at its timers, decides to sleep or to enter the guest
 *     kick: an interrupt to that CPU   (b)    sti; hlt, or VM entry
 *
 * (a) before the owner's clearing of control: the owner's exchange of PIR comes after it and finds the vector; ON was set
 *     before or is cleared with it. After: it was 0, so somebody kicks, this poster or the one who came first.
 * (b) before the owner sleeps: host interrupts are off, so the interrupt waits in the host's local APIC, and ends the HLT or
 *     the stay in the guest at once. Before the owner's clearing: an idle look around, no harm.
 * What matters is the order of the poster's first two lines (PIR, then control) against the owner's (control, then PIR); all
 * four are sequentially consistent read-modify-writes.
 *
 * Layout of the first 64 octets: SDM Vol. 3C, table "Format of Posted-Interrupt Descriptor"; the bits beside ON are left to
 * software there. Interrupt-remapping hardware that posts by itself wants bits 271:258 to be zero: then ours have to move.
 * Pure. No function sleeps or takes a lock. */
#ifndef GUEST_VLAPIC_INBOX_H
#define GUEST_VLAPIC_INBOX_H

#include "kernel/types.h"

/* The descriptor's control word, bits 319:256. */
#define PID_ON BIT(0) /* a vector waits in PIR */
#define PID_SN BIT(1) /* notifications are suppressed; not used */
#define PID_NV_SHIFT 16u
#define PID_NDST_SHIFT 32u
/* Ours, in bits that belong to software: levels of wires, requests, and news that alone are worth no kick. */
#define INBOX_LINT0 BIT(2)
#define INBOX_LINT1 BIT(3)
#define INBOX_NMI BIT(4) /* two are one, as on a processor */
#define INBOX_INIT BIT(5)
#define INBOX_SIPI BIT(6)
#define INBOX_EXTINT BIT(7)     /* an ExtINT message */
#define INBOX_BAD_VECTOR BIT(8) /* a fixed interrupt with a vector below 16: an error in ESR */
#define INBOX_LOOK BIT(9)       /* look at everything again */
#define INBOX_REQUESTS (0x3full << 4)
#define INBOX_LINT0_ROSE BIT(10)
#define INBOX_LINT1_ROSE BIT(11)
#define INBOX_LINT_FELL BIT(12)
#define INBOX_QUIET (0x7ull << 10)
#define INBOX_NEWS (PID_ON | INBOX_REQUESTS | INBOX_QUIET)

#define INBOX_WORDS 4u /* 256 vectors */

/* Legend: [a] atomic, any CPU; [p] atomic, posters write, the owner reads. */
struct vlapic_inbox {
    uint64_t pir[INBOX_WORDS];   /* 0x00 [a] vectors that came */
    uint64_t control;            /* 0x20 [a] PID_*, INBOX_* */
    uint64_t rsvd[3];            /* 0x28 */
    uint64_t level[INBOX_WORDS]; /* 0x40 [p] how a vector was posted last: 1 = level-triggered */
    uint32_t sipi;               /* 0x60 [a] the vector and a bit that says that there is one */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct vlapic_inbox) == 128, "two cache lines");
_Static_assert(offsetof(struct vlapic_inbox, control) == 32, "SDM: bit 256");

/* vlapic_inbox_init - empty, both wires low.   vlapic_inbox_load_lint - empty, the wires as given; no edge.
 * Context: nobody else knows it yet, or the VM is stopped. */
void vlapic_inbox_init(struct vlapic_inbox *in);
void vlapic_inbox_load_lint(struct vlapic_inbox *in, bool lint0, bool lint1);

/* vlapic_inbox_post_vector - a fixed interrupt; true: kick the owner.
 * Whether the owner's APIC is enabled is looked at when it takes. */
bool vlapic_inbox_post_vector(struct vlapic_inbox *in, uint8_t vector, bool level) MUST_CHECK;
/* vlapic_inbox_post - INBOX_NMI, INBOX_EXTINT, INBOX_LOOK; true: kick the owner. */
bool vlapic_inbox_post(struct vlapic_inbox *in, uint64_t requests) MUST_CHECK;
/* vlapic_inbox_post_init, vlapic_inbox_post_sipi - an INIT cancels a SIPI that came before it and was not taken; of several
 * SIPIs the last counts. true: kick the owner. */
bool vlapic_inbox_post_init(struct vlapic_inbox *in) MUST_CHECK;
bool vlapic_inbox_post_sipi(struct vlapic_inbox *in, uint8_t vector) MUST_CHECK;
/* vlapic_inbox_post_lint - the level of pin 0 or 1; one poster at a time (the VM's lock). Whether the owner cares about a rising
 * edge is the caller's to find out afterwards (INBOX_LOOK); a fall needs no kick: whoever acknowledges asks the wire's source. */
void vlapic_inbox_post_lint(struct vlapic_inbox *in, unsigned pin, bool level);

/* vlapic_inbox_has_news - is there anything to take? Any CPU.
 * Sequentially consistent: partner of the read-modify-writes of control in the post functions; an owner that first notices a
 * kick (smp_noticed) and then finds no news has missed nothing. */
static inline bool vlapic_inbox_has_news(const struct vlapic_inbox *in) {
    return (__atomic_load_n(&in->control, __ATOMIC_SEQ_CST) & INBOX_NEWS) != 0;
}
/* vlapic_inbox_lint - level of pin 0 or 1. Any CPU. */
static inline bool vlapic_inbox_lint(const struct vlapic_inbox *in, unsigned pin) {
    return (__atomic_load_n(&in->control, __ATOMIC_SEQ_CST) & (pin == 0 ? INBOX_LINT0 : INBOX_LINT1)) != 0;
}

/* vlapic_inbox_take - the owner: clear ON and those requests and quiet news that are in `mask`; returns the control word as it
 * was, levels included. With ON set the vectors are to be taken next. */
uint64_t vlapic_inbox_take(struct vlapic_inbox *in, uint64_t mask);
/* vlapic_inbox_take_vectors - the owner: the 64 vectors of a word, which become 0, and which of them are level-triggered. */
uint64_t vlapic_inbox_take_vectors(struct vlapic_inbox *in, unsigned word, uint64_t *level);
/* vlapic_inbox_take_sipi - the owner: the vector, or -1 when none came or an INIT cancelled it. */
int vlapic_inbox_take_sipi(struct vlapic_inbox *in);

#endif
