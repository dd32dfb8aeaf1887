/* SPDX-License-Identifier: MIT */
/* line_history.h - the last lines typed, newest first when walking up, and below them the line being typed.
 * A zeroed struct line_history is empty. */
#ifndef CONSOLE_LINE_HISTORY_H
#define CONSOLE_LINE_HISTORY_H

#include "kernel/types.h"

#define HISTORY_LINES 32u
#define HISTORY_LINE_LEN 256u /* with the terminating NUL */

struct line_history {
    char line[HISTORY_LINES][HISTORY_LINE_LEN];
    char draft[HISTORY_LINE_LEN]; /* what was typed before walking up */
    unsigned newest;              /* index after the newest */
    unsigned count;
    unsigned depth; /* 0: at the draft; n: n lines up */
};

/* line_history_add - remember a line unless it is empty or equals the newest; ends walking. */
void line_history_add(struct line_history *h, const char *line);
/* line_history_up, line_history_down - the neighbour, or NULL at the end.
 * current: the line as typed; it is kept as the draft when it is left. */
const char *line_history_up(struct line_history *h, const char *current);
const char *line_history_down(struct line_history *h);
/* line_history_reset - stop walking (a line was entered or abandoned). */
void line_history_reset(struct line_history *h);

#endif
