/* SPDX-License-Identifier: MIT */
#include "guest/sched_queue.h"

static void set_load(struct sched_queue *q, uint32_t load) {
    __atomic_store_n(&q->load, load, __ATOMIC_RELAXED);
}

void sched_queue_add(struct sched_queue *q, struct sched_entity *e) {
    e->virtual_tsc = q->least_tsc;
    e->ready_tsc = 0;
    e->is_yielding = false;
    e->next = q->first;
    q->first = e;
    set_load(q, q->load + 1);
}

void sched_queue_remove(struct sched_queue *q, struct sched_entity *e) {
    struct sched_entity **link = &q->first;
    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    e->next = NULL;
    set_load(q, q->load - 1);
}

bool sched_queue_has(const struct sched_queue *q, const struct sched_entity *e) {
    const struct sched_entity *at = q->first;
    while (at != NULL && at != e)
        at = at->next;
    return at != NULL;
}

static void wake(const struct sched_queue *q, struct sched_entity *e, uint64_t now, uint64_t credit) {
    uint64_t floor = q->least_tsc > credit ? q->least_tsc - credit : 0;
    e->virtual_tsc = MAX(e->virtual_tsc, floor);
    e->ready_tsc = now;
}

static bool goes_first(const struct sched_entity *e, const struct sched_entity *best) {
    if (best == NULL || best->is_yielding != e->is_yielding)
        return best == NULL || best->is_yielding;
    return e->virtual_tsc < best->virtual_tsc;
}

struct sched_entity *sched_queue_pick(struct sched_queue *q, uint64_t now, uint64_t credit,
                                      bool (*is_ready)(struct sched_entity *e, uint64_t now)) {
    struct sched_entity *best = NULL;
    uint32_t nr_ready = 0;
    for (struct sched_entity *e = q->first; e != NULL; e = e->next) {
        if (!is_ready(e, now)) {
            e->ready_tsc = 0;
            continue;
        }
        nr_ready++;
        if (e->ready_tsc == 0)
            wake(q, e, now, credit);
        if (goes_first(e, best))
            best = e;
    }
    for (struct sched_entity *e = q->first; e != NULL; e = e->next)
        e->is_yielding = false;
    __atomic_store_n(&q->nr_ready, nr_ready, __ATOMIC_RELAXED);
    return best;
}

void sched_queue_account(struct sched_queue *q, struct sched_entity *e, uint64_t start, uint64_t end) {
    __atomic_store_n(&e->run_tsc, e->run_tsc + (end - start), __ATOMIC_RELAXED);
    __atomic_store_n(&e->wait_tsc, e->wait_tsc + (start - e->ready_tsc), __ATOMIC_RELAXED);
    q->least_tsc = MAX(q->least_tsc, e->virtual_tsc); /* it was the least of those that wanted to run */
    e->virtual_tsc += end - start;
    e->ready_tsc = end;
}

/* New ones are put in front, so it is the last in the list. */
struct sched_entity *sched_queue_oldest(const struct sched_queue *q) {
    struct sched_entity *oldest = NULL;
    for (struct sched_entity *e = q->first; e != NULL && q->nr_ready >= 2; e = e->next)
        if (e->ready_tsc != 0)
            oldest = e;
    return oldest;
}

int32_t sched_better_cpu(const uint32_t *nr_ready, uint32_t nr_cpus, uint32_t own) {
    int32_t best = SCHED_NO_CPU;
    uint32_t best_ready = nr_ready[own];
    for (uint32_t i = 1; i < nr_cpus; i++) {
        uint32_t cpu = (own + i) % nr_cpus;
        if (nr_ready[cpu] >= best_ready)
            continue;
        best_ready = nr_ready[cpu];
        best = (int32_t)cpu;
    }
    return best;
}
