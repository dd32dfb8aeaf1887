/* SPDX-License-Identifier: MIT */
/* cmd_host.c - the machine itself: `mem`, `cpu`, `log`, `json`, `version`, `reboot`, `poweroff`. */
#include "console/commands.h"
#include "console/units.h"

#include <inttypes.h>
#include <string.h>

#define LOG_DEFAULT 20u
#define LOG_MAX 256u

static uint64_t live_vm_bytes(struct shell *sh) {
    struct vm_info v;
    uint64_t sum = 0;
    for (unsigned i = 0; sh->ops->vm_iterate != NULL && sh->ops->vm_iterate(i, &v); i++)
        sum += v.vm != NULL ? v.memory_bytes : 0;
    return sum;
}

static void mem_json(struct shell *sh, uint64_t total, uint64_t free, uint64_t own) {
    struct vm_info v;
    struct json j;
    json_begin(&j, &sh->out, "mem");
    json_u64(&j, "total_bytes", total);
    json_u64(&j, "free_bytes", free);
    json_u64(&j, "hypervisor_bytes", own);
    json_open(&j, "vms", '{');
    for (unsigned i = 0; sh->ops->vm_iterate != NULL && sh->ops->vm_iterate(i, &v); i++)
        if (v.vm != NULL)
            json_u64(&j, v.name, v.memory_bytes);
    json_end(&j);
}

static void mem_row(struct shell *sh, const char *name, uint64_t bytes) {
    char text[UNITS_LEN];
    out_printf(&sh->out, "%-20s %12s\n", name, units_format_size(text, bytes));
}

void cmd_mem_run(struct shell *sh, struct args *a) {
    uint64_t total, free;
    struct vm_info v;
    if (!shell_check(sh, a, 1, 1) || !shell_available(sh, sh->ops->mem_info != NULL))
        return;
    sh->ops->mem_info(&total, &free);
    uint64_t used = total > free ? total - free : 0, vms = live_vm_bytes(sh);
    uint64_t own = used > vms ? used - vms : 0;
    if (sh->json) {
        mem_json(sh, total, free, own);
        return;
    }
    mem_row(sh, "total", total);
    mem_row(sh, "free", free);
    mem_row(sh, "hypervisor", own);
    for (unsigned i = 0; sh->ops->vm_iterate != NULL && sh->ops->vm_iterate(i, &v); i++)
        if (v.vm != NULL)
            mem_row(sh, v.name, v.memory_bytes);
}

static void say_line(struct shell *sh, const char *event, const char *line) {
    if (!sh->json) {
        out_printf(&sh->out, "%s\n", line);
        return;
    }
    struct json j;
    json_begin(&j, &sh->out, event);
    json_str(&j, "text", line);
    json_end(&j);
}

static void say_cpu(void *ctx, const char *line) {
    say_line(ctx, "cpu", line);
}

void cmd_cpu_run(struct shell *sh, struct args *a) {
    if (shell_check(sh, a, 1, 1) && shell_available(sh, sh->ops->cpu_report != NULL))
        sh->ops->cpu_report(say_cpu, sh);
}

void cmd_log_run(struct shell *sh, struct args *a) {
    char line[CONSOLE_LINE_LEN];
    uint64_t wanted = LOG_DEFAULT;
    unsigned have = 0;
    if (!shell_check(sh, a, 1, 2) || !shell_available(sh, sh->ops->log_line != NULL))
        return;
    if (a->count == 2 && (units_parse_u64(a->word[1], &wanted) != OK || wanted < 1 || wanted > LOG_MAX)) {
        shell_error(sh, "log: '%s' is no number from 1 to %u", a->word[1], LOG_MAX);
        return;
    }
    while (have < wanted && sh->ops->log_line(have, line))
        have++;
    while (have > 0)
        if (sh->ops->log_line(--have, line))
            say_line(sh, "log", line);
}

void cmd_json_run(struct shell *sh, struct args *a) {
    if (!shell_check(sh, a, 2, 2))
        return;
    if (strcmp(a->word[1], "on") != 0 && strcmp(a->word[1], "off") != 0) {
        shell_error(sh, "json is on or off, not '%s'", a->word[1]);
        return;
    }
    sh->json_all = strcmp(a->word[1], "on") == 0;
    sh->json = sh->json_all;
    sh->view = sh->json_all ? MIGRATE_VIEW_JSON : MIGRATE_VIEW_LIVE;
    shell_done(sh, "json", a->word[1]);
}

void cmd_json_complete(struct shell *sh, const struct args *words, struct completions *c) {
    (void)sh;
    if (words->count != 1)
        return;
    completions_add(c, "on");
    completions_add(c, "off");
}

void cmd_version_run(struct shell *sh, struct args *a) {
    const char *version = sh->ops->version != NULL ? sh->ops->version : "unknown";
    if (!shell_check(sh, a, 1, 1))
        return;
    if (!sh->json) {
        out_printf(&sh->out, "Godwit %s\n", version);
        return;
    }
    struct json j;
    json_begin(&j, &sh->out, "version");
    json_str(&j, "version", version);
    json_end(&j);
}

/* Guests would be lost: refuse while there are any, unless --force. */
static void leave(struct shell *sh, struct args *a, void (*fn)(void), const char *result) {
    struct vm_info v;
    bool force = args_take_flag(a, "--force");
    if (!shell_check(sh, a, 1, 1) || !shell_available(sh, fn != NULL))
        return;
    for (unsigned i = 0; !force && sh->ops->vm_iterate != NULL && sh->ops->vm_iterate(i, &v); i++) {
        if (v.vm == NULL || v.state == VM_CRASHED)
            continue;
        shell_error(sh, "%s is %s and would be lost; stop or migrate it first, or use `%s --force`", v.name,
                    sh->ops->vm_state_str(v.state), sh->line_name);
        return;
    }
    shell_done(sh, sh->line_name, result);
    sh->leave = fn;
}

void cmd_reboot_run(struct shell *sh, struct args *a) {
    leave(sh, a, sh->ops->reboot, "the machine restarts");
}

void cmd_poweroff_run(struct shell *sh, struct args *a) {
    leave(sh, a, sh->ops->poweroff, "the machine switches off");
}
