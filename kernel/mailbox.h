/* SPDX-License-Identifier: MIT */
/* mailbox.h - messages to one CPU: any CPU posts, the owner takes, in order.
 * - mailbox_init.   - mailbox_post: ERR_FULL when MAILBOX_SLOTS messages wait.   - mailbox_take: false when it is empty.
 * - mailbox_has_mail: one load, for the owner's loop.
 * A message is a function and its argument; the owner calls it from its loop, outside of guests (kernel/smp.h wakes it).
 * Pure. */
#ifndef KERNEL_MAILBOX_H
#define KERNEL_MAILBOX_H

#include "kernel/result.h"
#include "kernel/spinlock.h"

#define MAILBOX_SLOTS 64u /* power of two */

struct mailbox_msg {
    void (*fn)(void *arg);
    void *arg;
};

struct mailbox {
    struct spinlock lock;
    uint32_t head; /* [a] written under the lock; free-running */
    uint32_t tail; /* [a] written by the owner under the lock */
    struct mailbox_msg msg[MAILBOX_SLOTS]; /* [l] */
};

void mailbox_init(struct mailbox *m);
result_t mailbox_post(struct mailbox *m, void (*fn)(void *arg), void *arg) MUST_CHECK;
bool mailbox_take(struct mailbox *m, struct mailbox_msg *out);

/* Acquire: what the poster wrote before posting is seen. Partner: the release in mailbox_post. */
static inline bool mailbox_has_mail(const struct mailbox *m) {
    return __atomic_load_n(&m->head, __ATOMIC_ACQUIRE) != __atomic_load_n(&m->tail, __ATOMIC_RELAXED);
}

#endif
