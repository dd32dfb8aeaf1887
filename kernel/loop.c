/* SPDX-License-Identifier: MIT */
#include "kernel/loop.h"

#include "kernel/cpu.h"
#include "kernel/lapic.h"
#include "kernel/panic.h"
#include "kernel/time.h"

static struct {
    struct loop_task task[LOOP_MAX_TASKS];
    unsigned nr;
    uint64_t idle_ns;
} loop;

void loop_add(const struct loop_task *task) {
    ASSERT(loop.nr < LOOP_MAX_TASKS);
    loop.task[loop.nr++] = *task;
}

static uint64_t next_deadline(void) {
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < loop.nr; i++)
        if (loop.task[i].next_ns != NULL)
            next = MIN(next, loop.task[i].next_ns());
    return next;
}

static void idle(void) {
    uint64_t now = time_now_ns();
    uint64_t deadline = MIN(next_deadline(), now + LOOP_IDLE_MAX_NS);
    if (deadline <= now)
        return;
    lapic_timer_arm(deadline);
    cpu_halt_until_interrupt();
    loop.idle_ns += time_now_ns() - now;
}

uint64_t loop_idle_ns(void) {
    return loop.idle_ns;
}

void loop_run(void) {
    for (;;) {
        bool busy = false;
        for (unsigned i = 0; i < loop.nr; i++)
            busy |= loop.task[i].poll();
        if (!busy)
            idle();
    }
}
