/* SPDX-License-Identifier: MIT */
#include "kernel/loop.h"

#include "kernel/cpu.h"
#include "kernel/lapic.h"
#include "kernel/panic.h"
#include "kernel/smp.h"
#include "kernel/time.h"

#define IDLE_MAX_OTHERS_NS NSEC_PER_SEC /* they poll nothing: kicks and deadlines wake them */

void loop_add(const struct loop_task *task) {
    struct cpu_private *own = &this_cpu()->own;
    ASSERT(own->nr_tasks < LOOP_MAX_TASKS);
    own->task[own->nr_tasks++] = *task;
}

static uint64_t next_deadline(const struct cpu_private *own) {
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < own->nr_tasks; i++)
        if (own->task[i].next_ns != NULL)
            next = MIN(next, own->task[i].next_ns());
    return next;
}

/* Interrupts are off up to the STI before HLT: a kick after the check is held pending and ends the halt at once. */
static void idle(struct cpu *c) {
    uint64_t now = time_now_ns();
    uint64_t deadline = MIN(next_deadline(&c->own), now + (c->id == 0 ? LOOP_IDLE_MAX_NS : IDLE_MAX_OTHERS_NS));
    if (deadline <= now || smp_is_kicked())
        return;
    lapic_timer_arm(deadline);
    cpu_halt_until_interrupt();
    __atomic_store_n(&c->pub.idle_ns, c->pub.idle_ns + (time_now_ns() - now), __ATOMIC_RELAXED);
}

void loop_run(void) {
    struct cpu *c = this_cpu();
    for (;;) {
        smp_noticed();
        bool busy = smp_poll();
        for (unsigned i = 0; i < c->own.nr_tasks; i++)
            busy |= c->own.task[i].poll();
        if (!busy)
            idle(c);
    }
}
