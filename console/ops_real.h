/* SPDX-License-Identifier: MIT */
/* ops_real.h - struct console_ops filled from the layers below the console.
 * - ops_real_fill: everything but version and cpu_report, which boot/main.c knows.
 * - ops_real_view_status: migration's status as the console's view of it. */
#ifndef CONSOLE_OPS_REAL_H
#define CONSOLE_OPS_REAL_H

#include "console/ops.h"
#include "kernel/config.h"
#include "migration/migration.h"

/* ops_real_fill - config is kept: it names the peers. */
void ops_real_fill(struct console_ops *ops, const struct config *config);
void ops_real_fill_migrate(struct console_ops *ops); /* the part of ops_real_fill in ops_real_migrate.c */
void ops_real_view_status(const struct migrate_status *m, struct migrate_view_status *s);

#endif
