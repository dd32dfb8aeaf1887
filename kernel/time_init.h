/* SPDX-License-Identifier: MIT */
/* time_init.h - calibrate the TSC (CPUID, else PM timer, else PIT) and anchor wall-clock time.
 * wall_seconds: UTC since 1970 at the moment when the TSC read wall_tsc. Needs acpi_init before. */
#ifndef KERNEL_TIME_INIT_H
#define KERNEL_TIME_INIT_H

#include "kernel/time.h"

void time_init(uint64_t wall_seconds, uint64_t wall_tsc);

#endif
