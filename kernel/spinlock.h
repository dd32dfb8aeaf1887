/* SPDX-License-Identifier: MIT */
/* spinlock.h - ticket locks with a name and a rank.
 * - spin_lock / spin_unlock: first come, first served.   - SPINLOCK(name, rank): a static initialiser.
 *
 * Most data need none: each CPU's own data, and all that only CPU 0 touches (heap, network, migration, console). A lock may be
 * taken only while every lock that this CPU holds has a lower rank; a debug build (`make DEBUG=1`) checks that, and that a
 * lock is not taken twice. The order:
 *
 *   LOCK_RANK_VM       one VM's devices and interrupt controllers (guest/virq.h says who takes it)
 *   LOCK_RANK_VPID     the VPIDs in use
 *   LOCK_RANK_MAILBOX  one CPU's incoming messages
 *   LOCK_RANK_LOG      the log's ring
 * Pure but for the instruction PAUSE. Interrupts are off in the hypervisor, so no lock is taken twice by an interrupt. */
#ifndef KERNEL_SPINLOCK_H
#define KERNEL_SPINLOCK_H

#include "kernel/io.h"

enum lock_rank { LOCK_RANK_VM = 1, LOCK_RANK_VPID, LOCK_RANK_MAILBOX, LOCK_RANK_LOG };

struct spinlock {
    uint32_t next;    /* [a] ticket of the next who comes */
    uint32_t serving; /* [a] ticket of the holder */
    uint32_t rank;    /* [c] */
    uint32_t owner;   /* debug builds: CPU + 1 */
    const char *name; /* [c] */
};

#define SPINLOCK(lock_name, lock_rank) {.rank = (lock_rank), .name = (lock_name)}

#ifdef GODWIT_DEBUG
/* spinlock_debug.c: panic on a wrong order or a second acquisition. */
void spin_check_lock(struct spinlock *l);
void spin_note_locked(struct spinlock *l);
void spin_check_unlock(struct spinlock *l);
#else
static inline void spin_check_lock(struct spinlock *l) {
    (void)l;
}
static inline void spin_note_locked(struct spinlock *l) {
    (void)l;
}
static inline void spin_check_unlock(struct spinlock *l) {
    (void)l;
}
#endif

static inline void spin_lock(struct spinlock *l) {
    spin_check_lock(l);
    uint32_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket) /* partner: the release in spin_unlock */
        cpu_pause();
    spin_note_locked(l);
}

static inline void spin_unlock(struct spinlock *l) {
    spin_check_unlock(l);
    __atomic_store_n(&l->serving, l->serving + 1, __ATOMIC_RELEASE); /* partner: the acquire in spin_lock */
}

#endif
