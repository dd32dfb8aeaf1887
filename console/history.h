/* SPDX-License-Identifier: MIT */
/* history.h - the last lines typed, newest first when walking up; the line being typed is kept as the bottom
 * entry. A zeroed struct history is empty. */
#ifndef CONSOLE_HISTORY_H
#define CONSOLE_HISTORY_H

#include "kernel/types.h"

#define HISTORY_LINES 32u
#define HISTORY_LINE_LEN 256u /* with the terminating NUL */

struct history {
    char line[HISTORY_LINES][HISTORY_LINE_LEN];
    char draft[HISTORY_LINE_LEN]; /* what was typed before walking up */
    unsigned newest;              /* index after the newest */
    unsigned count;
    unsigned depth; /* 0: at the draft; n: n lines up */
};

/* history_add - remember a line unless it is empty or equals the newest; ends walking. */
void history_add(struct history *h, const char *line);
/* history_up, history_down - the neighbour, or NULL at the end; current is the line as typed (kept as draft
 * when leaving). */
const char *history_up(struct history *h, const char *current);
const char *history_down(struct history *h);
/* history_reset - stop walking (a line was entered or abandoned). */
void history_reset(struct history *h);

#endif
