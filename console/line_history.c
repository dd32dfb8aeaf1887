/* SPDX-License-Identifier: MIT */
/* line_history.c - see line_history.h. */
#include "console/line_history.h"

#include <stdio.h>
#include <string.h>

static const char *entry(const struct line_history *h, unsigned depth) {
    return h->line[(h->newest + HISTORY_LINES - depth) % HISTORY_LINES];
}

void line_history_reset(struct line_history *h) {
    h->depth = 0;
}

void line_history_add(struct line_history *h, const char *line) {
    line_history_reset(h);
    if (line[0] == '\0' || (h->count > 0 && strcmp(entry(h, 1), line) == 0))
        return;
    snprintf(h->line[h->newest], HISTORY_LINE_LEN, "%s", line);
    h->newest = (h->newest + 1) % HISTORY_LINES;
    if (h->count < HISTORY_LINES)
        h->count++;
}

const char *line_history_up(struct line_history *h, const char *current) {
    if (h->depth == h->count)
        return NULL;
    if (h->depth == 0)
        snprintf(h->draft, sizeof(h->draft), "%s", current);
    h->depth++;
    return entry(h, h->depth);
}

const char *line_history_down(struct line_history *h) {
    if (h->depth == 0)
        return NULL;
    h->depth--;
    return h->depth == 0 ? h->draft : entry(h, h->depth);
}
