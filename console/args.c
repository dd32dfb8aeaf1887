/* SPDX-License-Identifier: MIT */
/* args.c - see args.h. */
#include "console/args.h"

#include <string.h>

/* Copy one word from *from to *to (never ahead of *from); both advance. */
static bool take_word(char **from, char **to) {
    char quote = '\0', *r = *from, *w = *to;
    for (; *r != '\0' && (quote != '\0' || (*r != ' ' && *r != '\t')); r++) {
        if (*r == quote && quote != '\0')
            quote = '\0';
        else if (quote == '\0' && (*r == '"' || *r == '\''))
            quote = *r;
        else if (*r == '\\' && quote != '\'' && r[1] != '\0')
            *w++ = *++r;
        else
            *w++ = *r;
    }
    bool more = *r != '\0';
    *w = '\0';
    *to = w + 1;
    *from = r + more;
    return quote == '\0';
}

result_t args_split(char *line, struct args *out, struct reason *why) {
    char *from = line;
    struct args a = { .count = 0 };
    for (;;) {
        while (*from == ' ' || *from == '\t')
            from++;
        if (*from == '\0')
            break;
        if (a.count == ARGS_MAX)
            return reason_set(why, fail(ERR_RANGE), "more than %u words on the line", ARGS_MAX);
        char *to = from;
        a.word[a.count++] = to;
        if (!take_word(&from, &to))
            return reason_set(why, fail(ERR_INVAL), "a quote is not closed");
    }
    *out = a;
    return OK;
}

static void remove_words(struct args *a, unsigned at, unsigned count) {
    for (unsigned i = at + count; i < a->count; i++)
        a->word[i - count] = a->word[i];
    a->count -= count;
}

bool args_take_flag(struct args *a, const char *name) {
    bool found = false;
    for (unsigned i = 0; i < a->count;) {
        if (strcmp(a->word[i], name) == 0) {
            remove_words(a, i, 1);
            found = true;
        } else {
            i++;
        }
    }
    return found;
}

result_t args_take_value(struct args *a, const char *name, const char **value, struct reason *why) {
    size_t len = strlen(name);
    *value = NULL;
    for (unsigned i = 0; i < a->count;) {
        const char *word = a->word[i], *found;
        unsigned used = 1;
        if (strncmp(word, name, len) != 0 || (word[len] != '\0' && word[len] != '=')) {
            i++;
            continue;
        }
        if (word[len] == '=') {
            found = word + len + 1;
        } else if (i + 1 < a->count) {
            found = a->word[i + 1];
            used = 2;
        } else {
            return reason_set(why, fail(ERR_INVAL), "%s needs a value", name);
        }
        if (*value != NULL)
            return reason_set(why, fail(ERR_INVAL), "%s is given twice", name);
        *value = found;
        remove_words(a, i, used);
    }
    return OK;
}

unsigned args_distance(const char *typed, const char *name) {
    enum { LIMIT = 32, NEAR = 2 };
    unsigned row[LIMIT + 1];
    size_t lt = strlen(typed), ln = strlen(name);
    if (lt > LIMIT || ln > LIMIT)
        return ARGS_FAR;
    for (unsigned k = 0; k <= ln; k++)
        row[k] = k;
    for (size_t i = 1; i <= lt; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= ln; k++) {
            unsigned change = diagonal + (typed[i - 1] != name[k - 1]);
            diagonal = row[k];
            row[k] = MIN(change, MIN(row[k], row[k - 1]) + 1);
        }
    }
    return row[ln] <= NEAR && 2 * row[ln] <= ln ? row[ln] : ARGS_FAR;
}
