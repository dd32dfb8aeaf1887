/* SPDX-License-Identifier: MIT */
/* console_start.h - the one console of the machine, on its serial port; what boot/main.c calls.
 * - console_start: prompt on the serial port, log lines above it. After serial_init and time_init.
 * - console_task: for loop_add.
 * - console_on_migration: the event function for migration_init; its context is unused.
 * Context: CPU 0. */
#ifndef CONSOLE_CONSOLE_START_H
#define CONSOLE_CONSOLE_START_H

#include "kernel/config.h"
#include "migration/migration.h"

struct console_start {
    const struct config *config; /* kept: names the host and the peers */
    const char *version;
    const char *notice; /* a line for the operator, such as the configuration's mistake; or NULL */
    /* What `cpu` says, one line() per feature; may be NULL. */
    void (*cpu_report)(void (*line)(void *ctx, const char *text), void *ctx);
};

void console_start(const struct console_start *s);
bool console_task(void);
void console_on_migration(void *ctx, enum migrate_event event, const struct migrate_status *status,
                          const struct migrate_report *report);

#endif
