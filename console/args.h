/* SPDX-License-Identifier: MIT */
/* args.h - a line into words, and options out of the words.
 * - args_split: blanks separate; "..." and '...' keep blanks; \ keeps the next character (not inside '...').
 * - args_take_flag, args_take_value: remove `--flag`, `--name value` or `--name=value` wherever it stands. */
#ifndef CONSOLE_ARGS_H
#define CONSOLE_ARGS_H

#include "kernel/result.h"

#define ARGS_MAX 24u

struct args {
    unsigned count;
    char *word[ARGS_MAX];
};

/* args_split - in place; the words point into line. Errors: ERR_INVAL (quote not closed), ERR_RANGE (too many
 * words). */
result_t args_split(char *line, struct args *out, struct reason *why) MUST_CHECK;
bool args_take_flag(struct args *a, const char *name);
/* args_take_value - *value stays NULL when the option is absent. Errors: ERR_INVAL (no value follows, or
 * given twice). */
result_t args_take_value(struct args *a, const char *name, const char **value, struct reason *why) MUST_CHECK;
/* args_distance - how many edits (insert, delete, change a character) turn what was typed into a name, when
 * that is few enough (at most 2, at most half its length) for "did you mean"; ARGS_FAR otherwise. */
#define ARGS_FAR 99u
unsigned args_distance(const char *typed, const char *name);

#endif
