/* SPDX-License-Identifier: MIT */
/* ops_real.h - struct console_ops filled from the layers below the console.
 * - ops_real_fill: everything but version and cpu_report, which boot/main_console.c adds.
 * - ops_real_migrate_event: the event function for migration_init, with the struct console as context. */
#ifndef CONSOLE_OPS_REAL_H
#define CONSOLE_OPS_REAL_H

#include "console/console.h"
#include "kernel/config.h"
#include "migration/migration.h"

/* ops_real_fill - config is kept: it names the peers. */
void ops_real_fill(struct console_ops *ops, const struct config *config);
void ops_real_fill_migrate(struct console_ops *ops); /* the part of it in ops_real_migrate.c */

/* ops_real_migrate_event - shows what a status line does not: an offer accepted or refused here, and doubt.
 * The report of the last event is not needed: the console asks for it itself. */
void ops_real_migrate_event(void *ctx, enum migrate_event event, const struct migrate_status *status,
                            const struct migrate_report *report);

#endif
