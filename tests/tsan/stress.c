/* SPDX-License-Identifier: MIT */
#include "tests/tsan/stress.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 16u

static const struct stress_case *running;
static pthread_barrier_t start;
static bool failed; /* [a] */

void stress_note(bool holds, const char *what, const char *file, int line) {
    if (holds || __atomic_exchange_n(&failed, true, __ATOMIC_RELAXED))
        return;
    printf("%s:%d: does not hold: %s\n", file, line, what);
}

void stress_pause(void) {
    sched_yield();
}

/* Relaxed on purpose: the bell must not order anything between two threads that the code under test does not order itself. */
void stress_bell_ring(struct stress_bell *b) {
    __atomic_fetch_add(&b->rings, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&b->rung, 1, __ATOMIC_RELAXED);
}

void stress_bell_wait(struct stress_bell *b) {
    while (__atomic_exchange_n(&b->rung, 0, __ATOMIC_RELAXED) == 0)
        stress_pause();
}

static void *thread_main(void *arg) {
    pthread_barrier_wait(&start);
    running->thread((unsigned)(uintptr_t)arg);
    return NULL;
}

static void run_case(const struct stress_case *c) {
    pthread_t threads[MAX_THREADS];
    running = c;
    if (c->setup != NULL)
        c->setup();
    pthread_barrier_init(&start, NULL, c->threads);
    for (unsigned i = 0; i < c->threads; i++)
        if (pthread_create(&threads[i], NULL, thread_main, (void *)(uintptr_t)i) != 0)
            abort();
    for (unsigned i = 0; i < c->threads; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    if (c->check != NULL)
        c->check();
}

int stress_main(const struct stress_case *cases, size_t nr_cases) {
    bool any = false;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < nr_cases; i++) {
        failed = false;
        alarm(STRESS_HANG_SECONDS);
        run_case(&cases[i]);
        alarm(0);
        printf("%s %s\n", failed ? "FAIL" : "PASS", cases[i].name);
        any |= failed;
    }
    return any ? 1 : 0;
}
