/* SPDX-License-Identifier: MIT */
/* test_cmd_measure.c - the commands `audit` and `exits` against a made-up hypervisor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "console/commands.h"

struct vm {
    int unused;
};

static struct vm machine;
static struct audit_report report;
static bool any_audit;
static struct {
    enum dirty_method method;
    uint32_t periods, collects;
    unsigned stops;
} asked;
static char said[4096];
static struct shell sh;

static bool iterate(unsigned index, struct vm_info *out) {
    static const char *const names[] = {"web", "idle"};
    if (index >= ARRAY_LEN(names))
        return false;
    *out = (struct vm_info){.state = index == 0 ? VM_RUNNING : VM_STOPPED, .exits = 30, .vm = index == 0 ? &machine : NULL};
    snprintf(out->name, sizeof out->name, "%s", names[index]);
    return true;
}

static result_t start(struct vm *vm, enum dirty_method method, uint32_t periods, uint32_t collects, struct reason *why) {
    assert_ptr_equal(vm, &machine);
    if (report.running)
        return reason_set(why, ERR_BUSY, "VM web is being audited; `audit stop` ends that");
    asked.method = method;
    asked.periods = periods;
    asked.collects = collects;
    return OK;
}

static void stop(void) {
    asked.stops++;
}

static bool get(struct audit_report *out) {
    *out = report;
    return any_audit;
}

static bool stats(struct vm *vm, unsigned index, struct vm_exit_count *out) {
    static const struct vm_exit_count rows[] = {{"CPUID", 10}, {"HLT", 20}};
    assert_ptr_equal(vm, &machine);
    if (index < ARRAY_LEN(rows))
        *out = rows[index];
    return index < ARRAY_LEN(rows);
}

static void write_said(void *ctx, const char *data, size_t len) {
    (void)ctx;
    size_t used = strlen(said);
    assert_true(used + len < sizeof said);
    memcpy(said + used, data, len);
    said[used + len] = '\0';
}

static const struct console_ops ops = {
    .vm_iterate = iterate, .audit_start = start, .audit_stop = stop, .audit_get = get, .vm_exit_stats = stats};

static int setup(void **state) {
    (void)state;
    memset(&report, 0, sizeof report);
    memset(&asked, 0, sizeof asked);
    any_audit = false;
    shell_init(&sh, (struct out){write_said, NULL}, &ops, shell_commands);
    return 0;
}

static const char *run(const char *line) {
    char copy[128];
    snprintf(copy, sizeof copy, "%s", line);
    said[0] = '\0';
    (void)shell_run(&sh, copy);
    return said;
}

static void expect(const char *line, const char *words) {
    bool found = strstr(run(line), words) != NULL;
    if (!found)
        print_error("'%s' said '%s', not '%s'\n", line, said, words);
    assert_true(found);
}

static void test_cmd_audit_options(void **state) {
    (void)state;
    expect("audit web", "web: audit begins");
    assert_int_equal(asked.method, DIRTY_INVALID);
    assert_int_equal(asked.periods, AUDIT_DEFAULT_PERIODS);
    assert_int_equal(asked.collects, AUDIT_DEFAULT_COLLECTS);
    expect("audit web --dirty wp --periods 7 --collections=12", "web: audit begins");
    assert_int_equal(asked.method, DIRTY_WP);
    assert_int_equal(asked.periods, 7);
    assert_int_equal(asked.collects, 12);
}

static void test_cmd_audit_refusals(void **state) {
    (void)state;
    expect("audit", "error: ");
    expect("audit idle", "idle is not running");
    expect("audit wob", "web");
    expect("audit web --dirty magic", "pml, dbit, wp and auto");
    expect("audit web --periods 0", "--periods '0' is not a number");
    expect("audit web --collections x", "--collections 'x'");
    expect("audit status", "no VM was audited");
    report.running = true;
    expect("audit web", "is being audited");
}

static void test_cmd_audit_status(void **state) {
    (void)state;
    any_audit = true;
    report = (struct audit_report){
        .name = "web", .method = DIRTY_PML, .periods = 2, .periods_wanted = 2, .collects = 9, .changed = 5};
    expect("audit status", "audit of web (pml): passed");
    report.lost = 1;
    expect("audit status", "FAILED");
    expect("audit status --json", "\"lost\":1");
    report.lost = 0;
    report.disagree = 3;
    expect("audit stop", "FAILED");
    assert_int_equal(asked.stops, 1);
}

static void test_cmd_exits(void **state) {
    (void)state;
    expect("exits web", "HLT                              20\n");
    expect("exits web", "all                              30\n");
    expect("exits web --json", "\"reason\":\"CPUID\",\"count\":10");
    expect("exits idle", "idle is not running");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cmd_audit_options, setup),
        cmocka_unit_test_setup(test_cmd_audit_refusals, setup),
        cmocka_unit_test_setup(test_cmd_audit_status, setup),
        cmocka_unit_test_setup(test_cmd_exits, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
