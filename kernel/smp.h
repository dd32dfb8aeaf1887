/* SPDX-License-Identifier: MIT */
/* smp.h - the other CPUs: started once, then reached by kicks, messages and, in a panic, NMIs.
 * - smp_init: start every CPU of the MADT by INIT-SIPI-SIPI; one that does not come up, or whose TSC cannot be aligned, is
 *   reported and left out.
 * - smp_kick: make a CPU leave the guest or its halt and look around.
 * - smp_call: run a function on some CPUs and wait for all.   - smp_poll: messages, in every CPU's loop.
 * - smp_stop_others: for panic.
 * Source: SDM Vol. 3A, 8.4 "Multiple-Processor (MP) Initialization", 10.6 "Issuing Interprocessor Interrupts". */
#ifndef KERNEL_SMP_H
#define KERNEL_SMP_H

#include "kernel/boot_info.h"
#include "kernel/percpu.h"

/* What a CPU does once it is up: VT-x, its loop. Its loop's tasks are added by loop_add before it runs. */
struct smp_hooks {
    void (*cpu_up)(struct cpu *c);      /* on the CPU itself, before it has a number, while CPU 0 waits */
    void (*cpu_counted)(struct cpu *c); /* on CPU 0, when it has one */
};

/* smp_init - Context: CPU 0, once, after lapic_init. */
void smp_init(const struct boot_info *info, const struct smp_hooks *hooks);
/* smp_nr_absent - CPUs of the MADT that did not come up. */
uint32_t smp_nr_absent(void);

/* smp_kick - no interrupt when one is on its way. What the caller wrote before is seen by the CPU's next look around. */
void smp_kick(struct cpu *c);
/* smp_noticed - this CPU looks around from here on: a later kick sends an interrupt again. */
static inline void smp_noticed(void) {
    /* Partner: the exchange in smp_kick. Sequentially consistent: clearing comes before what is looked at. */
    __atomic_store_n(&this_cpu()->pub.kicked, 0, __ATOMIC_SEQ_CST);
}
/* smp_is_kicked - something may have come since smp_noticed. */
static inline bool smp_is_kicked(void) {
    return __atomic_load_n(&this_cpu()->pub.kicked, __ATOMIC_SEQ_CST) != 0;
}

/* smp_is_wanted - for the way into a guest: notices a kick; true when a message waits. What else kicks are for (interrupts of
 * guests, stop requests) the caller looks at afterwards. */
static inline bool smp_is_wanted(void) {
    if (smp_is_kicked())
        smp_noticed();
    return mailbox_has_mail(&this_cpu()->pub.mailbox);
}

/* smp_call - fn(arg) on each CPU whose wanted(id, arg) is true, this one included, at the same time; back when all are done.
 * Context: CPU 0's loop only, so that two CPUs never wait for each other. fn must be short and must not call smp_call. */
void smp_call(bool (*wanted)(uint32_t id, void *arg), void (*fn)(void *arg), void *arg);
/* smp_poll - carry out this CPU's messages; true when there was one. */
bool smp_poll(void);

/* smp_stop_others - NMIs; waits until they have stopped, at most a moment.   smp_on_nmi - from the NMI's handlers: does not
 * return when a panic is going on. */
void smp_stop_others(void);
void smp_on_nmi(uint64_t rip, uint64_t rsp);

#endif
