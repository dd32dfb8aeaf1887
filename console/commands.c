/* SPDX-License-Identifier: MIT */
/* commands.c - the table of all commands, and `help`. */
#include "console/commands.h"

#include <string.h>

static const char vm_help[] = "  list      every VM, its state, memory, guest time and CPU time\n"
                              "  start     boot a VM that godwit.cfg defines\n"
                              "  stop      end it at once, like pulling the plug; its definition stays\n"
                              "  pause     hold its vCPU; its clocks go on\n"
                              "  resume    let a paused VM go on\n"
                              "  console   give the terminal to the guest; ^] (Ctrl and ]) gives it back\n";

static const char migrate_help[] =
    "  HOST                a name from `peers`, or IP[:PORT]\n"
    "  --dry-run           ask the target and predict, move nothing\n"
    "  --downtime 10ms     stop the guest when the rest needs no longer than this\n"
    "  --limit 300ms       a predicted pause up to this is accepted when the guest dirties too fast\n"
    "  --deadline 2s       resume the guest here when it could not be handed over within this time\n"
    "  --rounds N          at most N rounds before the guest is stopped\n"
    "  --dirty METHOD      pml, dbit, wp or auto: how dirty pages are logged\n"
    "  --audit             the target hashes all memory again before it takes over\n"
    "  --plain             progress as whole lines\n"
    "  --json              progress and report as JSON lines\n"
    "  resolve             for a VM in doubt, when you know: keep it (the target is switched off for good)\n"
    "                      or free it (the target runs it). A wrong `keep` runs the VM twice.\n";

static const char audit_help[] =
    "  --periods N      stop, compare and go on so often (4)\n"
    "  --collections N  read the log so often in between, every 100 us (1000)\n"
    "  --dirty METHOD   pml, dbit, wp or auto\n"
    "  The guest is stopped for a moment at the end of each period. Every page whose content changed\n"
    "  must be in the log, and the log's notes must equal EPT's own flags.\n";

const struct command shell_commands[] = {
    { "help", "help [COMMAND]", "what there is to say here", NULL, cmd_help_run, cmd_help_complete },
    { "vm", "vm list\nvm start|stop|pause|resume|console NAME", "virtual machines", vm_help, cmd_vm_run,
      cmd_vm_complete },
    { "migrate",
      "migrate VM to HOST [OPTIONS]\nmigrate status\nmigrate cancel [VM]\nmigrate resolve VM keep|free",
      "move a VM to another host", migrate_help, cmd_migrate_run, cmd_migrate_complete },
    { "peers", "peers", "hosts that godwit.cfg names", NULL, cmd_peers_run, NULL },
    { "net", "net\nnet ping IP [COUNT]", "network interface, address and counters",
      "  ping      ask a host for an answer, 4 times or COUNT times\n", cmd_net_run, cmd_net_complete },
    { "mem", "mem", "memory: total, free, the hypervisor's own, per VM", NULL, cmd_mem_run, NULL },
    { "cpu", "cpu", "processor and VT-x features, with reasons for missing ones", NULL, cmd_cpu_run, NULL },
    { "audit", "audit NAME [OPTIONS]\naudit status|stop", "prove on a running VM that dirty logging loses no page",
      audit_help, cmd_audit_run, cmd_audit_complete },
    { "exits", "exits NAME", "why a VM has left the CPU, and how often", NULL, cmd_exits_run, cmd_exits_complete },
    { "log", "log [N]", "the last N messages (20)", NULL, cmd_log_run, NULL },
    { "json", "json on|off", "answer every command in JSON lines",
      "  `--json` on a line does so for that line alone.\n", cmd_json_run, cmd_json_complete },
    { "version", "version", "which Godwit this is", NULL, cmd_version_run, NULL },
    { "reboot", "reboot [--force]", "restart the machine", "  --force   even though VMs would be lost\n",
      cmd_reboot_run, NULL },
    { "poweroff", "poweroff [--force]", "switch the machine off",
      "  --force   even though VMs would be lost\n", cmd_poweroff_run, NULL },
    { NULL, NULL, NULL, NULL, NULL, NULL },
};

static void help_json(struct shell *sh, const struct command *c) {
    struct json j;
    json_begin(&j, &sh->out, "help");
    json_str(&j, "name", c->name);
    json_str(&j, "usage", c->usage);
    json_str(&j, "brief", c->brief);
    json_end(&j);
}

static void help_one(struct shell *sh, const struct command *c) {
    const char *line = c->usage;
    if (sh->json) {
        help_json(sh, c);
        return;
    }
    out_printf(&sh->out, "%s - %s\n", c->name, c->brief);
    for (;;) {
        size_t len = strcspn(line, "\n");
        out_printf(&sh->out, "usage: %.*s\n", (int)len, line);
        if (line[len] == '\0')
            break;
        line += len + 1;
    }
    if (c->help != NULL)
        out_puts(&sh->out, c->help);
}

void cmd_help_run(struct shell *sh, struct args *a) {
    if (!shell_check(sh, a, 1, 3))
        return;
    if (a->count == 1) {
        for (const struct command *c = sh->commands; c->name != NULL; c++) {
            if (sh->json)
                help_json(sh, c);
            else
                out_printf(&sh->out, "  %-10s %s\n", c->name, c->brief);
        }
        if (!sh->json)
            out_puts(&sh->out, "`help COMMAND` says more; Tab completes, the arrow keys recall.\n");
        return;
    }
    const struct command *c = shell_find(sh, a->word[1]);
    if (c == NULL)
        shell_error(sh, "there is no command '%s'; `help` lists them", a->word[1]);
    else
        help_one(sh, c);
}

void cmd_help_complete(struct shell *sh, const struct args *words, struct completions *c) {
    if (words->count != 1)
        return;
    for (const struct command *k = sh->commands; k->name != NULL; k++)
        completions_add(c, k->name);
}
