/* SPDX-License-Identifier: MIT */
/* smp.c - kicks, messages and the stop of all CPUs. Starting them is in smp_start.c. */
#include "kernel/smp.h"

#include "kernel/cpu.h"
#include "kernel/lapic.h"
#include "kernel/panic.h"
#include "kernel/time.h"
#include "kernel/trap.h"

#define ANSWER_LIMIT_US 2000000u /* a CPU that takes no message for so long is broken */
#define STOP_LIMIT_US 20000u

static uint32_t panicking; /* [a] */

/*   CPU A                             CPU B (owner of the record)
 *   writes work for B                 smp_noticed: kicked = 0
 *   kicked 0 -> 1: sends interrupt    looks for work: finds it, or
 *   kicked was 1: B has not looked    ... enters a guest or halts: the interrupt, held pending, ends that at once */
void smp_kick(struct cpu *c) {
    if (c == this_cpu())
        return;
    if (__atomic_exchange_n(&c->pub.kicked, 1, __ATOMIC_SEQ_CST) == 0)
        lapic_send_ipi(c->apic_id, VECTOR_KICK);
}

struct call {
    void (*fn)(void *arg);
    void *arg;
    uint32_t pending; /* [a] */
};

static void run_call(void *arg) {
    struct call *call = arg;
    call->fn(call->arg);
    __atomic_fetch_sub(&call->pending, 1, __ATOMIC_RELEASE); /* partner: the acquire in smp_call */
}

void smp_call(bool (*wanted)(uint32_t id, void *arg), void (*fn)(void *arg), void *arg) {
    struct call call = {fn, arg, 0};
    ASSERT(cpu_id() == 0);
    for (uint32_t i = 1; i < cpu_nr(); i++) {
        if (!wanted(i, arg))
            continue;
        __atomic_fetch_add(&call.pending, 1, __ATOMIC_RELAXED);
        result_t r = mailbox_post(&cpu_get(i)->pub.mailbox, run_call, &call);
        ASSERT(r == OK); /* only CPU 0 waits, so there is never more than one call of it in a mailbox */
        smp_kick(cpu_get(i));
    }
    if (wanted(0, arg))
        fn(arg);
    uint64_t end = cpu_rdtsc() + time_ns_to_tsc(ANSWER_LIMIT_US * NSEC_PER_USEC);
    while (__atomic_load_n(&call.pending, __ATOMIC_ACQUIRE) != 0) {
        if (cpu_rdtsc() > end)
            panic("%u CPUs did not answer a message within %u us", call.pending, ANSWER_LIMIT_US);
        cpu_pause();
    }
}

bool smp_poll(void) {
    struct mailbox_msg msg;
    bool any = false;
    while (mailbox_take(&this_cpu()->pub.mailbox, &msg)) {
        msg.fn(msg.arg);
        any = true;
    }
    return any;
}

void smp_stop_others(void) {
    __atomic_store_n(&panicking, 1, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < cpu_nr(); i++)
        if (cpu_get(i) != this_cpu())
            lapic_send_nmi(cpu_get(i)->apic_id);
    uint64_t end = cpu_rdtsc() + time_ns_to_tsc(STOP_LIMIT_US * NSEC_PER_USEC);
    for (uint32_t i = 0; i < cpu_nr(); i++)
        while (cpu_get(i) != this_cpu() && cpu_rdtsc() < end && __atomic_load_n(&cpu_get(i)->pub.stopped, __ATOMIC_ACQUIRE) == 0)
            cpu_pause();
}

void smp_on_nmi(uint64_t rip, uint64_t rsp) {
    if (__atomic_load_n(&panicking, __ATOMIC_SEQ_CST) == 0)
        return; /* NMIs of the platform (watchdogs) are not ours to act upon */
    struct cpu_public *pub = &this_cpu()->pub;
    pub->panic_rip = rip;
    pub->panic_rsp = rsp;
    __atomic_store_n(&pub->stopped, 1, __ATOMIC_RELEASE); /* partner: the acquire in smp_stop_others */
    for (;;)
        __asm__ volatile("cli; hlt");
}
