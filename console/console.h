/* SPDX-License-Identifier: MIT */
/* console.h - the operator's terminal: keys in, the shell or an attached guest behind it, and what happens
 * meanwhile.
 * - console_init: greet and prompt.  - console_poll: bounded work; call it from CPU 0's loop.
 * - console_print_async: one line (a log message) above the line being edited.
 * Output goes through a ring of its own, so that nothing here ever waits: progress lines are left out while
 * the terminal is behind, and when even the ring is full the loss is counted and told.
 * While a guest has the terminal (`vm console`), everything else is held back; the last migration's report
 * comes after. Progress takes the row of an empty prompt; the first key brings the prompt back. Pure but for
 * its io and ops. */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "console/shell.h"

#define CONSOLE_RING 65536u /* power of two */
#define CONSOLE_TYPED 64
#define CONSOLE_VIEWS 4
#define CONSOLE_PROGRESS_WIDTH 79
#define CONSOLE_PROGRESS_NS (5 * NSEC_PER_MSEC)
#define CONSOLE_ESCAPE 0x1d /* ^] */

/* The terminal. None of these wait. write returns how many octets were taken. */
struct console_io {
    size_t (*read)(char *buf, size_t cap);
    size_t (*write)(const char *data, size_t len);
    size_t (*tx_free)(void);
};

struct console {
    struct console_io io;
    const struct console_ops *ops;
    struct lineedit edit;
    struct shell shell;
    char ring[CONSOLE_RING];
    uint32_t ring_head, ring_tail; /* free-running */
    uint64_t lost;                 /* octets that did not fit since the last notice */
    bool at_column_0;              /* the last octet of a text was '\n' */
    bool in_command;
    char attached[VM_NAME_LEN]; /* the guest that has the terminal, or "" */
    char typed[CONSOLE_TYPED];  /* keys that the guest has not taken yet */
    size_t nr_typed;
    unsigned held_back; /* lines that were not shown while a guest had the terminal */
    struct migrate_view view[CONSOLE_VIEWS];
    size_t progress_len;  /* columns of the progress line on the screen; 0: the prompt is there */
    uint64_t progress_ns; /* when migrations were last looked at */
    uint64_t report_id;   /* the last report shown */
};

/* console_init - io and ops are copied and kept; host: the name in the prompt. notice: a line to print first,
 * or NULL. */
void console_init(struct console *c, const struct console_io *io, const struct console_ops *ops,
                  const char *host, const char *notice);
/* console_poll - true when it did something. */
bool console_poll(struct console *c);
/* console_print_async - line without a newline. Allowed from within an operation that a command called. */
void console_print_async(struct console *c, const char *line);
/* console_migrate_event - what a migration's progress line does not say; what: a word or two. */
void console_migrate_event(struct console *c, const char *what, const struct migrate_view_status *s);

#endif
