/* SPDX-License-Identifier: MIT */
/* ops_real.h - struct console_ops filled from the layers below the console.
 * - ops_real_fill: everything but version and cpu_report, which boot/main.c knows.
 * - ops_real_migrate_event: give it to migration_init as event function, with the console as context. */
#ifndef CONSOLE_OPS_REAL_H
#define CONSOLE_OPS_REAL_H

#include "console/console.h"
#include "kernel/config.h"
#include "migration/migration.h"

/* ops_real_fill - config is kept: it names the peers. */
void ops_real_fill(struct console_ops *ops, const struct config *config);
/* ops_real_migrate_event - a migrate_event_fn; ctx is the struct console. Says what a status line does not:
 * an offer that was accepted or refused here, and doubt. */
void ops_real_migrate_event(void *ctx, enum migrate_event event, const struct migrate_status *status,
                            const struct migrate_report *report);

#endif
