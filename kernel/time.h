/* SPDX-License-Identifier: MIT */
/* time.h - the host's time axis: the TSC, calibrated once at boot.
 * - time_now_ns: monotonic nanoseconds since power-on (derived from the TSC).
 * - time_wall_ns: UTC nanoseconds since 1970 (RTC read at boot plus elapsed time).
 * - time_delay_us: busy wait, for device reset sequences only. */
#ifndef KERNEL_TIME_H
#define KERNEL_TIME_H

#include "kernel/types.h"

uint64_t time_now_ns(void);
uint64_t time_wall_ns(void);
uint64_t time_tsc_hz(void);
uint64_t time_ns_to_tsc(uint64_t ns);
uint64_t time_tsc_to_ns(uint64_t tsc);
void time_delay_us(uint32_t us);

#endif
