/* SPDX-License-Identifier: MIT */
/* tsc_sync.h - compare a new CPU's time-stamp counter with CPU 0's, and align it.
 * - tsc_sync_answer: on the new CPU: answers until CPU 0 is content.   - tsc_sync_measure: on CPU 0.
 *
 *   CPU 0:  t0 = TSC, request n ----> new CPU: its TSC as answer n ----> t1 = TSC
 *   offset = answer - (t0 + t1) / 2, known to +-(t1 - t0) / 2; the round with the smallest t1 - t0 counts.
 * When the offset is beyond its error, the new CPU subtracts it (IA32_TSC_ADJUST, else the TSC itself), and is measured again.
 * Source: SDM Vol. 3B, 17.17 "Time-Stamp Counter", 17.17.3 "Time-Stamp Counter Adjustment". */
#ifndef KERNEL_TSC_SYNC_H
#define KERNEL_TSC_SYNC_H

#include "kernel/types.h"

struct tsc_sync {
    uint32_t request; /* [a] CPU 0 counts up; TSC_SYNC_DONE ends, TSC_SYNC_ADJUST asks to subtract `offset` */
    uint32_t answer;  /* [a] the request that was answered */
    uint64_t tsc;     /* of the answer */
    int64_t offset;   /* to subtract */
};

struct tsc_verdict {
    int64_t offset; /* new CPU's TSC minus CPU 0's, at last */
    uint64_t error; /* bound of the measurement, in ticks */
    bool aligned, adjusted;
};

void tsc_sync_answer(struct tsc_sync *s);
struct tsc_verdict tsc_sync_measure(struct tsc_sync *s);

#endif
