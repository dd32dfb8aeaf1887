/* SPDX-License-Identifier: MIT */
/* test_lineedit.c - the line editor against a small model of a dumb terminal: what the operator sees must be
 * prompt and line. */
#include "console/lineedit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A terminal that knows CR, LF, BS and BEL and has one endless row; anything else unprintable is counted as
 * an error. */
struct screen {
    char row[4096];
    size_t column;
    unsigned rows, bells, bad;
    size_t octets;
};

static void screen_write(void *ctx, const char *data, size_t len) {
    struct screen *s = ctx;
    s->octets += len;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\r') {
            s->column = 0;
        } else if (data[i] == '\n') {
            memset(s->row, 0, sizeof(s->row));
            s->column = 0;
            s->rows++;
        } else if (data[i] == '\b') {
            if (s->column == 0)
                s->bad++;
            else
                s->column--;
        } else if (data[i] == '\a') {
            s->bells++;
        } else if (data[i] >= 0x20 && data[i] < 0x7f && s->column < sizeof(s->row) - 1) {
            s->row[s->column++] = data[i];
        } else {
            s->bad++;
        }
    }
}

/* The row without blanks at its end. */
static const char *screen_text(const struct screen *s) {
    static char text[sizeof(s->row)];
    size_t len = strlen(s->row);
    memcpy(text, s->row, len + 1);
    while (len > 0 && text[len - 1] == ' ')
        text[--len] = '\0';
    return text;
}

struct fixture {
    struct screen screen;
    struct lineedit edit;
};

static void words(void *ctx, const char *text, struct completions *c) {
    static const char *const all[] = { "start", "status", "stop", "list" };
    const char *last = strrchr(text, ' ');
    (void)ctx;
    snprintf(c->prefix, sizeof(c->prefix), "%s", last != NULL ? last + 1 : text);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        completions_add(c, all[i]);
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    lineedit_init(&f->edit, (struct out){ screen_write, &f->screen }, "godwit:alpha> ", words, NULL);
    lineedit_begin(&f->edit);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    free(*state);
    return 0;
}

static enum lineedit_event type(struct fixture *f, const char *text) {
    enum lineedit_event last = LINEEDIT_NONE;
    for (; *text != '\0'; text++) {
        last = lineedit_feed(&f->edit, *text);
        if (last != LINEEDIT_NONE && text[1] != '\0')
            lineedit_begin(&f->edit);
    }
    return last;
}

static void expect(struct fixture *f, const char *line, size_t cursor) {
    char want[512], got[512];
    snprintf(want, sizeof(want), "godwit:alpha> %s", line);
    size_t len = strlen(want);
    while (want[len - 1] == ' ')
        want[--len] = '\0';
    snprintf(got, sizeof(got), "%s", screen_text(&f->screen));
    assert_string_equal(f->edit.line, line);
    assert_string_equal(got, want);
    assert_int_equal(f->edit.cursor, cursor);
    assert_int_equal(f->screen.column, strlen("godwit:alpha> ") + cursor);
    assert_int_equal(f->screen.bad, 0);
}

static void test_lineedit_append_echoes_one_octet(void **state) {
    struct fixture *f = *state;
    for (const char *p = "vm list"; *p != '\0'; p++) {
        size_t before = f->screen.octets;
        lineedit_feed(&f->edit, *p);
        assert_int_equal(f->screen.octets, before + 1);
    }
    expect(f, "vm list", 7);
    assert_int_equal(type(f, "\r"), LINEEDIT_LINE);
    assert_string_equal(f->edit.line, "vm list");
}

static void test_lineedit_edit_near_the_end_is_cheap(void **state) {
    struct fixture *f = *state;
    type(f, "migrate web to beta --downtime 10ms\x1b[D\x1b[D");
    size_t before = f->screen.octets;
    type(f, "0"); /* the character, the two behind it, and back */
    assert_int_equal(f->screen.octets, before + 5);
    expect(f, "migrate web to beta --downtime 100ms", 34);
}

static void test_lineedit_edits_in_the_middle(void **state) {
    struct fixture *f = *state;
    type(f, "vm lst\x1b[D\x1b[Di");
    expect(f, "vm list", 5);
    type(f, "\x01X\x05Y");
    expect(f, "Xvm listY", 9);
    type(f, "\b\x1b[H\x1b[3~");
    expect(f, "vm list", 0);
    type(f, "\x1b[C\x1b[C\x0b");
    expect(f, "vm", 2);
    type(f, " start web\x17");
    expect(f, "vm start ", 9);
    type(f, "\x15");
    expect(f, "", 0);
    type(f, "abc\x1b[D\x7f");
    expect(f, "ac", 1);
    type(f, "\x1bOH\x04");
    expect(f, "c", 0);
    type(f, "\x1b[4~d\x1b[1~b");
    expect(f, "bcd", 1);
}

static void test_lineedit_sequences_split_and_noise(void **state) {
    struct fixture *f = *state;
    type(f, "ab");
    lineedit_feed(&f->edit, 0x1b);
    lineedit_feed(&f->edit, '[');
    lineedit_feed(&f->edit, 'D');
    expect(f, "ab", 1);
    type(f, "\xc3\xa9\xff\x01\x05"); /* not ASCII: ignored */
    expect(f, "ab", 2);
    type(f, "\x1b[1;5D\x1b[200~\x1b[99999999;;;;~\x1b[?25h\x1bx");
    expect(f, "ab", 1); /* only the first, a Ctrl-Left, is a key that counts */
    assert_int_equal(type(f, "\x1b[\r"), LINEEDIT_LINE); /* a damaged sequence does not eat Enter */
}

static void test_lineedit_cr_lf_is_one_enter(void **state) {
    struct fixture *f = *state;
    assert_int_equal(lineedit_feed(&f->edit, '\r'), LINEEDIT_LINE);
    lineedit_begin(&f->edit);
    assert_int_equal(lineedit_feed(&f->edit, '\n'), LINEEDIT_NONE);
    assert_int_equal(lineedit_feed(&f->edit, '\n'), LINEEDIT_LINE);
}

static void test_lineedit_interrupt_abandons(void **state) {
    struct fixture *f = *state;
    assert_int_equal(type(f, "reboot\x03"), LINEEDIT_INTERRUPT);
    lineedit_begin(&f->edit);
    expect(f, "", 0);
    type(f, "\x1b[A");
    expect(f, "", 0); /* it is not in the history */
}

static void test_lineedit_history(void **state) {
    struct fixture *f = *state;
    type(f, "one\rtwo\rtwo\r\r");
    lineedit_begin(&f->edit);
    type(f, "dra\x1b[A");
    expect(f, "two", 3);
    type(f, "\x1b[A");
    expect(f, "one", 3);
    type(f, "\x1b[A\x10");
    expect(f, "one", 3);
    type(f, "\x1b[B\x0e");
    expect(f, "dra", 3);
    unsigned bells = f->screen.bells;
    type(f, "\x1b[B");
    assert_int_equal(f->screen.bells, bells + 1);
}

static void test_lineedit_history_keeps_the_last(void **state) {
    struct fixture *f = *state;
    char line[16];
    for (unsigned i = 0; i < HISTORY_LINES + 5; i++) {
        snprintf(line, sizeof(line), "cmd %u\r", i);
        type(f, line);
        lineedit_begin(&f->edit);
    }
    for (unsigned i = 0; i < 2 * HISTORY_LINES; i++)
        type(f, "\x1b[A");
    expect(f, "cmd 5", 5);
}

static void test_lineedit_completion(void **state) {
    struct fixture *f = *state;
    type(f, "l\t");
    expect(f, "list ", 5);
    type(f, "\x15sta\t");
    expect(f, "sta", 3);
    unsigned rows = f->screen.rows;
    assert_true(rows >= 2); /* several: they were listed */
    type(f, "r\tx");
    expect(f, "start x", 7);
    unsigned bells = f->screen.bells;
    type(f, "\t");
    assert_int_equal(f->screen.bells, bells + 1);
    type(f, "\x15s web\x01\x1b[C\t"); /* in the middle: common part only */
    expect(f, "st web", 2);
}

static void test_lineedit_hide_and_show(void **state) {
    struct fixture *f = *state;
    type(f, "migrate\x1b[D\x1b[D");
    lineedit_hide(&f->edit);
    assert_string_equal(screen_text(&f->screen), "");
    assert_int_equal(f->screen.column, 0);
    lineedit_hide(&f->edit);
    lineedit_show(&f->edit);
    expect(f, "migrate", 5);
    type(f, "X");
    expect(f, "migraXte", 6);
}

static void test_lineedit_over_long_line(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < LINEEDIT_LEN + 100; i++)
        lineedit_feed(&f->edit, (char)('a' + i % 26));
    assert_int_equal(f->edit.len, LINEEDIT_LEN - 1);
    assert_int_equal(f->screen.bells, 101);
    type(f, "\x01Z"); /* full: no room, and the window is at the start */
    assert_int_equal(f->edit.len, LINEEDIT_LEN - 1);
    assert_true(f->screen.column <= LINEEDIT_COLUMNS);
    type(f, "\x1b[C\x1b[C\x04\x05\b\b");
    assert_int_equal(f->edit.len, LINEEDIT_LEN - 4);
    assert_true(strlen(screen_text(&f->screen)) <= LINEEDIT_COLUMNS);
    assert_int_equal(f->screen.bad, 0);
    type(f, "\x15xyz");
    expect(f, "xyz", 3);
}

/* Whatever comes in: the cursor stays inside, the line is terminated, the screen shows a part of the line. */
static void test_lineedit_survives_noise(void **state) {
    struct fixture *f = *state;
    static const char *const often[] = { "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B", "\b",
                                         "\t",     "\x0b",   "\x01",   "\x05",   "\r" };
    unsigned long seed = 20;
    for (unsigned i = 0; i < 100000; i++) {
        seed = seed * 6364136223846793005ul + 1442695040888963407ul;
        unsigned pick = (unsigned)(seed >> 33);
        if (pick % 3 == 0) {
            type(f, often[(pick / 3) % ARRAY_LEN(often)]);
        } else if (pick % 3 == 1 || pick % 97 == 0) {
            char c = (char)(pick >> 8);
            if (c != '\x0c' && c != '\0')
                lineedit_feed(&f->edit, c);
        } else {
            lineedit_feed(&f->edit, (char)(0x20 + (pick >> 8) % 95));
        }
        if (!f->edit.shown)
            lineedit_begin(&f->edit);
        assert_true(f->edit.cursor <= f->edit.len && f->edit.len < LINEEDIT_LEN);
        assert_int_equal(f->edit.line[f->edit.len], '\0');
        char part[LINEEDIT_LEN + 1];
        size_t n = f->edit.screen_len;
        memcpy(part, f->screen.row + 14, n);
        assert_memory_equal(part, f->edit.line + f->edit.start, n);
        assert_int_equal(f->screen.column, 14 + f->edit.cursor - f->edit.start);
    }
    assert_int_equal(f->screen.bad, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_lineedit_append_echoes_one_octet),
        T(test_lineedit_edit_near_the_end_is_cheap),
        T(test_lineedit_edits_in_the_middle),
        T(test_lineedit_sequences_split_and_noise),
        T(test_lineedit_cr_lf_is_one_enter),
        T(test_lineedit_interrupt_abandons),
        T(test_lineedit_history),
        T(test_lineedit_history_keeps_the_last),
        T(test_lineedit_completion),
        T(test_lineedit_hide_and_show),
        T(test_lineedit_over_long_line),
        T(test_lineedit_survives_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
