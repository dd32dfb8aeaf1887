/* SPDX-License-Identifier: MIT */
/* cmd_vm.c - `vm list|start|stop|pause|resume|console`. */
#include "console/commands.h"
#include "console/units.h"

#include <inttypes.h>
#include <string.h>

bool cmd_find_vm(struct shell *sh, const char *name, struct vm_info *out) {
    char best[VM_NAME_LEN] = "";
    unsigned best_distance = ARGS_FAR;
    struct vm_info info;
    for (unsigned i = 0; sh->ops->vm_iterate(i, &info); i++) {
        if (strcmp(info.name, name) == 0) {
            *out = info;
            return true;
        }
        unsigned d = args_distance(name, info.name);
        if (d < best_distance) {
            best_distance = d;
            memcpy(best, info.name, sizeof(best));
        }
    }
    if (best[0] != '\0')
        shell_error(sh, "no VM is named '%s'; did you mean '%s'?", name, best);
    else
        shell_error(sh, "no VM is named '%s'; `vm list` shows those there are", name);
    return false;
}

void cmd_complete_vms(struct shell *sh, struct completions *c) {
    struct vm_info info;
    for (unsigned i = 0; sh->ops->vm_iterate != NULL && sh->ops->vm_iterate(i, &info); i++)
        completions_add(c, info.name);
}

bool cmd_is_migrating(struct shell *sh, const char *vm, struct migrate_view_status *out) {
    for (unsigned i = 0; sh->ops->migrate_status != NULL && sh->ops->migrate_status(i, out); i++)
        if (strcmp(out->vm, vm) == 0)
            return true;
    return false;
}

static void list_json(struct shell *sh, const struct vm_info *v) {
    struct json j;
    json_begin(&j, &sh->out, "vm");
    json_str(&j, "name", v->name);
    json_str(&j, "state", sh->ops->vm_state_str(v->state));
    json_u64(&j, "memory_bytes", v->memory_bytes);
    json_u64(&j, "vcpus", v->nr_vcpus);
    json_u64(&j, "guest_ns", v->guest_ns);
    json_u64(&j, "run_ns", v->run_ns);
    json_u64(&j, "exits", v->exits);
    json_end(&j);
}

static void list_text(struct shell *sh, const struct vm_info *v) {
    char memory[UNITS_LEN], guest[UNITS_LEN], run[UNITS_LEN];
    out_printf(&sh->out, "%-16s %-9s %9s %5" PRIu32 " %10s %10s %12" PRIu64 "\n", v->name,
               sh->ops->vm_state_str(v->state), units_format_size(memory, v->memory_bytes), v->nr_vcpus,
               units_format_duration(guest, v->guest_ns), units_format_duration(run, v->run_ns), v->exits);
}

static void list(struct shell *sh, struct args *a) {
    struct vm_info info;
    unsigned i = 0;
    if (!shell_check(sh, a, 2, 2))
        return;
    for (; sh->ops->vm_iterate(i, &info); i++) {
        if (i == 0 && !sh->json)
            out_printf(&sh->out, "%-16s %-9s %9s %5s %10s %10s %12s\n", "NAME", "STATE", "MEMORY", "VCPUS",
                       "GUEST TIME", "CPU TIME", "EXITS");
        if (sh->json)
            list_json(sh, &info);
        else
            list_text(sh, &info);
    }
    if (i == 0 && !sh->json)
        out_puts(&sh->out, "no VMs; a [vm NAME] section in godwit.cfg defines one\n");
}

static void start(struct shell *sh, const struct vm_info *v) {
    struct reason why = { "" };
    if (!shell_available(sh, sh->ops->vm_boot != NULL))
        return;
    result_t r = sh->ops->vm_boot(v->name, &why);
    if (r != OK)
        shell_error_result(sh, v->name, r, &why);
    else
        shell_done(sh, v->name, "started");
}

static void stop(struct shell *sh, const struct vm_info *v) {
    struct reason why = { "" };
    if (!shell_available(sh, sh->ops->vm_stop != NULL))
        return;
    if (v->state == VM_STOPPED) {
        shell_error(sh, "%s is not running", v->name);
        return;
    }
    result_t r = sh->ops->vm_stop(v->name, &why);
    if (r != OK)
        shell_error_result(sh, v->name, r, &why);
    else
        shell_done(sh, v->name, "stopped");
}

static void pause_or_resume(struct shell *sh, const struct vm_info *v, bool pausing) {
    struct reason why = { "" };
    enum vm_state need = pausing ? VM_RUNNING : VM_PAUSED;
    if (!shell_available(sh, sh->ops->vm_pause != NULL && sh->ops->vm_resume != NULL))
        return;
    if (v->state != need || v->vm == NULL) {
        shell_error(sh, "%s is %s, not %s", v->name, sh->ops->vm_state_str(v->state),
                    sh->ops->vm_state_str(need));
        return;
    }
    result_t r = pausing ? sh->ops->vm_pause(v->vm, &why) : sh->ops->vm_resume(v->vm, &why);
    if (r != OK)
        shell_error_result(sh, v->name, r, &why);
    else
        shell_done(sh, v->name, pausing ? "paused" : "resumed");
}

static void pause_vm(struct shell *sh, const struct vm_info *v) {
    pause_or_resume(sh, v, true);
}

static void resume_vm(struct shell *sh, const struct vm_info *v) {
    pause_or_resume(sh, v, false);
}

static void console(struct shell *sh, const struct vm_info *v) {
    if (!shell_available(sh, sh->attach != NULL && sh->ops->vm_console_read != NULL))
        return;
    if (v->vm == NULL)
        shell_error(sh, "%s is not running; `vm start %s` starts it", v->name, v->name);
    else
        sh->attach(sh->attach_ctx, v->name);
}

static const struct verb {
    const char *name;
    void (*run)(struct shell *sh, const struct vm_info *v);
    bool disturbs; /* not while the VM is being migrated */
} verbs[] = {
    { "start", start, true },      { "stop", stop, true },        { "pause", pause_vm, true },
    { "resume", resume_vm, true }, { "console", console, false },
};

/* A VM that two hosts are negotiating about is not the operator's to change. */
static bool may_disturb(struct shell *sh, const struct vm_info *v) {
    struct migrate_view_status m;
    const char *forbidden = NULL;
    if (v->vm != NULL && sh->ops->migrate_forbids_stop != NULL)
        forbidden = sh->ops->migrate_forbids_stop(v->vm);
    if (v->state == VM_IN_DOUBT)
        shell_error(sh,
                    "%s is in doubt: it may run on the target already; look there, it is settled when the "
                    "hosts meet again",
                    v->name);
    else if (cmd_is_migrating(sh, v->name, &m))
        shell_error(sh, "%s is being migrated (%s); `migrate cancel %s` ends that", v->name, m.state,
                    v->name);
    else if (forbidden != NULL)
        shell_error(sh, "%s: %s", v->name, forbidden);
    else
        return true;
    return false;
}

void cmd_vm_run(struct shell *sh, struct args *a) {
    struct vm_info info;
    if (!shell_available(sh, sh->ops->vm_iterate != NULL))
        return;
    if (a->count >= 2 && strcmp(a->word[1], "list") == 0) {
        list(sh, a);
        return;
    }
    for (size_t i = 0; a->count >= 2 && i < ARRAY_LEN(verbs); i++) {
        if (strcmp(a->word[1], verbs[i].name) != 0)
            continue;
        if (a->count < 3 && shell_check(sh, a, 2, 2))
            shell_error(sh, "vm %s needs the name of a VM", verbs[i].name);
        else if (a->count >= 3 && shell_check(sh, a, 3, 3) && cmd_find_vm(sh, a->word[2], &info) &&
                 (!verbs[i].disturbs || may_disturb(sh, &info)))
            verbs[i].run(sh, &info);
        return;
    }
    if (a->count >= 2)
        shell_error(sh, "vm cannot '%s'; it knows list, start, stop, pause, resume and console", a->word[1]);
    else
        (void)shell_check(sh, a, 2, 3);
}

void cmd_vm_complete(struct shell *sh, const struct args *words, struct completions *c) {
    if (words->count == 1) {
        completions_add(c, "list");
        for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
            completions_add(c, verbs[i].name);
    } else if (words->count == 2 && strcmp(words->word[1], "list") != 0) {
        cmd_complete_vms(sh, c);
    }
}
