/* SPDX-License-Identifier: MIT */
/* test_console.c - the whole console against a fake terminal, a fake guest and a fake migration. */
#include "console/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PROMPT "godwit:alpha> "

struct vm {
    enum vm_state state;
};

static struct {
    char typed[512]; /* what the operator will have typed */
    size_t typed_len;
    char shown[262144]; /* what the terminal got since the last look */
    size_t shown_len;
    size_t tx_free;
    uint64_t now;
    struct vm vm;
    bool vm_alive;
    char backlog[512], guest_in[512];
    size_t guest_takes;
    struct migrate_view_status migration;
    bool migrating;
    struct migrate_view_report report;
    struct console_ping ping;
    unsigned nr_pings;
    bool rebooted;
} fake;

static struct console *con;

static size_t io_read(char *buf, size_t cap) {
    size_t n = MIN(cap, fake.typed_len);
    memcpy(buf, fake.typed, n);
    memmove(fake.typed, fake.typed + n, fake.typed_len - n);
    fake.typed_len -= n;
    return n;
}
static size_t io_write(const char *data, size_t len) {
    len = MIN(len, fake.tx_free);
    assert_true(fake.shown_len + len < sizeof(fake.shown));
    memcpy(fake.shown + fake.shown_len, data, len);
    fake.shown[fake.shown_len += len] = '\0';
    fake.tx_free -= len;
    return len;
}
static size_t io_free(void) {
    return fake.tx_free;
}
static uint64_t fake_now(void) {
    return fake.now;
}
static bool fake_iterate(unsigned i, struct vm_info *out) {
    if (i != 0)
        return false;
    *out = (struct vm_info){ .name = "web",
                             .state = fake.vm_alive ? fake.vm.state : VM_STOPPED,
                             .vm = fake.vm_alive ? &fake.vm : NULL };
    return true;
}
static struct vm *fake_find(const char *name) {
    return fake.vm_alive && strcmp(name, "web") == 0 ? &fake.vm : NULL;
}
static enum vm_state fake_get_state(const struct vm *vm) {
    return vm->state;
}
static const char *fake_state_str(enum vm_state s) {
    return s == VM_RUNNING ? "running" : "other";
}
static size_t fake_guest_read(struct vm *vm, char *buf, size_t cap) {
    (void)vm;
    size_t n = MIN(cap, strlen(fake.backlog));
    memcpy(buf, fake.backlog, n);
    memmove(fake.backlog, fake.backlog + n, strlen(fake.backlog) - n + 1);
    return n;
}
static size_t fake_guest_write(struct vm *vm, const char *buf, size_t len) {
    (void)vm;
    size_t n = MIN(len, fake.guest_takes);
    strncat(fake.guest_in, buf, n);
    fake.guest_takes -= n;
    return n;
}
static result_t fake_boot(const char *name, struct reason *why) {
    (void)why;
    char line[64];
    snprintf(line, sizeof(line), "[     1.000] I %s: booting", name);
    console_print_async(con, line); /* as log_info inside an operation does */
    return OK;
}
static result_t fake_migrate(const struct console_migrate_request *req, uint64_t *id, struct reason *why) {
    (void)why;
    fake.migrating = true;
    fake.migration = (struct migrate_view_status){ .id = 5, .state = "connect" };
    snprintf(fake.migration.vm, sizeof(fake.migration.vm), "%s", req->vm);
    snprintf(fake.migration.peer, sizeof(fake.migration.peer), "%s", req->peer);
    *id = 5;
    return OK;
}
static bool fake_status(unsigned i, struct migrate_view_status *out) {
    if (i != 0 || !fake.migrating)
        return false;
    *out = fake.migration;
    return true;
}
static uint64_t fake_report_id(void) {
    return fake.report.id;
}
static bool fake_report(struct migrate_view_report *out) {
    *out = fake.report;
    return true;
}
static void fake_reboot(void) {
    fake.rebooted = true;
}
static bool fake_ping_next(struct console_ping *out) {
    if (fake.nr_pings == 0)
        return false;
    fake.nr_pings--;
    *out = fake.ping;
    return true;
}

static const struct console_ops ops = {
    .now_ns = fake_now,
    .version = "0.1",
    .vm_iterate = fake_iterate,
    .vm_find = fake_find,
    .vm_get_state = fake_get_state,
    .vm_state_str = fake_state_str,
    .vm_boot = fake_boot,
    .vm_console_read = fake_guest_read,
    .vm_console_write = fake_guest_write,
    .migration_port = 7600,
    .migrate_start = fake_migrate,
    .migrate_status = fake_status,
    .migrate_report_id = fake_report_id,
    .migrate_report = fake_report,
    .reboot = fake_reboot,
    .net_ping_next = fake_ping_next,
};

static int setup(void **state) {
    static const struct console_io io = { io_read, io_write, io_free };
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.tx_free = SIZE_MAX / 2;
    fake.now = NSEC_PER_SEC;
    fake.vm = (struct vm){ VM_RUNNING };
    fake.vm_alive = true;
    fake.guest_takes = SIZE_MAX / 2;
    con = malloc(sizeof(*con));
    console_init(con, &io, &ops, "alpha", "Godwit 0.1");
    assert_string_equal(fake.shown, "Godwit 0.1\r\n" PROMPT);
    fake.shown_len = 0;
    fake.shown[0] = '\0';
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(con);
    return 0;
}

/* Type, let the console work until it rests, and return what the terminal got. */
static const char *run_for(const char *typed) {
    memcpy(fake.typed + fake.typed_len, typed, strlen(typed));
    fake.typed_len += strlen(typed);
    fake.shown_len = 0;
    fake.shown[0] = '\0';
    for (unsigned i = 0; i < 100 && console_poll(con); i++)
        fake.now += NSEC_PER_USEC;
    return fake.shown;
}

static void pass_time(uint64_t ns) {
    fake.now += ns;
}

static void expect_seen(const char *shown, const char *words) {
    if (strstr(shown, words) == NULL)
        fail_msg("`%s` is not in: %s", words, shown);
}

static void test_console_runs_commands(void **state) {
    (void)state;
    assert_string_equal(run_for("version\r"), "version\r\nGodwit 0.1\r\n" PROMPT);
    assert_string_equal(run_for("\r\n"), "\r\n" PROMPT);
    assert_string_equal(run_for("vers\x03"), "vers^C\r\n" PROMPT);
    assert_string_equal(run_for("nope\rversion\r"),
                        "nope\r\nerror: unknown command 'nope'; `help` lists them\r\n" PROMPT
                        "version\r\nGodwit 0.1\r\n" PROMPT);
}

static void test_console_async_lines(void **state) {
    (void)state;
    run_for("ver");
    console_print_async(con, "[     2.000] I hello \x1b[2J");
    assert_string_equal(run_for(""), "\r                 \r[     2.000] I hello ?[2J\r\n" PROMPT "ver");
    assert_string_equal(run_for("sion\r"), "sion\r\nGodwit 0.1\r\n" PROMPT);
    assert_string_equal(run_for("vm start web\r"),
                        "vm start web\r\n[     1.000] I web: booting\r\nweb: started\r\n" PROMPT);
}

static void test_console_attach_and_detach(void **state) {
    (void)state;
    snprintf(fake.backlog, sizeof(fake.backlog), "Linux boots\r\nlogin: ");
    run_for("vm console web\rroot\r\x1b[A");
    expect_seen(fake.shown, "[web has the terminal; ^] gives it back]\r\nLinux boots\r\nlogin: ");
    assert_string_equal(fake.guest_in, "root\r\x1b[A");
    console_print_async(con, "[     3.000] I held back");
    assert_string_equal(run_for(""), "");
    run_for("x\x1dversion\r");
    assert_string_equal(fake.guest_in, "root\r\x1b[Ax");
    assert_string_equal(fake.shown, "\r\n[web goes on without the terminal; back in the shell]\r\n"
                                    "[1 messages meanwhile; `log` shows them]\r\n" PROMPT);
}

static void test_console_attached_guest_does_not_read(void **state) {
    (void)state;
    fake.guest_takes = 3;
    run_for("vm console web\r");
    run_for("abcdef");
    assert_string_equal(fake.guest_in, "abc");
    fake.guest_takes = 100;
    run_for("");
    assert_string_equal(fake.guest_in, "abcdef");
    fake.guest_takes = 0;
    for (unsigned i = 0; i < CONSOLE_TYPED + 10; i++)
        run_for("z");
    expect_seen(run_for("\x1d"), "back in the shell]\r\n" PROMPT);
}

static void test_console_attached_guest_ends(void **state) {
    (void)state;
    run_for("vm console web\r");
    fake.vm_alive = false;
    assert_string_equal(run_for(""), "[web has ended; back in the shell]\r\n" PROMPT);
    fake.vm_alive = true;
    run_for("vm console web\r");
    fake.vm.state = VM_CRASHED;
    assert_string_equal(run_for(""), "[web has crashed; back in the shell]\r\n" PROMPT);
}

static void test_console_attached_guest_moves_away(void **state) {
    (void)state;
    run_for("migrate web to 10.0.0.2\rvm console web\r");
    fake.vm_alive = false; /* freed, but the migration is not over yet */
    assert_string_equal(run_for(""), "");
    fake.migrating = false;
    fake.report = (struct migrate_view_report){ .id = 5, .vm = "web", .peer = "10.0.0.2", .moved = true };
    run_for("");
    assert_string_equal(fake.shown, "[web moved to 10.0.0.2; back in the shell]\r\n" PROMPT
                                    "\r              \rweb -> 10.0.0.2: moved\r\n" PROMPT);
}

static void test_console_progress_takes_the_empty_row(void **state) {
    (void)state;
    run_for("migrate web to 10.0.0.2\r");
    expect_seen(fake.shown, "web: migrating to 10.0.0.2 (10.0.0.2:");
    expect_seen(fake.shown, PROMPT);
    pass_time(MIGRATE_VIEW_LIVE_NS);
    assert_string_equal(run_for(""), "\rweb -> 10.0.0.2  connect");
    assert_string_equal(run_for(""), ""); /* not more often than the interval */
    snprintf(fake.migration.state, sizeof(fake.migration.state), "x");
    pass_time(MIGRATE_VIEW_LIVE_NS);
    assert_string_equal(run_for(""), "\rweb -> 10.0.0.2  x      \b\b\b\b\b\b");
    assert_string_equal(run_for("m"), "\r                  \r" PROMPT "m");
    pass_time(MIGRATE_VIEW_LIVE_NS);
    assert_string_equal(run_for(""), ""); /* a command is being typed */
    assert_string_equal(run_for("\x15"), "\b \b");
    console_print_async(con, "[     4.000] I line");
    run_for("");
    pass_time(MIGRATE_VIEW_LIVE_NS);
    run_for("");
    fake.migrating = false;
    fake.report =
        (struct migrate_view_report){ .id = 5, .vm = "web", .peer = "10.0.0.2", .result = "cancelled" };
    assert_string_equal(run_for(""),
                        "\r                  \rweb -> 10.0.0.2: not moved: cancelled\r\n" PROMPT);
    assert_string_equal(run_for(""), "");
}

static void test_console_progress_plain_and_json(void **state) {
    (void)state;
    run_for("migrate web to 10.0.0.2 --plain\r");
    pass_time(MIGRATE_VIEW_PLAIN_NS);
    assert_string_equal(run_for(""), "\r              \rweb -> 10.0.0.2  connect\r\n" PROMPT);
    fake.migrating = false;
    run_for("migrate web to 10.0.0.2 --json\r");
    pass_time(MIGRATE_VIEW_PLAIN_NS);
    expect_seen(run_for(""), "\r{\"event\":\"migrate-progress\",\"id\":5,");
    fake.migrating = false;
    fake.report = (struct migrate_view_report){ .id = 5, .vm = "web", .peer = "10.0.0.2" };
    expect_seen(run_for(""), "\r{\"event\":\"migrate-report\",\"id\":5,");
    fake.report.id = 6; /* --json was for that migration alone */
    expect_seen(run_for(""), "\rweb -> 10.0.0.2: not moved\r\n" PROMPT);
}

static void test_console_migrate_events(void **state) {
    (void)state;
    const struct migrate_view_status s = {
        .id = 3, .vm = "web", .peer = "beta", .incoming = true, .reason = "no room"
    };
    console_migrate_event(con, "refused", &s);
    assert_string_equal(run_for(""), "\r              \rweb <- beta: refused: no room\r\n" PROMPT);
    run_for("json on\r");
    console_migrate_event(con, "refused", &s);
    expect_seen(run_for(""), "\r{\"event\":\"migrate-event\",\"what\":\"refused\",\"id\":3,\"vm\":\"web\",");
}

static void test_console_ping_results(void **state) {
    (void)state;
    fake.ping = (struct console_ping){ .ipv4 = 0x0a000002, .seq = 1, .answered = true, .rtt_ns = 250000 };
    fake.nr_pings = 1;
    assert_string_equal(run_for(""), "\r              \r10.0.0.2: answer 1 after 250.0 us\r\n" PROMPT);
}

static void test_console_slow_terminal_loses_progress_first(void **state) {
    (void)state;
    fake.tx_free = 0;
    run_for("version\r");
    assert_string_equal(fake.shown, "");
    fake.migrating = true;
    fake.migration = (struct migrate_view_status){ .id = 9, .vm = "web", .peer = "beta", .state = "connect" };
    for (unsigned i = 0; i < 10; i++) {
        pass_time(MIGRATE_VIEW_PLAIN_NS);
        run_for("");
    }
    fake.migrating = false;
    fake.tx_free = 10;
    assert_string_equal(run_for(""), "version\r\nG");
    fake.tx_free = SIZE_MAX / 2;
    assert_string_equal(run_for(""), "odwit 0.1\r\n" PROMPT);
}

static void test_console_reboot_waits_for_the_terminal(void **state) {
    (void)state;
    fake.vm_alive = false;
    fake.tx_free = 12;
    run_for("reboot\r");
    assert_false(fake.rebooted);
    fake.tx_free = SIZE_MAX / 2;
    expect_seen(run_for(""), "the machine restarts\r\n");
    assert_true(fake.rebooted);
}

static void test_console_full_ring_tells_the_loss(void **state) {
    (void)state;
    char line[101];
    memset(line, 'x', 100);
    line[100] = '\0';
    fake.tx_free = 0;
    for (unsigned i = 0; i < CONSOLE_RING / 100 + 50; i++)
        console_print_async(con, line);
    fake.tx_free = SIZE_MAX / 2;
    run_for("");
    const char *gap = strstr(fake.shown, "\r\n[");
    char unit[200]; /* what one line puts on the terminal */
    snprintf(unit, sizeof(unit), "\r              \r%s\r\n" PROMPT, line);
    assert_non_null(gap);
    for (size_t i = 0; fake.shown + i < gap; i++) /* before the gap nothing is missing */
        assert_int_equal(fake.shown[i], unit[i % strlen(unit)]);
    expect_seen(fake.shown, " characters lost: the terminal is too slow]\r\n");
    assert_string_equal(run_for("version\r"), "version\r\nGodwit 0.1\r\n" PROMPT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_console_runs_commands),
        T(test_console_async_lines),
        T(test_console_attach_and_detach),
        T(test_console_attached_guest_does_not_read),
        T(test_console_attached_guest_ends),
        T(test_console_attached_guest_moves_away),
        T(test_console_progress_takes_the_empty_row),
        T(test_console_progress_plain_and_json),
        T(test_console_migrate_events),
        T(test_console_ping_results),
        T(test_console_slow_terminal_loses_progress_first),
        T(test_console_reboot_waits_for_the_terminal),
        T(test_console_full_ring_tells_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
