/* SPDX-License-Identifier: MIT */
#include "kernel/mailbox.h"

void mailbox_init(struct mailbox *m) {
    *m = (struct mailbox){.lock = SPINLOCK("mailbox", LOCK_RANK_MAILBOX)};
}

result_t mailbox_post(struct mailbox *m, void (*fn)(void *arg), void *arg) {
    result_t r = OK;
    spin_lock(&m->lock);
    if (m->head - m->tail == MAILBOX_SLOTS) {
        r = fail(ERR_FULL);
    } else {
        m->msg[m->head % MAILBOX_SLOTS] = (struct mailbox_msg){fn, arg};
        __atomic_store_n(&m->head, m->head + 1, __ATOMIC_RELEASE); /* partner: mailbox_has_mail */
    }
    spin_unlock(&m->lock);
    return r;
}

bool mailbox_take(struct mailbox *m, struct mailbox_msg *out) {
    if (!mailbox_has_mail(m))
        return false;
    spin_lock(&m->lock);
    *out = m->msg[m->tail % MAILBOX_SLOTS];
    __atomic_store_n(&m->tail, m->tail + 1, __ATOMIC_RELAXED);
    spin_unlock(&m->lock);
    return true;
}
