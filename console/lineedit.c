/* SPDX-License-Identifier: MIT */
/* lineedit.c - see lineedit.h. Edits change line[]; redraw() then makes the screen follow with the fewest
 * octets, by comparing with what stands there (screen[]). */
#include "console/lineedit.h"

#include <stdio.h>
#include <string.h>

static size_t row_room(const struct lineedit *e) {
    return LINEEDIT_COLUMNS - strlen(e->prompt);
}

/* The usual case: the screen shows the whole line but for its end. Such a line may run over the row's edge.
 * */
static bool redraw_append(struct lineedit *e) {
    if (e->start != 0 || e->cursor != e->len || e->screen_cursor != e->screen_len || e->screen_len > e->len ||
        memcmp(e->screen, e->line, e->screen_len) != 0)
        return false;
    out_write(&e->out, e->line + e->screen_len, e->len - e->screen_len);
    memcpy(e->screen, e->line, e->len);
    e->screen_len = e->screen_cursor = e->len;
    return true;
}

static void choose_window(struct lineedit *e, size_t room) {
    if (e->len <= room)
        e->start = 0;
    else if (e->cursor < e->start || e->cursor > e->start + room)
        e->start = e->cursor > room / 2 ? e->cursor - room / 2 : 0;
}

static void move_cursor(struct lineedit *e, size_t to) {
    if (to < e->screen_cursor)
        out_repeat(&e->out, '\b', e->screen_cursor - to);
    else
        out_write(&e->out, e->screen + e->screen_cursor, to - e->screen_cursor);
    e->screen_cursor = to;
}

static void redraw(struct lineedit *e) {
    if (!e->shown || redraw_append(e))
        return;
    size_t room = row_room(e);
    if (e->screen_len > room) { /* it ran over the edge: BS does not lead back, so begin a new row */
        out_printf(&e->out, "\n%s", e->prompt);
        e->screen_len = e->screen_cursor = 0;
    }
    choose_window(e, room);
    const char *view = e->line + e->start;
    size_t view_len = MIN(e->len - e->start, room);
    size_t same = 0;
    while (same < view_len && same < e->screen_len && view[same] == e->screen[same])
        same++;
    if (same < view_len || same < e->screen_len) {
        size_t blank = e->screen_len > view_len ? e->screen_len - view_len : 0;
        move_cursor(e, same);
        out_write(&e->out, view + same, view_len - same);
        out_repeat(&e->out, ' ', blank);
        out_repeat(&e->out, '\b', blank);
        memcpy(e->screen, view, view_len);
        e->screen_len = e->screen_cursor = view_len;
    }
    move_cursor(e, e->cursor - e->start);
}

static void bell(struct lineedit *e) {
    out_puts(&e->out, "\a");
}

static void insert(struct lineedit *e, const char *text, size_t len) {
    if (len > sizeof(e->line) - 1 - e->len) {
        bell(e);
        return;
    }
    memmove(e->line + e->cursor + len, e->line + e->cursor, e->len - e->cursor + 1);
    memcpy(e->line + e->cursor, text, len);
    e->len += len;
    e->cursor += len;
}

/* Remove [from, to) and leave the cursor at from. */
static void erase(struct lineedit *e, size_t from, size_t to) {
    memmove(e->line + from, e->line + to, e->len - to + 1);
    e->len -= to - from;
    e->cursor = from;
}

static void replace(struct lineedit *e, const char *text) {
    if (text == NULL) {
        bell(e);
        return;
    }
    snprintf(e->line, sizeof(e->line), "%s", text);
    e->len = e->cursor = strlen(e->line);
}

static size_t word_start(const struct lineedit *e) {
    size_t at = e->cursor;
    while (at > 0 && e->line[at - 1] == ' ')
        at--;
    while (at > 0 && e->line[at - 1] != ' ')
        at--;
    return at;
}

void completions_add(struct completions *c, const char *word) {
    if (strncmp(word, c->prefix, strlen(c->prefix)) != 0 || c->count == COMPLETIONS_MAX)
        return;
    snprintf(c->word[c->count++], COMPLETION_LEN, "%s", word);
}

static size_t common_len(const struct completions *c) {
    size_t len = strlen(c->word[0]);
    for (unsigned i = 1; i < c->count; i++)
        for (size_t k = 0; k < len; k++)
            if (c->word[i][k] != c->word[0][k])
                len = k;
    return len;
}

static void list_completions(struct lineedit *e, const struct completions *c) {
    size_t column = 0;
    move_cursor(e, e->screen_len);
    out_puts(&e->out, "\n");
    for (unsigned i = 0; i < c->count; i++) {
        size_t width = strlen(c->word[i]) + 2;
        if (column != 0 && column + width > LINEEDIT_COLUMNS) {
            out_puts(&e->out, "\n");
            column = 0;
        }
        out_printf(&e->out, "%s  ", c->word[i]);
        column += width;
    }
    out_puts(&e->out, "\n");
    e->shown = false;
    lineedit_show(e);
}

static void complete(struct lineedit *e) {
    struct completions c = { .count = 0 };
    char text[LINEEDIT_LEN];
    memcpy(text, e->line, e->cursor);
    text[e->cursor] = '\0';
    if (e->complete != NULL)
        e->complete(e->complete_ctx, text, &c);
    if (c.count == 0) {
        bell(e);
        return;
    }
    size_t have = strlen(c.prefix), common = common_len(&c);
    insert(e, c.word[0] + have, common - have);
    if (c.count == 1)
        insert(e, " ", 1);
    else if (common == have)
        list_completions(e, &c);
}

static enum lineedit_event finish(struct lineedit *e, const char *mark, enum lineedit_event event) {
    move_cursor(e, e->screen_len);
    out_puts(&e->out, mark);
    e->shown = false;
    if (event == LINEEDIT_LINE)
        line_history_add(&e->history, e->line);
    else
        line_history_reset(&e->history);
    return event;
}

static void edit(struct lineedit *e, enum key key, char octet) {
    switch (key) {
    case KEY_CHAR:
        insert(e, &octet, 1);
        break;
    case KEY_TAB:
        complete(e);
        break;
    case KEY_BACKSPACE:
        if (e->cursor > 0)
            erase(e, e->cursor - 1, e->cursor);
        break;
    case KEY_DELETE:
    case KEY_DELETE_EOF:
        if (e->cursor < e->len)
            erase(e, e->cursor, e->cursor + 1);
        break;
    case KEY_LEFT:
        e->cursor -= e->cursor > 0;
        break;
    case KEY_RIGHT:
        e->cursor += e->cursor < e->len;
        break;
    case KEY_HOME:
        e->cursor = 0;
        break;
    case KEY_END:
        e->cursor = e->len;
        break;
    case KEY_KILL_END:
        erase(e, e->cursor, e->len);
        break;
    case KEY_KILL_START:
        erase(e, 0, e->cursor);
        break;
    case KEY_KILL_WORD:
        erase(e, word_start(e), e->cursor);
        break;
    case KEY_UP:
        replace(e, line_history_up(&e->history, e->line));
        break;
    case KEY_DOWN:
        replace(e, line_history_down(&e->history));
        break;
    case KEY_CLEAR:
        out_puts(&e->out, "\x1b[H\x1b[2J");
        e->shown = false;
        lineedit_show(e);
        break;
    default:
        break;
    }
}

enum lineedit_event lineedit_feed(struct lineedit *e, char octet) {
    enum key key = keys_decode(&e->keys, octet);
    if (key == KEY_ENTER)
        return finish(e, "\n", LINEEDIT_LINE);
    if (key == KEY_INTERRUPT)
        return finish(e, "^C\n", LINEEDIT_INTERRUPT);
    if (key != KEY_NONE) {
        edit(e, key, octet);
        redraw(e);
    }
    return LINEEDIT_NONE;
}

void lineedit_init(struct lineedit *e, struct out out, const char *prompt, lineedit_complete_fn fn,
                   void *ctx) {
    memset(e, 0, sizeof(*e)); /* too large for a temporary on a kernel stack */
    e->out = out;
    e->complete = fn;
    e->complete_ctx = ctx;
    snprintf(e->prompt, sizeof(e->prompt), "%s", prompt);
}

void lineedit_begin(struct lineedit *e) {
    e->len = e->cursor = 0;
    e->line[0] = '\0';
    e->shown = false;
    lineedit_show(e);
}

size_t lineedit_leave(struct lineedit *e) {
    bool was_shown = e->shown;
    e->shown = false;
    return was_shown ? strlen(e->prompt) + e->screen_len : 0;
}

void lineedit_hide(struct lineedit *e) {
    if (!e->shown)
        return;
    if (e->screen_len > row_room(e)) {
        out_puts(&e->out, "\n");
    } else {
        out_puts(&e->out, "\r");
        out_repeat(&e->out, ' ', strlen(e->prompt) + e->screen_len);
        out_puts(&e->out, "\r");
    }
    e->shown = false;
}

void lineedit_show(struct lineedit *e) {
    if (e->shown)
        return;
    out_puts(&e->out, e->prompt);
    e->screen_len = e->screen_cursor = 0;
    e->start = 0;
    e->shown = true;
    redraw(e);
}
