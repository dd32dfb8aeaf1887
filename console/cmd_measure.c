/* SPDX-License-Identifier: MIT */
/* cmd_measure.c - looking into a running VM: `audit` (is no dirty page lost?), `exits` (why does it leave the CPU?). */
#include "console/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool take_number(struct shell *sh, struct args *a, const char *option, uint32_t fallback, uint32_t *out) {
    const char *text = NULL;
    struct reason why;
    char *end;
    *out = fallback;
    if (args_take_value(a, option, &text, &why) != OK) {
        shell_error(sh, "%s", why.text);
        return false;
    }
    if (text == NULL)
        return true;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || end == text || value == 0 || value > UINT32_MAX) {
        shell_error(sh, "%s '%s' is not a number from 1 on", option, text);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool take_method(struct shell *sh, struct args *a, enum dirty_method *out) {
    static const enum dirty_method methods[] = {DIRTY_AUTO, DIRTY_PML, DIRTY_DBIT, DIRTY_WP};
    const char *text = NULL;
    struct reason why;
    *out = DIRTY_INVALID;
    if (args_take_value(a, "--dirty", &text, &why) != OK) {
        shell_error(sh, "%s", why.text);
        return false;
    }
    for (size_t i = 0; text != NULL && i < ARRAY_LEN(methods); i++)
        if (strcmp(text, dirty_method_str(methods[i])) == 0)
            *out = methods[i];
    if (text != NULL && *out == DIRTY_INVALID)
        shell_error(sh, "--dirty %s is not a method; pml, dbit, wp and auto are", text);
    return text == NULL || *out != DIRTY_INVALID;
}

static void show_audit(struct shell *sh) {
    struct audit_report r;
    struct json j;
    if (!sh->ops->audit_get(&r)) {
        shell_error(sh, "no VM was audited since the machine started; `audit NAME` begins");
        return;
    }
    bool failed = r.lost + r.disagree != 0;
    const char *state = r.running ? "running" : r.why.text[0] != '\0' ? "ended early" : failed ? "FAILED" : "passed";
    if (sh->json) {
        json_begin(&j, &sh->out, "audit");
        json_str(&j, "name", r.name);
        json_str(&j, "state", state);
        json_str(&j, "method", dirty_method_str(r.method));
        json_u64(&j, "periods", r.periods);
        json_u64(&j, "collections", r.collects);
        json_u64(&j, "pages_logged", r.logged);
        json_u64(&j, "pages_changed", r.changed);
        json_u64(&j, "lost", r.lost);
        json_u64(&j, "disagree", r.disagree);
        json_str(&j, "reason", r.why.text);
        json_end(&j);
        return;
    }
    out_printf(&sh->out, "audit of %s (%s): %s%s%s\n", r.name, dirty_method_str(r.method), state, r.why.text[0] != '\0' ? ": " : "",
               r.why.text);
    out_printf(&sh->out, "  %" PRIu32 " of %" PRIu32 " periods, %" PRIu64 " collections; pages: %" PRIu64 " logged, %" PRIu64
               " changed, %" PRIu64 " lost, %" PRIu64 " where notes and flags differ\n", r.periods, r.periods_wanted, r.collects,
               r.logged, r.changed, r.lost, r.disagree);
}

static void start_audit(struct shell *sh, const char *name, enum dirty_method method, uint32_t periods, uint32_t collects) {
    struct vm_info v;
    struct reason why = {""};
    if (!cmd_find_vm(sh, name, &v))
        return;
    if (v.vm == NULL) {
        shell_error(sh, "%s is not running; `vm start %s` starts it", v.name, v.name);
        return;
    }
    result_t r = sh->ops->audit_start(v.vm, method, periods, collects, &why);
    if (r != OK)
        shell_error_result(sh, v.name, r, &why);
    else
        shell_done(sh, v.name, "audit begins; `audit status` tells how it stands, the log how it ended");
}

void cmd_audit_run(struct shell *sh, struct args *a) {
    uint32_t periods, collects;
    enum dirty_method method;
    if (!shell_available(sh, sh->ops->audit_start != NULL && sh->ops->audit_get != NULL))
        return;
    if (!take_number(sh, a, "--periods", AUDIT_DEFAULT_PERIODS, &periods) ||
        !take_number(sh, a, "--collections", AUDIT_DEFAULT_COLLECTS, &collects) || !take_method(sh, a, &method) ||
        !shell_check(sh, a, 2, 2))
        return;
    if (strcmp(a->word[1], "status") == 0) {
        show_audit(sh);
    } else if (strcmp(a->word[1], "stop") == 0) {
        sh->ops->audit_stop();
        show_audit(sh);
    } else {
        start_audit(sh, a->word[1], method, periods, collects);
    }
}

void cmd_audit_complete(struct shell *sh, const struct args *words, struct completions *c) {
    if (words->count != 1)
        return;
    completions_add(c, "status");
    completions_add(c, "stop");
    cmd_complete_vms(sh, c);
}

void cmd_exits_run(struct shell *sh, struct args *a) {
    struct vm_info v;
    struct vm_exit_count e;
    struct json j;
    if (!shell_available(sh, sh->ops->vm_exit_stats != NULL) || !shell_check(sh, a, 2, 2) || !cmd_find_vm(sh, a->word[1], &v))
        return;
    if (v.vm == NULL) {
        shell_error(sh, "%s is not running; `vm start %s` starts it", v.name, v.name);
        return;
    }
    for (unsigned i = 0; sh->ops->vm_exit_stats(v.vm, i, &e); i++) {
        if (!sh->json) {
            out_printf(&sh->out, "%-22s %12" PRIu64 "\n", e.name, e.count);
            continue;
        }
        json_begin(&j, &sh->out, "exits");
        json_str(&j, "name", v.name);
        json_str(&j, "reason", e.name);
        json_u64(&j, "count", e.count);
        json_end(&j);
    }
    if (!sh->json)
        out_printf(&sh->out, "%-22s %12" PRIu64 "\n", "all", v.exits);
}

void cmd_exits_complete(struct shell *sh, const struct args *words, struct completions *c) {
    if (words->count == 1)
        cmd_complete_vms(sh, c);
}
