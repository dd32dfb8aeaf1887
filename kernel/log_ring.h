/* SPDX-License-Identifier: MIT */
/* log_ring.h - the log's other end: its history, and who shows new lines.
 * - log_set_sink: each formatted line (no newline) goes there; before that it goes to the serial ring.
 * - log_set_level: lines above it are not recorded.
 * - log_history: the n-th newest line, NULL past the end.
 * - log_poll: in CPU 0's loop: shows what other CPUs have logged. A sink runs on CPU 0 only.
 * Context: CPU 0. */
#ifndef KERNEL_LOG_RING_H
#define KERNEL_LOG_RING_H

#include "kernel/log.h"

void log_set_sink(void (*sink)(const char *line));
void log_set_level(enum log_level level);
const char *log_history(unsigned age);
bool log_poll(void);

#endif
