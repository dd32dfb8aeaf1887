/* SPDX-License-Identifier: MIT */
/* sched_queue.h - one CPU's queue of vCPUs: who runs next, and who should go to another CPU.
 * - sched_queue_add / sched_queue_remove / sched_queue_has.
 * - sched_queue_pick: the ready entity with the least virtual time; those that yield come after the others, once.
 * - sched_queue_account: it ran.   - sched_queue_oldest: whom to give away.   - sched_better_cpu: and where to.
 * Virtual time is CPU time, but one that slept starts at most `credit` behind the others: sleep is not saved up.
 * Pure: times are TSC ticks given by the caller. Context: the CPU that owns the queue. */
#ifndef GUEST_SCHED_QUEUE_H
#define GUEST_SCHED_QUEUE_H

#include "kernel/types.h"

#define SCHED_NO_CPU (-1)

/* Embedded in each vCPU. Legend: [h] its home CPU, [a] atomic, [r] written by its home CPU, read by any. */
struct sched_entity {
    struct sched_entity *next; /* [h] in the queue */
    int32_t home;              /* [a] CPU, or SCHED_NO_CPU */
    bool is_yielding;          /* [h] it spins: others first, once */
    uint64_t virtual_tsc;      /* [h] CPU time, raised after sleep; the smallest runs */
    uint64_t ready_tsc;        /* [h] since when it waits for the CPU; 0: it does not */
    uint64_t run_tsc;          /* [r] CPU time */
    uint64_t wait_tsc;         /* [r] time in which it could have run and did not */
};

struct sched_queue {
    struct sched_entity *first; /* [p] */
    uint64_t least_tsc;         /* [p] virtual time of the queue: what newcomers and sleepers start from */
    uint64_t balance_tsc;       /* [p] when to look for a better place next */
    uint32_t load;              /* [r] entities */
    uint32_t nr_ready;          /* [r] of them that could run at the last look */
};

void sched_queue_add(struct sched_queue *q, struct sched_entity *e);
void sched_queue_remove(struct sched_queue *q, struct sched_entity *e); /* must be in it */
bool sched_queue_has(const struct sched_queue *q, const struct sched_entity *e);

/* sched_queue_pick - NULL: none is ready. */
struct sched_entity *sched_queue_pick(struct sched_queue *q, uint64_t now, uint64_t credit,
                                      bool (*is_ready)(struct sched_entity *e, uint64_t now));
/* sched_queue_account - e had the CPU in [start, end) and may want more. */
void sched_queue_account(struct sched_queue *q, struct sched_entity *e, uint64_t start, uint64_t end);
/* sched_queue_oldest - of those that were ready at the last pick, the one that has been in the queue longest, so that an odd one
 * goes round over the CPUs; NULL when there are fewer than two. The receiver waits for a whole period before it gives one on. */
struct sched_entity *sched_queue_oldest(const struct sched_queue *q);
/* sched_better_cpu - of the CPUs [0, nr_cpus) with nr_ready[] ready vCPUs the one with the fewest, if that is fewer than CPU `own`
 * has; of equals the next in a circle. UINT32_MAX marks a CPU that is not allowed. One fewer is enough, so that an odd vCPU goes
 * round and all get the same. SCHED_NO_CPU: stay. */
int32_t sched_better_cpu(const uint32_t *nr_ready, uint32_t nr_cpus, uint32_t own);

#endif
