/* SPDX-License-Identifier: MIT */
/* console_start.c - see console_start.h. */
#include "console/console_start.h"

#include "console/console.h"
#include "console/ops_real.h"
#include "kernel/log_ring.h"
#include "kernel/serial.h"

static struct console the_console;
static struct console_ops ops;
static bool started;

static void show_log_line(const char *line) {
    console_print_async(&the_console, line);
}

void console_start(const struct console_start *s) {
    static const struct console_io io = { serial_read, serial_write, serial_space };
    ops_real_fill(&ops, s->config);
    ops.version = s->version;
    ops.cpu_report = s->cpu_report;
    console_init(&the_console, &io, &ops, s->config->host.name, s->notice);
    started = true;
    log_set_sink(show_log_line);
}

bool console_task(void) {
    return console_poll(&the_console);
}

/* The report is not needed here: the console asks for it itself. */
void console_on_migration(void *ctx, enum migrate_event event, const struct migrate_status *status,
                          const struct migrate_report *report) {
    struct migrate_view_status s;
    (void)ctx, (void)report;
    if (!started ||
        (event != MIGRATE_EV_INCOMING && event != MIGRATE_EV_IN_DOUBT && event != MIGRATE_EV_REFUSED))
        return;
    ops_real_view_status(status, &s);
    console_migrate_event(&the_console, migrate_event_str(event), &s);
}
