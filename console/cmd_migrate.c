/* SPDX-License-Identifier: MIT */
/* cmd_migrate.c - `migrate VM to HOST ...`, `migrate status`, `migrate cancel`, and `peers`. */
#include "console/commands.h"
#include "console/units.h"
#include "kernel/config_value.h"

#include <stdio.h>
#include <string.h>

#define MAX_ROUNDS 1000u

static const char *const dirty_names[] = {
    [DIRTY_AUTO] = "auto", [DIRTY_PML] = "pml", [DIRTY_DBIT] = "dbit", [DIRTY_WP] = "wp"
};

static bool parse_address(const char *text, uint16_t port, struct net_addr *out) {
    uint8_t octet[4];
    if (!config_value_endpoint(text, octet, &port) || port == 0)
        return false;
    out->ipv4 = (uint32_t)octet[0] << 24 | (uint32_t)octet[1] << 16 | (uint32_t)octet[2] << 8 | octet[3];
    out->port = port;
    return true;
}

static bool find_host(struct shell *sh, const char *text, struct net_addr *out) {
    struct console_peer p;
    char best[MIGRATE_VIEW_PEER_LEN] = "";
    unsigned best_distance = ARGS_FAR;
    for (unsigned i = 0; sh->ops->peer_iterate != NULL && sh->ops->peer_iterate(i, &p); i++) {
        unsigned d = args_distance(text, p.name);
        if (d == 0) {
            *out = p.addr;
            return true;
        }
        if (d < best_distance) {
            best_distance = d;
            memcpy(best, p.name, sizeof(best));
        }
    }
    if (parse_address(text, sh->ops->migration_port, out))
        return true;
    if (best[0] != '\0')
        shell_error(sh, "'%s' is neither a peer nor an IPv4 address; did you mean '%s'?", text, best);
    else
        shell_error(
            sh,
            "'%s' is neither a peer (`peers` lists them) nor an IPv4 address such as 10.0.0.2 or 10.0.0.2:%u",
            text, sh->ops->migration_port);
    return false;
}

static bool take_duration(struct shell *sh, struct args *a, const char *name, uint64_t *ns) {
    struct reason why = { "" };
    const char *text;
    if (args_take_value(a, name, &text, &why) != OK) {
        shell_error(sh, "%s", why.text);
        return false;
    }
    if (text == NULL)
        return true;
    if (units_parse_duration(text, ns) == OK && *ns != 0)
        return true;
    shell_error(sh, "%s: '%s' is no duration above zero; write a number and ns, us, ms or s, such as 10ms",
                name, text);
    return false;
}

static bool take_rounds(struct shell *sh, struct args *a, uint32_t *rounds) {
    struct reason why = { "" };
    const char *text;
    uint64_t value;
    if (args_take_value(a, "--rounds", &text, &why) != OK) {
        shell_error(sh, "%s", why.text);
        return false;
    }
    if (text == NULL)
        return true;
    if (units_parse_u64(text, &value) != OK || value < 1 || value > MAX_ROUNDS) {
        shell_error(sh, "--rounds: '%s' is no number from 1 to %u", text, MAX_ROUNDS);
        return false;
    }
    *rounds = (uint32_t)value;
    return true;
}

static bool take_dirty(struct shell *sh, struct args *a, enum dirty_method *method) {
    struct reason why = { "" };
    const char *text;
    if (args_take_value(a, "--dirty", &text, &why) != OK) {
        shell_error(sh, "%s", why.text);
        return false;
    }
    if (text == NULL)
        return true;
    for (unsigned m = DIRTY_AUTO; m < ARRAY_LEN(dirty_names); m++) {
        if (strcmp(text, dirty_names[m]) == 0) {
            *method = (enum dirty_method)m;
            return true;
        }
    }
    shell_error(sh, "--dirty: '%s' is no way to log dirty pages; there are auto, pml, dbit and wp", text);
    return false;
}

static bool take_options(struct shell *sh, struct args *a, struct console_migrate_request *req, bool *plain) {
    req->dry_run = args_take_flag(a, "--dry-run");
    req->audit = args_take_flag(a, "--audit");
    *plain = args_take_flag(a, "--plain");
    return take_duration(sh, a, "--downtime", &req->downtime_ns) &&
           take_duration(sh, a, "--limit", &req->limit_ns) &&
           take_duration(sh, a, "--deadline", &req->deadline_ns) && take_rounds(sh, a, &req->max_rounds) &&
           take_dirty(sh, a, &req->dirty);
}

static bool may_migrate(struct shell *sh, const struct vm_info *v) {
    struct migrate_view_status m;
    if (cmd_is_migrating(sh, v->name, &m))
        shell_error(sh, "%s is being migrated already (%s)", v->name, m.state);
    else if (v->state != VM_RUNNING)
        shell_error(sh, "%s is %s; only a running VM can be migrated", v->name,
                    sh->ops->vm_state_str(v->state));
    else
        return true;
    return false;
}

static void say_started(struct shell *sh, const struct console_migrate_request *req, uint64_t id) {
    char ip[UNITS_LEN];
    units_format_ipv4(ip, req->addr.ipv4);
    if (sh->json) {
        struct json j;
        char address[UNITS_LEN + 8];
        snprintf(address, sizeof(address), "%s:%u", ip, req->addr.port);
        json_begin(&j, &sh->out, "migrate-started");
        json_u64(&j, "id", id);
        json_str(&j, "vm", req->vm);
        json_str(&j, "peer", req->peer);
        json_str(&j, "address", address);
        json_bool(&j, "dry_run", req->dry_run);
        json_end(&j);
        return;
    }
    out_printf(&sh->out, "%s: %s to %s (%s:%u); `migrate cancel` stops it\n", req->vm,
               req->dry_run ? "examining a migration" : "migrating", req->peer, ip, req->addr.port);
}

static void say_usage(struct shell *sh) {
    shell_error(sh, "usage: migrate VM to HOST, migrate status or migrate cancel; see `help migrate`");
}

static void start(struct shell *sh, struct args *a) {
    struct console_migrate_request req = { .dirty = DIRTY_INVALID };
    struct vm_info info;
    struct reason why = { "" };
    uint64_t id = 0;
    bool plain;
    if (!shell_available(sh, sh->ops->migrate_start != NULL && sh->ops->vm_iterate != NULL) ||
        !take_options(sh, a, &req, &plain) || !shell_check(sh, a, 4, 4))
        return;
    if (strcmp(a->word[2], "to") != 0) {
        say_usage(sh);
        return;
    }
    if (!cmd_find_vm(sh, a->word[1], &info) || !may_migrate(sh, &info) ||
        !find_host(sh, a->word[3], &req.addr))
        return;
    memcpy(req.vm, info.name, sizeof(req.vm));
    snprintf(req.peer, sizeof(req.peer), "%s", a->word[3]);
    result_t r = sh->ops->migrate_start(&req, &id, &why);
    if (r != OK) {
        shell_error_result(sh, req.vm, r, &why);
        return;
    }
    sh->view = sh->json ? MIGRATE_VIEW_JSON : plain ? MIGRATE_VIEW_PLAIN : MIGRATE_VIEW_LIVE;
    say_started(sh, &req, id);
}

static void status(struct shell *sh, struct args *a) {
    struct migrate_view_status s;
    struct migrate_view_report r;
    unsigned i = 0;
    if (!shell_check(sh, a, 2, 2) || !shell_available(sh, sh->ops->migrate_status != NULL))
        return;
    for (; sh->ops->migrate_status(i, &s); i++) {
        char line[MIGRATE_VIEW_LINE_LEN];
        if (sh->json) {
            migrate_view_status_json(&s, &sh->out);
            continue;
        }
        migrate_view_line(&s, sizeof(line) - 1, line);
        out_printf(&sh->out, "%s\n", line);
        if (s.reason[0] != '\0')
            out_printf(&sh->out, "  %s\n", s.reason);
    }
    if (i != 0)
        return;
    if (!sh->json)
        out_puts(&sh->out, "no migration is running\n");
    if (sh->ops->migrate_report == NULL || !sh->ops->migrate_report(&r))
        return;
    if (sh->json) {
        migrate_view_report_json(&r, &sh->out);
        return;
    }
    out_puts(&sh->out, "the last one:\n");
    migrate_view_report_text(&r, &sh->out);
}

static void cancel(struct shell *sh, struct args *a) {
    struct migrate_view_status s, second;
    struct reason why = { "" };
    if (!shell_check(sh, a, 2, 3) ||
        !shell_available(sh, sh->ops->migrate_cancel != NULL && sh->ops->migrate_status != NULL))
        return;
    const char *name = a->count == 3 ? a->word[2] : NULL;
    if (!sh->ops->migrate_status(0, &s)) {
        shell_error(sh, "no migration is running");
        return;
    }
    if (name == NULL && sh->ops->migrate_status(1, &second)) {
        shell_error(sh, "several migrations are running; say which: `migrate cancel VM`");
        return;
    }
    if (name != NULL && !cmd_is_migrating(sh, name, &s)) {
        shell_error(sh, "no migration of '%s' is running", name);
        return;
    }
    result_t r = sh->ops->migrate_cancel(s.vm, &why);
    if (r != OK)
        shell_error_result(sh, s.vm, r, &why);
    else
        shell_done(sh, s.vm, "cancelling");
}

static void resolve(struct shell *sh, struct args *a) {
    struct vm_info info;
    struct reason why = { "" };
    if (!shell_check(sh, a, 4, 4) || !shell_available(sh, sh->ops->migrate_resolve != NULL))
        return;
    bool keep = strcmp(a->word[3], "keep") == 0;
    if (!keep && strcmp(a->word[3], "free") != 0) {
        shell_error(sh,
                    "migrate resolve: '%s' is neither keep (run it here) nor free (it runs on the target)",
                    a->word[3]);
        return;
    }
    if (!cmd_find_vm(sh, a->word[2], &info))
        return;
    if (info.state != VM_IN_DOUBT) {
        shell_error(sh, "%s is %s; there is nothing to resolve", info.name,
                    sh->ops->vm_state_str(info.state));
        return;
    }
    result_t r = sh->ops->migrate_resolve(info.name, keep, &why);
    if (r != OK)
        shell_error_result(sh, info.name, r, &why);
    else
        shell_done(sh, info.name, keep ? "kept" : "freed");
}

void cmd_migrate_run(struct shell *sh, struct args *a) {
    bool to = false;
    for (unsigned i = 2; i + 1 < a->count; i++)
        to |= strcmp(a->word[i], "to") == 0;
    if (!to && a->count >= 2 && strcmp(a->word[1], "status") == 0)
        status(sh, a);
    else if (!to && a->count >= 2 && strcmp(a->word[1], "cancel") == 0)
        cancel(sh, a);
    else if (!to && a->count >= 2 && strcmp(a->word[1], "resolve") == 0)
        resolve(sh, a);
    else if (to)
        start(sh, a);
    else
        say_usage(sh);
}

static void complete_hosts(struct shell *sh, struct completions *c) {
    struct console_peer p;
    for (unsigned i = 0; sh->ops->peer_iterate != NULL && sh->ops->peer_iterate(i, &p); i++)
        completions_add(c, p.name);
}

void cmd_migrate_complete(struct shell *sh, const struct args *words, struct completions *c) {
    static const char *const options[] = { "--dry-run",  "--downtime", "--dirty", "--rounds",
                                           "--deadline", "--audit",    "--plain", "--json" };
    const char *before = words->word[words->count - 1];
    if (words->count == 1) {
        completions_add(c, "status");
        completions_add(c, "cancel");
        completions_add(c, "resolve");
        cmd_complete_vms(sh, c);
    } else if (words->count == 2) {
        if (strcmp(before, "cancel") == 0 || strcmp(before, "resolve") == 0)
            cmd_complete_vms(sh, c);
        else if (strcmp(before, "status") != 0)
            completions_add(c, "to");
    } else if (words->count == 3 && strcmp(before, "to") == 0) {
        complete_hosts(sh, c);
    } else if (words->count == 3 && strcmp(words->word[1], "resolve") == 0) {
        completions_add(c, "keep");
        completions_add(c, "free");
    } else if (strcmp(before, "--dirty") == 0) {
        for (unsigned m = DIRTY_AUTO; m < ARRAY_LEN(dirty_names); m++)
            completions_add(c, dirty_names[m]);
    } else if (words->count >= 4) {
        for (size_t i = 0; i < ARRAY_LEN(options); i++)
            completions_add(c, options[i]);
    }
}

void cmd_peers_run(struct shell *sh, struct args *a) {
    struct console_peer p;
    unsigned i = 0;
    if (!shell_check(sh, a, 1, 1) || !shell_available(sh, sh->ops->peer_iterate != NULL))
        return;
    for (; sh->ops->peer_iterate(i, &p); i++) {
        char ip[UNITS_LEN];
        units_format_ipv4(ip, p.addr.ipv4);
        if (!sh->json) {
            out_printf(&sh->out, "%-16s %s:%u\n", p.name, ip, p.addr.port);
            continue;
        }
        struct json j;
        json_begin(&j, &sh->out, "peer");
        json_str(&j, "name", p.name);
        json_str(&j, "address", ip);
        json_u64(&j, "port", p.addr.port);
        json_end(&j);
    }
    if (i == 0 && !sh->json)
        out_puts(&sh->out, "no peers; a [peer NAME] section in godwit.cfg names one\n");
}
