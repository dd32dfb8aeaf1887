/* SPDX-License-Identifier: MIT */
/* Sequentially consistent read-modify-writes cost the same as any on the processors that this runs on. */
#include "guest/vlapic_inbox.h"

#include <string.h>

#define SIPI_VALID 0x100u

void vlapic_inbox_init(struct vlapic_inbox *in) {
    memset(in, 0, sizeof *in);
}

void vlapic_inbox_load_lint(struct vlapic_inbox *in, bool lint0, bool lint1) {
    vlapic_inbox_init(in);
    in->control = (lint0 ? INBOX_LINT0 : 0) | (lint1 ? INBOX_LINT1 : 0);
}

/* Relaxed: the vector's PIR bit, which follows, publishes it. */
static void set_level(uint64_t *word, uint64_t bit, bool level) {
    bool was = (__atomic_load_n(word, __ATOMIC_RELAXED) & bit) != 0;
    if (level && !was)
        __atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
    else if (!level && was)
        __atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED);
}

bool vlapic_inbox_post_vector(struct vlapic_inbox *in, uint8_t vector, bool level) {
    if (vector < 16)
        return vlapic_inbox_post(in, INBOX_BAD_VECTOR);
    unsigned word = vector >> 6;
    uint64_t bit = BIT(vector & 63);
    set_level(&in->level[word], bit, level);
    /* Partner: the exchange in vlapic_inbox_take_vectors. */
    if ((__atomic_fetch_or(&in->pir[word], bit, __ATOMIC_SEQ_CST) & bit) != 0)
        return false; /* whoever set it first sets ON and kicks */
    /* Partner: the AND in vlapic_inbox_take. */
    return (__atomic_fetch_or(&in->control, PID_ON, __ATOMIC_SEQ_CST) & PID_ON) == 0;
}

bool vlapic_inbox_post(struct vlapic_inbox *in, uint64_t requests) {
    /* Partner: the AND in vlapic_inbox_take. */
    return (__atomic_fetch_or(&in->control, requests & INBOX_REQUESTS, __ATOMIC_SEQ_CST) & INBOX_REQUESTS) == 0;
}

bool vlapic_inbox_post_init(struct vlapic_inbox *in) {
    __atomic_store_n(&in->sipi, 0, __ATOMIC_RELEASE); /* partner: the exchange in vlapic_inbox_take_sipi */
    return vlapic_inbox_post(in, INBOX_INIT);
}

bool vlapic_inbox_post_sipi(struct vlapic_inbox *in, uint8_t vector) {
    __atomic_store_n(&in->sipi, SIPI_VALID | vector, __ATOMIC_RELEASE); /* partner: as above */
    return vlapic_inbox_post(in, INBOX_SIPI);
}

void vlapic_inbox_post_lint(struct vlapic_inbox *in, unsigned pin, bool level) {
    uint64_t wire = pin == 0 ? INBOX_LINT0 : INBOX_LINT1;
    uint64_t rose = pin == 0 ? INBOX_LINT0_ROSE : INBOX_LINT1_ROSE;
    if (level == vlapic_inbox_lint(in, pin))
        return;
    if (level) {
        __atomic_fetch_or(&in->control, wire | rose, __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_and(&in->control, ~wire, __ATOMIC_SEQ_CST);
        __atomic_fetch_or(&in->control, INBOX_LINT_FELL, __ATOMIC_SEQ_CST);
    }
}

uint64_t vlapic_inbox_take(struct vlapic_inbox *in, uint64_t mask) {
    return __atomic_fetch_and(&in->control, ~(PID_ON | (mask & INBOX_NEWS)), __ATOMIC_SEQ_CST);
}

uint64_t vlapic_inbox_take_vectors(struct vlapic_inbox *in, unsigned word, uint64_t *level) {
    *level = 0;
    if (__atomic_load_n(&in->pir[word], __ATOMIC_RELAXED) == 0)
        return 0; /* a bit whose ON was cleared by vlapic_inbox_take is seen: that AND has read its poster's OR */
    uint64_t vectors = __atomic_exchange_n(&in->pir[word], 0, __ATOMIC_SEQ_CST);
    *level = __atomic_load_n(&in->level[word], __ATOMIC_RELAXED) & vectors;
    return vectors;
}

int vlapic_inbox_take_sipi(struct vlapic_inbox *in) {
    uint32_t sipi = __atomic_exchange_n(&in->sipi, 0, __ATOMIC_ACQ_REL);
    return sipi != 0 ? (int)(sipi & 0xff) : -1;
}
