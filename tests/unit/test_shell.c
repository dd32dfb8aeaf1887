/* SPDX-License-Identifier: MIT */
/* test_shell.c - the commands against a small fake of everything below the console: what is asked of it, what
 * is said. */
#include "console/shell.h"

#include "console/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct vm {
    char name[VM_NAME_LEN];
    enum vm_state state;
};

static struct {
    struct vm vm[3];
    unsigned nr_vms;
    char said[16384];
    size_t len;
    char called[256]; /* the last operation and its arguments */
    result_t next;    /* what the next operation answers */
    const char *reason;
    struct console_migrate_request request;
    struct migrate_view_status migration[2];
    unsigned nr_migrations;
    bool has_report;
    const char *forbidden;
    char attached[VM_NAME_LEN];
    unsigned log_lines;
} fake;

static struct shell sh;

static result_t answer(const char *what, const char *name, struct reason *why) {
    snprintf(fake.called, sizeof(fake.called), "%s %s", what, name);
    if (fake.next != OK && fake.reason != NULL)
        return reason_set(why, fake.next, "%s", fake.reason);
    return fake.next;
}

static bool fake_iterate(unsigned i, struct vm_info *out) {
    if (i >= fake.nr_vms)
        return false;
    struct vm *v = &fake.vm[i];
    *out = (struct vm_info){ .state = v->state,
                             .memory_bytes = 256 * MIB,
                             .nr_vcpus = 1,
                             .guest_ns = 3 * NSEC_PER_SEC,
                             .run_ns = 12 * NSEC_PER_MSEC,
                             .exits = 4711,
                             .vm = v->state == VM_STOPPED ? NULL : v };
    memcpy(out->name, v->name, sizeof(out->name));
    return true;
}
static const char *fake_state_str(enum vm_state s) {
    static const char *const names[VM_NR_STATES] = { "?",        "stopped",  "running", "paused",
                                                     "incoming", "in-doubt", "crashed" };
    return names[s];
}
static result_t fake_boot(const char *name, struct reason *why) {
    return answer("boot", name, why);
}
static result_t fake_stop(const char *name, struct reason *why) {
    return answer("stop", name, why);
}
static result_t fake_pause(struct vm *vm, struct reason *why) {
    return answer("pause", vm->name, why);
}
static result_t fake_resume(struct vm *vm, struct reason *why) {
    return answer("resume", vm->name, why);
}
static size_t fake_console_read(struct vm *vm, char *buf, size_t cap) {
    (void)vm, (void)buf, (void)cap;
    return 0;
}
static result_t fake_migrate_start(const struct console_migrate_request *req, uint64_t *id,
                                   struct reason *why) {
    fake.request = *req;
    *id = 7;
    return answer("migrate", req->vm, why);
}
static result_t fake_migrate_cancel(const char *vm, struct reason *why) {
    return answer("cancel", vm, why);
}
static result_t fake_migrate_resolve(const char *vm, bool keep, struct reason *why) {
    return answer(keep ? "keep" : "free", vm, why);
}
static const char *fake_forbids(const struct vm *vm) {
    return strcmp(vm->name, "mail") == 0 ? fake.forbidden : NULL;
}
static bool fake_migrate_status(unsigned i, struct migrate_view_status *out) {
    if (i >= fake.nr_migrations)
        return false;
    *out = fake.migration[i];
    return true;
}
static bool fake_migrate_report(struct migrate_view_report *out) {
    if (!fake.has_report)
        return false;
    *out = (struct migrate_view_report){
        .id = 6, .vm = "web", .peer = "beta", .result = "cancelled by the operator"
    };
    return true;
}
static bool fake_peer(unsigned i, struct console_peer *out) {
    if (i != 0)
        return false;
    *out = (struct console_peer){ .name = "beta", .addr = { 0x0a000002, 7600 } };
    return true;
}
static result_t fake_net_info(struct console_net *out, struct reason *why) {
    if (fake.next != OK)
        return answer("net", "", why);
    *out = (struct console_net){ .name = "e1000 00:03.0",
                                 .mac = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 },
                                 .link_up = true,
                                 .mbit_s = 1000,
                                 .ipv4 = 0x0a000001,
                                 .netmask = 0xffffff00,
                                 .rx_frames = 10,
                                 .rx_bytes = 640 };
    return OK;
}
static result_t fake_ping(uint32_t ipv4, uint32_t count, struct reason *why) {
    char text[32];
    snprintf(text, sizeof(text), "%08x %u", ipv4, count);
    return answer("ping", text, why);
}
static void fake_mem(uint64_t *total, uint64_t *free_bytes) {
    *total = 1024 * MIB;
    *free_bytes = 752 * MIB;
}
static void fake_cpu_report(void (*line)(void *ctx, const char *text), void *ctx) {
    line(ctx, "Some CPU");
    line(ctx, "PML: missing (IA32_VMX_PROCBASED_CTLS2 bit 17)");
}
static bool fake_log_line(unsigned ago, char line[CONSOLE_LINE_LEN]) {
    if (ago < fake.log_lines)
        snprintf(line, CONSOLE_LINE_LEN, "message %u", fake.log_lines - ago);
    return ago < fake.log_lines;
}
static void fake_reboot(void) {
    answer("reboot", "", NULL);
}
static void fake_attach(void *ctx, const char *vm) {
    (void)ctx;
    snprintf(fake.attached, sizeof(fake.attached), "%s", vm);
}
static void said_write(void *ctx, const char *data, size_t len) {
    (void)ctx;
    assert_true(fake.len + len < sizeof(fake.said));
    memcpy(fake.said + fake.len, data, len);
    fake.said[fake.len += len] = '\0';
}

static const struct console_ops ops = {
    .version = "0.1",
    .vm_iterate = fake_iterate,
    .vm_state_str = fake_state_str,
    .vm_boot = fake_boot,
    .vm_stop = fake_stop,
    .vm_pause = fake_pause,
    .vm_resume = fake_resume,
    .vm_console_read = fake_console_read,
    .migrate_start = fake_migrate_start,
    .migrate_cancel = fake_migrate_cancel,
    .migrate_resolve = fake_migrate_resolve,
    .migrate_forbids_stop = fake_forbids,
    .migrate_status = fake_migrate_status,
    .migrate_report = fake_migrate_report,
    .peer_iterate = fake_peer,
    .migration_port = 7600,
    .net_info = fake_net_info,
    .net_ping = fake_ping,
    .mem_info = fake_mem,
    .cpu_report = fake_cpu_report,
    .log_line = fake_log_line,
    .reboot = fake_reboot,
};

static int setup(void **state) {
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.vm[0] = (struct vm){ "web", VM_RUNNING };
    fake.vm[1] = (struct vm){ "db", VM_STOPPED };
    fake.vm[2] = (struct vm){ "mail", VM_PAUSED };
    fake.nr_vms = 3;
    shell_init(&sh, (struct out){ said_write, NULL }, &ops, shell_commands);
    sh.attach = fake_attach;
    return 0;
}

/* Run one line; returns all that was said. */
static const char *run(const char *line) {
    char copy[LINEEDIT_LEN];
    snprintf(copy, sizeof(copy), "%s", line);
    fake.len = 0;
    fake.said[0] = '\0';
    fake.called[0] = '\0';
    bool ok = shell_run(&sh, copy);
    assert_true(ok == (strstr(fake.said, "error") == NULL));
    return fake.said;
}

/* An error is one line that begins so and holds the words. */
static void expect_error(const char *line, const char *words) {
    const char *said = run(line);
    if (strncmp(said, "error: ", 7) != 0 || strstr(said, words) == NULL ||
        strchr(said, '\n') != said + strlen(said) - 1)
        fail_msg("`%s` said: %s", line, said);
    assert_string_equal(fake.called, "");
}

static void test_shell_words_and_quotes(void **state) {
    (void)state;
    struct args a;
    struct reason why = { "" };
    char line[] = "  one \"two three\" 'fo\\ur' fi\\ ve a\"b c\"d \"\" ";
    assert_int_equal(args_split(line, &a, &why), OK);
    static const char *const want[] = { "one", "two three", "fo\\ur", "fi ve", "ab cd", "" };
    assert_int_equal(a.count, ARRAY_LEN(want));
    for (unsigned i = 0; i < a.count; i++)
        assert_string_equal(a.word[i], want[i]);
    char open[] = "vm start \"web";
    assert_int_equal(args_split(open, &a, &why), ERR_INVAL);
    char many[] = "a a a a a a a a a a a a a a a a a a a a a a a a a";
    assert_int_equal(args_split(many, &a, &why), ERR_RANGE);
    char slash[] = "a\\";
    assert_int_equal(args_split(slash, &a, &why), OK);
    assert_string_equal(a.word[0], "a\\");
}

static void test_shell_unknown_command(void **state) {
    (void)state;
    assert_string_equal(run(""), "");
    assert_string_equal(run("   "), "");
    expect_error("migrat web", "did you mean 'migrate'?");
    expect_error("megrate", "did you mean 'migrate'?");
    expect_error("ps", "unknown command 'ps'");
    expect_error("xyzzyplugh", "`help` lists them");
    expect_error("vm start \"web", "quote");
    expect_error("\"\"", "unknown command ''");
}

static void test_shell_help(void **state) {
    (void)state;
    run("help");
    for (const struct command *c = shell_commands; c->name != NULL; c++) {
        char line[64];
        assert_non_null(strstr(fake.said, c->brief));
        snprintf(line, sizeof(line), "help %s", c->name);
        run(line);
        assert_non_null(strstr(fake.said, "usage: "));
        run("help");
    }
    expect_error("help nothing", "no command 'nothing'");
    assert_non_null(strstr(run("help migrate"), "--downtime"));
}

static void test_shell_vm_list(void **state) {
    (void)state;
    run("vm list");
    assert_non_null(
        strstr(fake.said, "web              running     256 MiB     1      3.0 s    12.0 ms         4711\n"));
    assert_non_null(strstr(fake.said, "db               stopped"));
    run("vm list --json");
    assert_string_equal(
        strtok(fake.said, "\n"),
        "{\"event\":\"vm\",\"name\":\"web\",\"state\":\"running\",\"memory_bytes\":268435456,\"vcpus\":1,"
        "\"guest_ns\":3000000000,\"run_ns\":12000000,\"exits\":4711}");
    fake.nr_vms = 0;
    assert_string_equal(run("vm list"), "no VMs; a [vm NAME] section in godwit.cfg defines one\n");
}

static void test_shell_vm_actions(void **state) {
    (void)state;
    assert_string_equal(run("vm start db"), "db: started\n");
    assert_string_equal(fake.called, "boot db");
    assert_string_equal(run("vm pause web"), "web: paused\n");
    assert_string_equal(fake.called, "pause web");
    assert_string_equal(run("vm resume mail"), "mail: resumed\n");
    assert_string_equal(fake.called, "resume mail");
    assert_string_equal(run("vm stop web"), "web: stopped\n");
    assert_string_equal(fake.called, "stop web");
    assert_string_equal(run("vm stop web --json"),
                        "{\"event\":\"ok\",\"command\":\"vm\",\"name\":\"web\",\"result\":\"stopped\"}\n");
    assert_string_equal(run("vm console web"), "");
    assert_string_equal(fake.attached, "web");
}

static void test_shell_vm_refusals(void **state) {
    (void)state;
    expect_error("vm", "usage: vm list; see `help vm`");
    expect_error("vm start", "needs the name of a VM");
    expect_error("vm fly web", "vm cannot 'fly'");
    expect_error("vm start wep", "did you mean 'web'?");
    expect_error("vm start nothing", "no VM is named 'nothing'");
    expect_error("vm start web db", "usage");
    expect_error("vm list web", "usage");
    expect_error("vm start web --now", "no option --now");
    expect_error("vm stop db", "not running");
    expect_error("vm pause mail", "mail is paused, not running");
    expect_error("vm resume web", "web is running, not paused");
    expect_error("vm console db", "not running");
    fake.next = ERR_EXIST;
    assert_string_equal(run("vm start web"), "error: web: ERR_EXIST\n");
    fake.reason = "VM web is running already";
    assert_string_equal(run("vm start web"), "error: VM web is running already\n");
    fake.reason = "1 GiB of memory asked, 512 MiB free; give it less memory";
    assert_string_equal(run("vm start web"),
                        "error: web: 1 GiB of memory asked, 512 MiB free; give it less memory\n");
}

static void test_shell_vm_hands_off_while_migrating(void **state) {
    (void)state;
    fake.migration[0] =
        (struct migrate_view_status){ .id = 1, .vm = "web", .peer = "beta", .state = "precopy" };
    fake.nr_migrations = 1;
    expect_error("vm stop web", "being migrated (precopy)");
    expect_error("vm pause web", "`migrate cancel web` ends that");
    expect_error("migrate web to beta", "being migrated already");
    run("vm console web");
    assert_string_equal(fake.attached, "web");
    fake.nr_migrations = 0;
    fake.vm[0].state = VM_IN_DOUBT;
    expect_error("vm stop web", "in doubt");
    expect_error("migrate web to beta", "web is in-doubt");
    fake.forbidden = "it belongs to a migration that is being undone";
    expect_error("vm resume mail", "being undone");
}

static void test_shell_migrate_resolve(void **state) {
    (void)state;
    expect_error("migrate resolve web keep", "nothing to resolve");
    fake.vm[0].state = VM_IN_DOUBT;
    expect_error("migrate resolve web", "usage");
    expect_error("migrate resolve web perhaps", "neither keep");
    expect_error("migrate resolve wep keep", "did you mean 'web'?");
    assert_string_equal(run("migrate resolve web keep"), "web: kept\n");
    assert_string_equal(fake.called, "keep web");
    run("migrate resolve web free");
    assert_string_equal(fake.called, "free web");
}

static void test_shell_migrate_options(void **state) {
    (void)state;
    run("migrate web to beta");
    assert_string_equal(fake.said, "web: migrating to beta (10.0.0.2:7600); `migrate cancel` stops it\n");
    assert_int_equal(fake.request.dirty, DIRTY_INVALID);
    assert_int_equal(sh.view, MIGRATE_VIEW_LIVE);
    run("migrate --plain web to 10.0.0.3:99 --downtime 10ms --deadline=20ms --limit 1s --rounds 5 --dirty wp "
        "--audit");
    assert_string_equal(fake.called, "migrate web");
    assert_string_equal(fake.request.peer, "10.0.0.3:99");
    assert_int_equal(fake.request.addr.ipv4, 0x0a000003);
    assert_int_equal(fake.request.addr.port, 99);
    assert_int_equal(fake.request.downtime_ns, 10 * NSEC_PER_MSEC);
    assert_int_equal(fake.request.deadline_ns, 20 * NSEC_PER_MSEC);
    assert_int_equal(fake.request.limit_ns, NSEC_PER_SEC);
    assert_int_equal(fake.request.max_rounds, 5);
    assert_int_equal(fake.request.dirty, DIRTY_WP);
    assert_true(fake.request.audit && !fake.request.dry_run);
    assert_int_equal(sh.view, MIGRATE_VIEW_PLAIN);
    run("migrate web to beta --dry-run --json");
    assert_string_equal(fake.said, "{\"event\":\"migrate-started\",\"id\":7,\"vm\":\"web\",\"peer\":\"beta\","
                                   "\"address\":\"10.0.0.2:7600\",\"dry_run\":true}\n");
    assert_true(fake.request.dry_run);
    assert_int_equal(sh.view, MIGRATE_VIEW_JSON);
}

static void test_shell_migrate_refusals(void **state) {
    (void)state;
    expect_error("migrate", "usage");
    expect_error("migrate web", "usage");
    expect_error("migrate web at beta", "usage");
    expect_error("migrate web to", "usage");
    expect_error("migrate wep to beta", "did you mean 'web'?");
    expect_error("migrate db to beta", "db is stopped");
    expect_error("migrate mail to beta", "mail is paused");
    expect_error("migrate web to betta", "did you mean 'beta'?");
    expect_error("migrate web to nowhere", "neither a peer");
    expect_error("migrate web to 10.0.0.300", "neither a peer");
    expect_error("migrate web to 10.0.0.2:0", "neither a peer");
    expect_error("migrate web to 10.0.0.2:65536", "neither a peer");
    expect_error("migrate web to beta --downtime", "needs a value");
    expect_error("migrate web to beta --downtime 10", "such as 10ms");
    expect_error("migrate web to beta --downtime 0ms", "above zero");
    expect_error("migrate web to beta --downtime 99999999999999999999s", "no duration");
    expect_error("migrate web to beta --downtime 99999999999s", "no duration");
    expect_error("migrate web to beta --rounds 0", "from 1 to");
    expect_error("migrate web to beta --dirty magic", "auto, pml, dbit and wp");
    expect_error("migrate web to beta --rounds 1 --rounds 2", "twice");
    expect_error("migrate web to beta --fast", "no option --fast");
    fake.next = ERR_LINK;
    fake.reason = "10.0.0.2:7600 does not answer";
    assert_string_equal(run("migrate web to beta"), "error: web: 10.0.0.2:7600 does not answer\n");
}

static void test_shell_migrate_status_and_cancel(void **state) {
    (void)state;
    assert_string_equal(run("migrate status"), "no migration is running\n");
    expect_error("migrate cancel", "no migration is running");
    fake.has_report = true;
    assert_non_null(
        strstr(run("migrate status"), "the last one:\nweb -> beta: not moved: cancelled by the operator\n"));
    fake.migration[0] =
        (struct migrate_view_status){ .id = 1, .vm = "web", .peer = "beta", .state = "connect" };
    fake.migration[1] = (struct migrate_view_status){
        .id = 2, .vm = "mail", .peer = "10.0.0.9", .incoming = true, .round = 1
    };
    fake.nr_migrations = 1;
    assert_string_equal(run("migrate status"), "web -> beta  connect\n");
    assert_string_equal(run("migrate cancel"), "web: cancelling\n");
    assert_string_equal(fake.called, "cancel web");
    fake.nr_migrations = 2;
    expect_error("migrate cancel", "several");
    expect_error("migrate cancel db", "no migration of 'db'");
    run("migrate cancel mail");
    assert_string_equal(fake.called, "cancel mail");
    fake.next = ERR_BUSY;
    fake.reason = "it is committed";
    assert_string_equal(run("migrate cancel web"), "error: web: it is committed\n");
}

static void test_shell_net(void **state) {
    (void)state;
    run("net");
    assert_non_null(strstr(fake.said, "mac        52:54:00:12:34:56\nlink       up, 1000 Mbit/s\n"));
    assert_non_null(strstr(fake.said, "address    10.0.0.1 netmask 255.255.255.0 gateway none (static)\n"));
    assert_non_null(strstr(run("net --json"), "\"gateway\":null,\"rx_frames\":10"));
    run("net ping 10.0.0.2");
    assert_string_equal(fake.called, "ping 0a000002 4");
    run("net ping 10.0.0.2 9");
    assert_string_equal(fake.called, "ping 0a000002 9");
    expect_error("net ping", "usage");
    expect_error("net ping beta", "no IPv4 address");
    expect_error("net ping 10.0.0.2 0", "from 1 to");
    expect_error("net pong", "usage");
    fake.next = ERR_NODEV;
    fake.reason = "no network card that Godwit can drive; it knows the 82540EM";
    assert_string_equal(run("net"), "error: no network card that Godwit can drive; it knows the 82540EM\n");
}

static void test_shell_host(void **state) {
    (void)state;
    run("mem"); /* 1024 - 752 used, of which web and mail have 256 each: more than used, so 0 is left */
    assert_non_null(strstr(fake.said, "hypervisor                    0 B\n"));
    fake.vm[2].state = VM_STOPPED;
    run("mem");
    assert_non_null(strstr(fake.said,
                           "total                       1 GiB\nfree                      752 MiB\n"
                           "hypervisor                 16 MiB\nweb                       256 MiB\n"));
    assert_non_null(
        strstr(run("mem --json"), "\"hypervisor_bytes\":16777216,\"vms\":{\"web\":268435456}}\n"));
    assert_non_null(strstr(run("cpu"), "PML: missing"));
    fake.log_lines = 30;
    assert_true(strncmp(run("log"), "message 11\n", 11) == 0);
    assert_string_equal(run("log 2"), "message 29\nmessage 30\n");
    assert_string_equal(run("log 1 --json"), "{\"event\":\"log\",\"text\":\"message 30\"}\n");
    expect_error("log x", "no number");
    expect_error("log 0", "no number");
    assert_string_equal(run("peers"), "beta             10.0.0.2:7600\n");
    assert_string_equal(run("version"), "Godwit 0.1\n");
    expect_error("poweroff", "not available in this build");
}

static void test_shell_reboot_protects_guests(void **state) {
    (void)state;
    expect_error("reboot", "web is running and would be lost");
    assert_null(sh.leave);
    run("reboot --force");
    assert_ptr_equal(sh.leave, fake_reboot);
    assert_string_equal(fake.called, ""); /* not before the answer is on the terminal */
    sh.leave = NULL;
    fake.vm[0].state = VM_CRASHED;
    fake.vm[2].state = VM_STOPPED;
    run("reboot");
    assert_ptr_equal(sh.leave, fake_reboot);
}

static void test_shell_json_mode(void **state) {
    (void)state;
    assert_string_equal(run("json on"),
                        "{\"event\":\"ok\",\"command\":\"json\",\"name\":\"json\",\"result\":\"on\"}\n");
    char copy[] = "vm start \"a\\\"b\"";
    fake.len = 0;
    assert_false(shell_run(&sh, copy));
    assert_string_equal(
        fake.said,
        "{\"event\":\"error\",\"command\":\"vm\",\"text\":\"no VM is named 'a\\\"b'; `vm list` shows "
        "those there are\"}\n");
    assert_non_null(strstr(run("help vm"), "\"usage\":\"vm list\\u000avm start"));
    assert_string_equal(run("json off"), "json: off\n");
    expect_error("json maybe", "on or off");
}

static void expect_completions(const char *text, const char *want) {
    struct completions c = { .count = 0 };
    char got[1024] = "";
    shell_complete(&sh, text, &c);
    for (unsigned i = 0; i < c.count; i++)
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i == 0 ? "" : " ", c.word[i]);
    assert_string_equal(got, want);
}

static void test_shell_completion(void **state) {
    (void)state;
    expect_completions("m", "migrate mem");
    expect_completions("vm st", "start stop");
    expect_completions("vm start ", "web db mail");
    expect_completions("vm list ", "");
    expect_completions("migrate w", "web");
    expect_completions("migrate web ", "to");
    expect_completions("migrate web to ", "beta");
    expect_completions("migrate web to beta --d", "--dry-run --downtime --dirty --deadline");
    expect_completions("migrate web to beta --dirty ", "auto pml dbit wp");
    expect_completions("migrate cancel ", "web db mail");
    expect_completions("help ver", "version");
    expect_completions("json o", "on off");
    expect_completions("bogus x", "");
    expect_completions("vm \"st", "");
}

/* Without a single operation every command still answers with a line. */
static void test_shell_bare_ops(void **state) {
    (void)state;
    static const struct console_ops none;
    static const char *const lines[] = { "vm list",
                                         "vm start web",
                                         "migrate web to 1.2.3.4",
                                         "migrate status",
                                         "migrate cancel",
                                         "peers",
                                         "net",
                                         "net ping 1.2.3.4",
                                         "mem",
                                         "cpu",
                                         "log",
                                         "reboot",
                                         "poweroff" };
    shell_init(&sh, (struct out){ said_write, NULL }, &none, shell_commands);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        expect_error(lines[i], "not available in this build");
    assert_string_equal(run("version"), "Godwit unknown\n");
    expect_completions("vm start ", "");
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_shell_words_and_quotes),
        T(test_shell_unknown_command),
        T(test_shell_help),
        T(test_shell_vm_list),
        T(test_shell_vm_actions),
        T(test_shell_vm_refusals),
        T(test_shell_vm_hands_off_while_migrating),
        T(test_shell_migrate_options),
        T(test_shell_migrate_refusals),
        T(test_shell_migrate_status_and_cancel),
        T(test_shell_migrate_resolve),
        T(test_shell_net),
        T(test_shell_host),
        T(test_shell_reboot_protects_guests),
        T(test_shell_json_mode),
        T(test_shell_completion),
        T(test_shell_bare_ops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
