/* SPDX-License-Identifier: MIT */
/* test_migrate_view.c - when progress is shown, that its percentage never falls, and what the table says. */
#include "console/migrate_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct migrate_view_status running(void) {
    return (struct migrate_view_status){
        .id = 1,
        .vm = "web",
        .peer = "10.0.0.2",
        .state = "precopy",
        .round = 3,
        .pages_sent = 26112,
        .pages_total = 65536,
        .rate_bytes_s = 112400000,
        .dirty_pages_s = 1840,
        .percent_x10 = 417,
        .predicted_blackout_ns = 6100000,
    };
}

static void test_migrate_view_percent_never_falls(void **state) {
    (void)state;
    static const uint32_t came[] = { 0, 100, 400, 250, 399, 401, 2000, 999, 0 };
    static const uint32_t want[] = { 0, 100, 400, 400, 400, 401, 1000, 1000, 1000 };
    struct migrate_view v = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(came); i++) {
        struct migrate_view_status s = running();
        s.percent_x10 = came[i];
        migrate_view_update(&v, &s, MIGRATE_VIEW_LIVE, i);
        assert_int_equal(s.percent_x10, want[i]);
    }
    struct migrate_view_status other = running();
    other.id = 2;
    assert_true(migrate_view_update(&v, &other, MIGRATE_VIEW_LIVE, 10));
    assert_int_equal(other.percent_x10, 417);
}

static void test_migrate_view_intervals(void **state) {
    (void)state;
    struct migrate_view v = { 0 };
    struct migrate_view_status s = running();
    uint64_t now = 5 * NSEC_PER_SEC;
    assert_true(migrate_view_update(&v, &s, MIGRATE_VIEW_LIVE, now));
    assert_false(migrate_view_update(&v, &s, MIGRATE_VIEW_LIVE, now + MIGRATE_VIEW_LIVE_NS - 1));
    s.round = 4;
    assert_false(migrate_view_update(&v, &s, MIGRATE_VIEW_LIVE, now + 1));
    assert_true(migrate_view_update(&v, &s, MIGRATE_VIEW_LIVE, now + MIGRATE_VIEW_LIVE_NS));
    now += MIGRATE_VIEW_LIVE_NS;
    assert_false(migrate_view_update(&v, &s, MIGRATE_VIEW_PLAIN, now + MIGRATE_VIEW_LIVE_NS));
    s.round = 5; /* whole lines: each round has one */
    assert_true(migrate_view_update(&v, &s, MIGRATE_VIEW_PLAIN, now + 1));
    snprintf(s.state, sizeof(s.state), "stopcopy");
    assert_true(migrate_view_update(&v, &s, MIGRATE_VIEW_JSON, now + 2));
    assert_false(migrate_view_update(&v, &s, MIGRATE_VIEW_JSON, now + 3));
    assert_true(migrate_view_update(&v, &s, MIGRATE_VIEW_JSON, now + 2 + MIGRATE_VIEW_PLAIN_NS));
}

static void test_migrate_view_line(void **state) {
    (void)state;
    char line[MIGRATE_VIEW_LINE_LEN];
    struct migrate_view_status s = running();
    migrate_view_line(&s, MIGRATE_VIEW_LINE_LEN, line);
    assert_string_equal(line, "web -> 10.0.0.2  round 3  41% 26112/65536 pages  112.4 MB/s  dirty 1840 p/s  "
                              "blackout ~6.1 ms");
    migrate_view_line(&s, 79, line);
    assert_string_equal(line, "web -> 10.0.0.2  round 3  41%  112.4 MB/s  dirty 1840 p/s  blackout ~6.1 ms");
    migrate_view_line(&s, 20, line);
    assert_string_equal(line, "web -> 10.0.0.2  rou");
    s.round = 0;
    s.incoming = true;
    migrate_view_line(&s, 79, line);
    assert_string_equal(line, "web <- 10.0.0.2  precopy");
    s.in_doubt = true;
    s.round = 4;
    migrate_view_line(&s, 79, line);
    assert_string_equal(line, "web <- 10.0.0.2  IN DOUBT");
    s.in_doubt = false;
    memset(s.vm, 'v', sizeof(s.vm) - 1);
    memset(s.peer, 'p', sizeof(s.peer) - 1);
    s.round = UINT32_MAX;
    s.pages_sent = s.pages_total = s.rate_bytes_s = s.dirty_pages_s = s.predicted_blackout_ns = UINT64_MAX;
    migrate_view_line(&s, MIGRATE_VIEW_LINE_LEN, line);
    assert_true(strlen(line) < MIGRATE_VIEW_LINE_LEN);
}

static struct migrate_view_report finished(void) {
    struct migrate_view_report r = {
        .id = 1,
        .vm = "web",
        .peer = "10.0.0.2",
        .moved = true,
        .nr_rounds = 2,
        .duration_ns = 1300000000,
        .bytes = 105000000,
        .has_blackout = true,
        .blackout_ns = 6100000,
        .blackout_error_ns = 21000,
        .stop_reason = "the rest needs 3.9 ms, the limit is 10 ms",
        .result = "runs on 10.0.0.2",
    };
    r.round[0] = (struct migrate_view_round){ 65536, 41200, 100000000, 1000000000, 1840 };
    r.round[1] = (struct migrate_view_round){ 1840, 3, 5000000, 300000000, 90 };
    static const uint64_t parts[MIGRATE_NR_PARTS] = { 100000, 3900000, 600000, 300000, 700000, 500000 };
    memcpy(r.part_ns, parts, sizeof(parts));
    return r;
}

static char said[16384];
static void append(void *ctx, const char *data, size_t len) {
    (void)ctx;
    assert_true(strlen(said) + len < sizeof(said));
    strncat(said, data, len);
}
static const struct out o = { append, NULL };

static void test_migrate_view_report_text(void **state) {
    (void)state;
    struct migrate_view_report r = finished();
    said[0] = '\0';
    migrate_view_report_text(&r, &o);
    assert_string_equal(
        said, "web -> 10.0.0.2: moved: runs on 10.0.0.2\n"
              "round      pages       zero       bytes        time         rate      dirty    dirty p/s\n"
              "    1      65536      41200    100.0 MB       1.0 s   100.0 MB/s       1840         1840\n"
              "    2       1840          3      5.0 MB    300.0 ms    16.6 MB/s         90          300\n"
              "total 105.0 MB in 1.3 s\n"
              "pre-copy stopped: the rest needs 3.9 ms, the limit is 10 ms\n"
              "blackout 6.1 ms +- 21.0 us: pause 100.0 us, last pages 3.9 ms, state 600.0 us, seal 300.0 us, "
              "commit 700.0 us, resume 500.0 us\n");
}

static void test_migrate_view_report_of_a_failure(void **state) {
    (void)state;
    struct migrate_view_report r = { .id = 3, .vm = "web", .peer = "beta", .result = "beta does not answer" };
    said[0] = '\0';
    migrate_view_report_text(&r, &o);
    assert_string_equal(said, "web -> beta: not moved: beta does not answer\n");
    r.in_doubt = true;
    said[0] = '\0';
    migrate_view_report_text(&r, &o);
    assert_string_equal(said, "web -> beta: IN DOUBT: beta does not answer\n");
    r.nr_rounds = MIGRATE_VIEW_ROUNDS + 9; /* never read past the array */
    said[0] = '\0';
    migrate_view_report_text(&r, &o);
    assert_non_null(strstr(said, "\n   64 "));
    assert_null(strstr(said, "\n   65 "));
}

static void test_migrate_view_report_json(void **state) {
    (void)state;
    struct migrate_view_report r = finished();
    said[0] = '\0';
    migrate_view_report_json(&r, &o);
    assert_string_equal(
        said,
        "{\"event\":\"migrate-report\",\"id\":1,\"vm\":\"web\",\"peer\":\"10.0.0.2\",\"role\":\"source\","
        "\"moved\":true,\"dry_run\":false,\"in_doubt\":false,\"result\":\"runs on 10.0.0.2\","
        "\"stop_reason\":\"the rest needs 3.9 ms, the limit is 10 ms\",\"duration_ns\":1300000000,"
        "\"bytes\":105000000,\"rounds\":["
        "{\"round\":1,\"pages\":65536,\"zero_pages\":41200,\"bytes\":100000000,\"duration_ns\":1000000000,"
        "\"bytes_per_s\":100000000,\"dirty_pages\":1840,\"dirty_pages_per_s\":1840},"
        "{\"round\":2,\"pages\":1840,\"zero_pages\":3,\"bytes\":5000000,\"duration_ns\":300000000,"
        "\"bytes_per_s\":16666666,\"dirty_pages\":90,\"dirty_pages_per_s\":300}],"
        "\"blackout\":{\"pause_ns\":100000,\"last_pages_ns\":3900000,\"state_ns\":600000,\"seal_ns\":300000,"
        "\"commit_ns\":700000,\"resume_ns\":500000,\"total_ns\":6100000,\"error_ns\":21000}}\n");
    r.has_blackout = false;
    said[0] = '\0';
    migrate_view_report_json(&r, &o);
    assert_null(strstr(said, "blackout"));
    struct migrate_view_status s = running();
    said[0] = '\0';
    migrate_view_status_json(&s, &o);
    assert_non_null(strstr(said,
                           "\"event\":\"migrate-progress\",\"id\":1,\"vm\":\"web\",\"peer\":\"10.0.0.2\","
                           "\"role\":\"source\",\"state\":\"precopy\",\"round\":3,\"percent_x10\":417,"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_migrate_view_percent_never_falls),
        cmocka_unit_test(test_migrate_view_intervals),
        cmocka_unit_test(test_migrate_view_line),
        cmocka_unit_test(test_migrate_view_report_text),
        cmocka_unit_test(test_migrate_view_report_of_a_failure),
        cmocka_unit_test(test_migrate_view_report_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
