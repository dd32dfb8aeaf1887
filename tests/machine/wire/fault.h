/* SPDX-License-Identifier: MIT */
/* The fault schedule: rules that decide, frame by frame, what the wire does wrong. Pure and seeded.
 *
 * A rule is text: KIND[,key=value]...
 *   KIND    drop | dup | corrupt | delay | reorder | down
 *   from=N  only frames sent by port N            to=N    only frames going to port N
 *   port=N  either direction of port N            min=N   only frames of at least N bytes
 *   nth=N   only the N-th matching frame          every=N every N-th matching frame
 *   p=X     with probability X (0..1)             count=N at most N times
 *   start=T, end=T   only frames at the switch in [start, end); T takes ns, us, ms or s (default us)
 *   after=HEX        only after a frame that contains these bytes went by (that frame itself is spared)
 *   match=HEX        only frames that contain these bytes
 *   us=N             delay and reorder: additional delay in microseconds (default 1000)
 * reorder is a delay that the frames behind do not share; delay holds back those behind as well.
 * down is a drop of every matching frame; it is counted apart.
 */
#ifndef WIRE_FAULT_H
#define WIRE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_RULES_MAX 64u
#define FAULT_PATTERN_MAX 64u

enum fault_kind {
    FAULT_DROP, FAULT_DUP, FAULT_CORRUPT, FAULT_DELAY, FAULT_REORDER, FAULT_DOWN, NR_FAULT_KINDS
};

struct fault_pattern {
    uint8_t bytes[FAULT_PATTERN_MAX];
    size_t len;                             /* 0: no pattern */
};

struct fault_rule {
    enum fault_kind kind;
    int from, to, port;                     /* -1: any */
    uint64_t min_bytes, nth, every, count;  /* 0: not limited */
    uint64_t start_ns, end_ns;
    uint64_t delay_ns;
    double probability;
    struct fault_pattern after, match;
    bool armed;                             /* `after` has been seen, or there is none */
    uint64_t seen, applied;
    uint64_t random;
};

struct fault_schedule {
    struct fault_rule rules[FAULT_RULES_MAX];
    unsigned nr_rules;
    uint64_t seed;
};

/* One frame on its way from one port to another. */
struct fault_frame {
    unsigned from, to;
    uint64_t time_ns;
    const uint8_t *bytes;
    size_t len;
};

struct fault_verdict {
    bool drop, down;
    unsigned copies;                        /* additional ones */
    bool corrupt;
    size_t corrupt_offset;
    uint8_t corrupt_mask;
    uint64_t delay_ns, reorder_ns;
};

/* fault_add - parse one rule. Returns NULL, or the word that was not understood. */
const char *fault_add(struct fault_schedule *schedule, const char *text);

/* fault_judge - what happens to this frame; advances the rules' counters and random numbers. */
struct fault_verdict fault_judge(struct fault_schedule *schedule, const struct fault_frame *frame);

#endif
