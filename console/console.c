/* SPDX-License-Identifier: MIT */
/* console.c - see console.h. */
#include "console/console.h"

#include <stdio.h>
#include <string.h>

#include "console/attach.h"
#include "console/commands.h"
#include "console/console_ring.h"

static struct out text_out(struct console *c) {
    return (struct out){ console_put_text, c };
}

/* Take whatever stands on the current row away: the progress line or the prompt. */
static void clear_row(struct console *c) {
    const struct out raw = { console_put_raw, c };
    if (c->progress_len != 0) {
        out_puts(&raw, "\r");
        out_repeat(&raw, ' ', c->progress_len);
        out_puts(&raw, "\r");
        c->progress_len = 0;
    }
    lineedit_hide(&c->edit);
}

void console_init(struct console *c, const struct console_io *io, const struct console_ops *ops,
                  const char *host, const char *notice) {
    const struct out raw = { console_put_raw, c };
    char prompt[LINEEDIT_PROMPT_LEN];
    memset(c, 0, sizeof(*c));
    c->io = *io;
    c->ops = ops;
    c->at_column_0 = true;
    snprintf(prompt, sizeof(prompt), "godwit:%s> ", host);
    lineedit_init(&c->edit, raw, prompt, shell_complete, &c->shell);
    shell_init(&c->shell, text_out(c), ops, shell_commands);
    c->shell.attach = attach_begin;
    c->shell.attach_ctx = c;
    if (notice != NULL && notice[0] != '\0')
        out_printf(&c->shell.out, "%s\n", notice);
    lineedit_begin(&c->edit);
    (void)console_ring_drain(c);
}

void console_print_async(struct console *c, const char *line) {
    if (attach_active(c)) {
        c->held_back++;
        return;
    }
    if (c->in_command) {
        if (!c->at_column_0)
            out_puts(&c->shell.out, "\n");
        out_printf(&c->shell.out, "%s\n", line);
        return;
    }
    clear_row(c);
    out_printf(&c->shell.out, "%s\n", line);
    lineedit_show(&c->edit);
}

void console_migrate_event(struct console *c, const char *what, const struct migrate_view_status *s) {
    char line[OUT_PRINTF_MAX];
    if (c->shell.view == MIGRATE_VIEW_JSON && !attach_active(c)) {
        clear_row(c);
        migrate_view_event_json(s, what, &c->shell.out);
        lineedit_show(&c->edit);
        return;
    }
    snprintf(line, sizeof(line), "%s %s %s: %s%s%s", s->vm, s->incoming ? "<-" : "->", s->peer, what,
             s->reason[0] != '\0' ? ": " : "", s->reason);
    console_print_async(c, line);
}

static void run_line(struct console *c) {
    char line[LINEEDIT_LEN];
    snprintf(line, sizeof(line), "%s", c->edit.line);
    c->in_command = true;
    (void)shell_run(&c->shell, line);
    c->in_command = false;
    if (!attach_active(c))
        lineedit_begin(&c->edit);
}

/* One key at a time: what follows an Enter may belong to the guest that the command attached. */
static bool poll_keys(struct console *c) {
    bool any = false;
    char key;
    while (!attach_active(c) && console_ring_free(c) > CONSOLE_RING / 2 && c->io.read(&key, 1) == 1) {
        any = true;
        if (c->progress_len != 0)
            clear_row(c);
        lineedit_show(&c->edit);
        switch (lineedit_feed(&c->edit, key)) {
        case LINEEDIT_LINE:
            run_line(c);
            break;
        case LINEEDIT_INTERRUPT:
            lineedit_begin(&c->edit);
            break;
        default:
            break;
        }
    }
    return any;
}

/* The live line stands where an empty prompt would; while a command is being typed it waits. */
static void draw_live(struct console *c, const struct migrate_view_status *s) {
    char line[MIGRATE_VIEW_LINE_LEN];
    const struct out raw = { console_put_raw, c }, text = text_out(c);
    if (c->edit.len != 0)
        return;
    size_t columns = MAX(c->progress_len, lineedit_leave(&c->edit));
    migrate_view_line(s, CONSOLE_PROGRESS_WIDTH, line);
    size_t len = strlen(line);
    out_puts(&raw, "\r");
    out_puts(&text, line);
    if (len < columns) {
        out_repeat(&raw, ' ', columns - len);
        out_repeat(&raw, '\b', columns - len);
    }
    c->progress_len = len;
}

static void show_progress(struct console *c, const struct migrate_view_status *s) {
    char line[MIGRATE_VIEW_LINE_LEN];
    const struct out text = text_out(c);
    switch (c->shell.view) {
    case MIGRATE_VIEW_LIVE:
        draw_live(c, s);
        break;
    case MIGRATE_VIEW_PLAIN:
        migrate_view_line(s, sizeof(line) - 1, line);
        console_print_async(c, line);
        break;
    case MIGRATE_VIEW_JSON:
        clear_row(c);
        migrate_view_status_json(s, &text);
        lineedit_show(&c->edit);
        break;
    }
}

static bool poll_progress(struct console *c) {
    struct migrate_view_status s;
    bool any = false;
    uint64_t now = c->ops->now_ns();
    if (now - c->progress_ns < CONSOLE_PROGRESS_NS)
        return false;
    c->progress_ns = now;
    for (unsigned i = 0; i < CONSOLE_VIEWS && c->ops->migrate_status != NULL && c->ops->migrate_status(i, &s);
         i++) {
        bool alone = i == 0 || c->shell.view != MIGRATE_VIEW_LIVE; /* one row shows one migration */
        if (console_ring_used(c) != 0 || !alone || !migrate_view_update(&c->view[i], &s, c->shell.view, now))
            continue;
        show_progress(c, &s);
        any = true;
    }
    return any;
}

static bool poll_report(struct console *c) {
    struct migrate_view_report r;
    uint64_t id = c->ops->migrate_report_id != NULL ? c->ops->migrate_report_id() : 0;
    if (id == c->report_id)
        return false;
    c->report_id = id;
    if (!c->ops->migrate_report(&r))
        return false;
    clear_row(c);
    if (c->shell.view == MIGRATE_VIEW_JSON)
        migrate_view_report_json(&r, &c->shell.out);
    else
        migrate_view_report_text(&r, &c->shell.out);
    c->shell.view = c->shell.json_all ? MIGRATE_VIEW_JSON : MIGRATE_VIEW_LIVE;
    lineedit_show(&c->edit);
    return true;
}

static bool poll_ping(struct console *c) {
    struct console_ping p;
    bool any = false;
    while (c->ops->net_ping_next != NULL && c->ops->net_ping_next(&p)) {
        clear_row(c);
        cmd_ping_result(&p, c->shell.ping_json, &c->shell.out);
        lineedit_show(&c->edit);
        any = true;
    }
    return any;
}

bool console_poll(struct console *c) {
    bool any;
    if (attach_active(c)) {
        any = attach_poll(c);
        if (!attach_active(c))
            lineedit_begin(&c->edit);
    } else {
        any = poll_keys(c);
    }
    if (!attach_active(c)) {
        any |= poll_report(c);
        any |= poll_progress(c);
        any |= poll_ping(c);
    }
    any |= console_ring_drain(c);
    if (c->shell.leave != NULL && console_ring_used(c) == 0) {
        void (*leave)(void) = c->shell.leave;
        c->shell.leave = NULL;
        leave();
    }
    return any;
}
