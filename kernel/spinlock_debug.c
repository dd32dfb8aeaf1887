/* SPDX-License-Identifier: MIT */
/* spinlock_debug.c - the checks of a debug build: order of ranks, recursion, owner. */
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/spinlock.h"

#ifdef GODWIT_DEBUG

void spin_check_lock(struct spinlock *l) {
    uint32_t held = this_cpu()->held_ranks;
    if (l->owner == cpu_id() + 1)
        panic("lock %s is taken twice by CPU %u", l->name, cpu_id());
    if (held >> l->rank != 0)
        panic("lock %s (rank %u) is taken while ranks %#x are held by CPU %u", l->name, l->rank, held, cpu_id());
}

void spin_note_locked(struct spinlock *l) {
    l->owner = cpu_id() + 1;
    this_cpu()->held_ranks |= 1u << l->rank;
}

void spin_check_unlock(struct spinlock *l) {
    if (l->owner != cpu_id() + 1)
        panic("lock %s is released by CPU %u, which does not hold it", l->name, cpu_id());
    l->owner = 0;
    this_cpu()->held_ranks &= ~(1u << l->rank);
}

#endif
