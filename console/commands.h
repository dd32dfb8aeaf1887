/* SPDX-License-Identifier: MIT */
/* commands.h - the handlers behind shell_commands, one file per family, and what they share. */
#ifndef CONSOLE_COMMANDS_H
#define CONSOLE_COMMANDS_H

#include "console/shell.h"

void cmd_help_run(struct shell *sh, struct args *a);
void cmd_help_complete(struct shell *sh, const struct args *words, struct completions *c);
void cmd_vm_run(struct shell *sh, struct args *a);
void cmd_vm_complete(struct shell *sh, const struct args *words, struct completions *c);
void cmd_migrate_run(struct shell *sh, struct args *a);
void cmd_migrate_complete(struct shell *sh, const struct args *words, struct completions *c);
void cmd_peers_run(struct shell *sh, struct args *a);
void cmd_net_run(struct shell *sh, struct args *a);
void cmd_net_complete(struct shell *sh, const struct args *words, struct completions *c);
void cmd_mem_run(struct shell *sh, struct args *a);
void cmd_cpu_run(struct shell *sh, struct args *a);
void cmd_audit_run(struct shell *sh, struct args *a);
void cmd_audit_complete(struct shell *sh, const struct args *words, struct completions *c);
void cmd_exits_run(struct shell *sh, struct args *a);
void cmd_exits_complete(struct shell *sh, const struct args *words, struct completions *c);
void cmd_log_run(struct shell *sh, struct args *a);
void cmd_json_run(struct shell *sh, struct args *a);
void cmd_json_complete(struct shell *sh, const struct args *words, struct completions *c);
void cmd_version_run(struct shell *sh, struct args *a);
void cmd_reboot_run(struct shell *sh, struct args *a);
void cmd_poweroff_run(struct shell *sh, struct args *a);

/* cmd_find_vm - the VM of that name, live or defined; false: the error (with the nearest name) is said. */
bool cmd_find_vm(struct shell *sh, const char *name, struct vm_info *out);
/* cmd_complete_vms - names of all VMs. */
void cmd_complete_vms(struct shell *sh, struct completions *c);
/* cmd_is_migrating - is there a running migration of this VM? */
bool cmd_is_migrating(struct shell *sh, const char *vm, struct migrate_view_status *out);
/* cmd_ping_result - one answer (or its absence) of `net ping`, as text or JSON. */
void cmd_ping_result(const struct console_ping *p, bool as_json, const struct out *o);

#endif
