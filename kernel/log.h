/* SPDX-License-Identifier: MIT */
/* log.h - one-line messages with a level; kept in a ring (`log` on the console) and shown on the serial port.
 * - log_error, log_warn, log_info, log_debug(fmt, ...): no trailing newline.
 * Context: any. Hosted tests link tests/unit/host_log.c instead of kernel/log.c. */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include "kernel/types.h"

enum log_level { LOG_ERROR = 1, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
