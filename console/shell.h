/* SPDX-License-Identifier: MIT */
/* shell.h - the operator's commands: a table, a line in, text or JSON lines out.
 * - shell_run: split, find, call; every failure is one line `error: ...` (JSON: {"event":"error",...}).
 * - shell_complete: candidates for the word at the end of a text.
 * - For handlers: shell_error, shell_done, shell_usage, shell_reject_options.
 * `--json` anywhere on a line answers that line in JSON; `json on` does so for all. Pure. */
#ifndef CONSOLE_SHELL_H
#define CONSOLE_SHELL_H

#include "console/args.h"
#include "console/json.h"
#include "console/lineedit.h"
#include "console/ops.h"

struct shell;

struct command {
    const char *name;
    const char *usage; /* the lines after "usage: ", '\n' between several */
    const char *brief;
    const char *help;                              /* more lines, or NULL */
    void (*run)(struct shell *sh, struct args *a); /* a->word[0] is the name */
    /* words: complete words before the one being typed, words[0] the name; count >= 1. May be NULL. */
    void (*complete)(struct shell *sh, const struct args *words, struct completions *c);
};

struct shell {
    struct out out;
    const struct console_ops *ops;
    const struct command *commands; /* ends with a NULL name */
    bool json_all;                  /* `json on` */
    bool json;                      /* for the running line */
    bool failed;                    /* the running line said an error */
    const char *line_name;          /* name of the running command */
    enum migrate_view_mode view;    /* how to show migrations from now on */
    bool ping_json;                 /* how to show answers to `net ping` */
    void (*leave)(void);            /* reboot or poweroff, once everything said is on the terminal */
    /* vm console: the terminal belongs to the guest from the next poll on. */
    void (*attach)(void *ctx, const char *vm);
    void *attach_ctx;
};

void shell_init(struct shell *sh, struct out out, const struct console_ops *ops,
                const struct command *commands);
/* shell_run - line is modified. Returns true when the command said no error; an empty line does nothing. */
bool shell_run(struct shell *sh, char *line);
/* shell_complete - a lineedit_complete_fn; ctx is the shell. */
void shell_complete(void *ctx, const char *text, struct completions *c);

void shell_error(struct shell *sh, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* shell_error_result - the reason, after `what` when it does not name that; without one the code's name. */
void shell_error_result(struct shell *sh, const char *what, result_t r, const struct reason *why);
/* shell_done - "NAME: text" or {"event":"ok","command":...,"name":NAME,"result":text}. */
void shell_done(struct shell *sh, const char *name, const char *text);
/* shell_check - what every handler asks last of its words: no unknown option, and min .. max words. False:
 * error said. */
bool shell_check(struct shell *sh, const struct args *a, unsigned min, unsigned max);
/* shell_available - false (error said) when an operation is NULL. */
bool shell_available(struct shell *sh, bool present);
const struct command *shell_find(const struct shell *sh, const char *name);

/* shell_commands - the whole table (console/commands.c). */
extern const struct command shell_commands[];

#endif
