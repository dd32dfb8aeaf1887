/* SPDX-License-Identifier: MIT */
/* lineedit.h - one line edited on a terminal that is reached over a slow serial line.
 * - lineedit_feed: one octet in, echo out, KEY_ENTER gives a line. Appending echoes one octet and nothing
 * else.
 * - lineedit_hide, lineedit_show: take the prompt and line off the screen for other output, and put them
 * back. Output is printable ASCII, BS, CR and LF only (and BEL, and one clear-screen sequence for ^L), so a
 * dumb terminal works too. The screen row is assumed to hold LINEEDIT_COLUMNS + 1 columns; a longer line is
 * shown through a window once it is edited in the middle. Octets that are not ASCII are ignored. */
#ifndef CONSOLE_LINEEDIT_H
#define CONSOLE_LINEEDIT_H

#include "console/line_history.h"
#include "console/keys.h"
#include "console/out.h"

#define LINEEDIT_LEN HISTORY_LINE_LEN
#define LINEEDIT_COLUMNS 79u
#define LINEEDIT_PROMPT_LEN 48
#define COMPLETION_LEN 48
#define COMPLETIONS_MAX 32u

/* What may stand at the cursor. The callback adds every candidate; those that do not start with the prefix
 * are left out. */
struct completions {
    char prefix[COMPLETION_LEN];
    char word[COMPLETIONS_MAX][COMPLETION_LEN];
    unsigned count;
};
void completions_add(struct completions *c, const char *word);

/* text: the line up to the cursor; set c->prefix (initially "") before adding. */
typedef void (*lineedit_complete_fn)(void *ctx, const char *text, struct completions *c);

enum lineedit_event {
    LINEEDIT_NONE = 0,
    LINEEDIT_LINE,      /* Enter: read e->line, then call lineedit_begin */
    LINEEDIT_INTERRUPT, /* ^C: the line was abandoned; call lineedit_begin */
};

struct lineedit {
    struct out out;
    char prompt[LINEEDIT_PROMPT_LEN];
    lineedit_complete_fn complete; /* may be NULL */
    void *complete_ctx;
    struct keys keys;
    struct line_history history;
    char line[LINEEDIT_LEN];
    size_t len, cursor;
    char screen[LINEEDIT_LEN]; /* what stands right of the prompt now */
    size_t screen_len, screen_cursor;
    size_t start; /* first character of line shown */
    bool shown;
};

/* lineedit_init - nothing is drawn; prompt is cut to fit. */
void lineedit_init(struct lineedit *e, struct out out, const char *prompt, lineedit_complete_fn complete,
                   void *ctx);
/* lineedit_begin - empty line, drawn. */
void lineedit_begin(struct lineedit *e);
enum lineedit_event lineedit_feed(struct lineedit *e, char octet);
/* lineedit_leave - the row will be written over: how many columns of it are in use; hidden afterwards.
 * lineedit_hide - cursor to column 0 of an empty row. lineedit_show - draw again. Both do nothing when
 * already so. */
size_t lineedit_leave(struct lineedit *e);
void lineedit_hide(struct lineedit *e);
void lineedit_show(struct lineedit *e);

#endif
