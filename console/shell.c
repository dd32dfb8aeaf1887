/* SPDX-License-Identifier: MIT */
/* shell.c - see shell.h. */
#include "console/shell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void shell_init(struct shell *sh, struct out out, const struct console_ops *ops,
                const struct command *commands) {
    *sh = (struct shell){ .out = out, .ops = ops, .commands = commands };
}

const struct command *shell_find(const struct shell *sh, const char *name) {
    for (const struct command *c = sh->commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

void shell_error(struct shell *sh, const char *fmt, ...) {
    char text[REASON_LEN + 100];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    sh->failed = true;
    if (sh->json) {
        struct json j;
        json_begin(&j, &sh->out, "error");
        json_str(&j, "command", sh->line_name);
        json_str(&j, "text", text);
        json_end(&j);
        return;
    }
    out_printf(&sh->out, "error: %s\n", text);
}

void shell_error_result(struct shell *sh, const char *what, result_t r, const struct reason *why) {
    if (strstr(why->text, what) != NULL) /* the reason names it already */
        shell_error(sh, "%s", why->text);
    else if (why->text[0] != '\0')
        shell_error(sh, "%s: %s", what, why->text);
    else
        shell_error(sh, "%s: %s", what, result_str(r));
}

void shell_done(struct shell *sh, const char *name, const char *text) {
    if (sh->json) {
        struct json j;
        json_begin(&j, &sh->out, "ok");
        json_str(&j, "command", sh->line_name);
        json_str(&j, "name", name);
        json_str(&j, "result", text);
        json_end(&j);
        return;
    }
    out_printf(&sh->out, "%s: %s\n", name, text);
}

bool shell_available(struct shell *sh, bool present) {
    if (!present)
        shell_error(sh, "%s is not available in this build", sh->line_name);
    return present;
}

/* The first line of a command's usage, for an error line. */
static void say_usage(struct shell *sh) {
    const struct command *c = shell_find(sh, sh->line_name);
    const char *usage = c != NULL ? c->usage : "";
    shell_error(sh, "usage: %.*s; see `help %s`", (int)strcspn(usage, "\n"), usage, sh->line_name);
}

bool shell_check(struct shell *sh, const struct args *a, unsigned min, unsigned max) {
    for (unsigned i = 0; i < a->count; i++) {
        if (strncmp(a->word[i], "--", 2) == 0) {
            shell_error(sh, "%s has no option %s here; see `help %s`", sh->line_name, a->word[i],
                        sh->line_name);
            return false;
        }
    }
    if (a->count < min || a->count > max)
        say_usage(sh);
    return a->count >= min && a->count <= max;
}

static void say_unknown(struct shell *sh, const char *name) {
    const struct command *best = NULL;
    unsigned best_distance = ARGS_FAR;
    for (const struct command *c = sh->commands; c->name != NULL; c++) {
        bool starts = name[0] != '\0' && strncmp(c->name, name, strlen(name)) == 0;
        unsigned d = starts ? 0 : args_distance(name, c->name);
        if (d < best_distance) {
            best_distance = d;
            best = c;
        }
    }
    if (best != NULL)
        shell_error(sh, "unknown command '%s'; did you mean '%s'?", name, best->name);
    else
        shell_error(sh, "unknown command '%s'; `help` lists them", name);
}

bool shell_run(struct shell *sh, char *line) {
    struct args a;
    struct reason why = { "" };
    sh->json = sh->json_all;
    sh->failed = false;
    sh->line_name = "";
    result_t r = args_split(line, &a, &why);
    if (r != OK) {
        shell_error(sh, "%s", why.text);
        return false;
    }
    if (args_take_flag(&a, "--json"))
        sh->json = true;
    if (a.count == 0)
        return true;
    const struct command *c = shell_find(sh, a.word[0]);
    if (c == NULL) {
        say_unknown(sh, a.word[0]);
        return false;
    }
    sh->line_name = c->name;
    c->run(sh, &a);
    return !sh->failed;
}

void shell_complete(void *ctx, const char *text, struct completions *c) {
    struct shell *sh = ctx;
    char line[LINEEDIT_LEN];
    struct args words;
    const char *last = strrchr(text, ' ');
    last = last != NULL ? last + 1 : text;
    if (strlen(last) >= sizeof(c->prefix) || strlen(text) >= sizeof(line))
        return;
    snprintf(c->prefix, sizeof(c->prefix), "%s", last);
    memcpy(line, text, (size_t)(last - text));
    line[last - text] = '\0';
    if (args_split(line, &words, NULL) != OK)
        return;
    if (words.count == 0) {
        for (const struct command *k = sh->commands; k->name != NULL; k++)
            completions_add(c, k->name);
        return;
    }
    const struct command *command = shell_find(sh, words.word[0]);
    if (command != NULL && command->complete != NULL)
        command->complete(sh, &words, c);
}
