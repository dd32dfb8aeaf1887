/* SPDX-License-Identifier: MIT */
/* ops_real_migrate.h - the part of console/ops_real.h that calls migration. */
#ifndef CONSOLE_OPS_REAL_MIGRATE_H
#define CONSOLE_OPS_REAL_MIGRATE_H

#include "console/ops.h"

void ops_real_fill_migrate(struct console_ops *ops);

#endif
