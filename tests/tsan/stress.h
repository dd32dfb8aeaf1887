/* SPDX-License-Identifier: MIT */
/* stress.h - the harness of the thread-sanitizer tests: threads that start together, cases with a name, a verdict.
 * A program stress_*.c is a list of cases: each runs `threads` threads through fn, then check. The number of operations is fixed
 * in the case; nothing depends on time, but a case that hangs (something was lost) ends as failed after STRESS_HANG_SECONDS.
 * The thread sanitizer reports data races by itself and makes the program fail.
 * More programs: put stress_NAME.c here and the sources that it needs into TSAN_SOURCES of module.mk. */
#ifndef TESTS_TSAN_STRESS_H
#define TESTS_TSAN_STRESS_H

#include "kernel/types.h"

#define STRESS_HANG_SECONDS 120u

struct stress_case {
    const char *name;
    unsigned threads;
    void (*setup)(void);           /* before the threads; may be NULL */
    void (*thread)(unsigned index); /* all at the same time */
    void (*check)(void);           /* after them; may be NULL */
};

/* stress_main - run the cases; prints PASS or FAIL and the name of each; 0: all passed. */
int stress_main(const struct stress_case *cases, size_t nr_cases);

/* stress_check - a condition that must hold; otherwise the case fails, once with a line. Any thread. */
#define stress_check(condition) stress_note((condition), #condition, __FILE__, __LINE__)
void stress_note(bool holds, const char *what, const char *file, int line);

/* stress_pause - in a loop that waits for another thread. */
void stress_pause(void);

/* A sleeper and what wakes it: a kick that comes too early is not lost, as an interrupt is not. */
struct stress_bell {
    uint32_t rung;  /* [a] */
    uint32_t rings; /* [a] how often: to see that kicks are rare */
};
void stress_bell_ring(struct stress_bell *b);
void stress_bell_wait(struct stress_bell *b);

#endif
