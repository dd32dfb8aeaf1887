/* SPDX-License-Identifier: MIT */
/* migrate_report.c - what is said when a migration is over; see migrate_view.h. */
#include <inttypes.h>
#include <stdio.h>

#include "console/json.h"
#include "console/migrate_view.h"
#include "console/units.h"

static const char *const part_names[MIGRATE_NR_PARTS] = {
    [MIGRATE_PART_PAUSE] = "pause",   [MIGRATE_PART_LAST_PAGES] = "last pages",
    [MIGRATE_PART_STATE] = "state",   [MIGRATE_PART_SEAL] = "seal",
    [MIGRATE_PART_COMMIT] = "commit", [MIGRATE_PART_RESUME] = "resume",
};
static const char *const part_keys[MIGRATE_NR_PARTS] = {
    [MIGRATE_PART_PAUSE] = "pause_ns",   [MIGRATE_PART_LAST_PAGES] = "last_pages_ns",
    [MIGRATE_PART_STATE] = "state_ns",   [MIGRATE_PART_SEAL] = "seal_ns",
    [MIGRATE_PART_COMMIT] = "commit_ns", [MIGRATE_PART_RESUME] = "resume_ns",
};

const char *migrate_view_part_str(enum migrate_view_part p) {
    return p < MIGRATE_NR_PARTS ? part_names[p] : "?";
}

static uint32_t nr_rounds(const struct migrate_view_report *r) {
    return MIN(r->nr_rounds, MIGRATE_VIEW_ROUNDS);
}

static void say_headline(const struct migrate_view_report *r, const struct out *o) {
    const char *what = r->moved ? "moved" : r->dry_run ? "verdict" : r->in_doubt ? "IN DOUBT" : "not moved";
    out_printf(o, "%s %s %s: %s%s%s\n", r->vm, r->incoming ? "<-" : "->", r->peer, what,
               r->result[0] != '\0' ? ": " : "", r->result);
}

static void say_rounds(const struct migrate_view_report *r, const struct out *o) {
    char bytes[UNITS_LEN], time[UNITS_LEN], rate[UNITS_LEN];
    if (nr_rounds(r) == 0)
        return;
    out_printf(o,
               "round      pages       zero       bytes        time         rate      dirty    dirty p/s\n");
    for (uint32_t i = 0; i < nr_rounds(r); i++) {
        const struct migrate_view_round *d = &r->round[i];
        out_printf(o, "%5" PRIu32 " %10" PRIu64 " %10" PRIu64 " %11s %11s %12s %10" PRIu64 " %12" PRIu64 "\n",
                   i + 1, d->pages, d->zero_pages, units_format_bytes(bytes, d->bytes),
                   units_format_duration(time, d->duration_ns),
                   units_format_rate(rate, units_per_second(d->bytes, d->duration_ns)), d->dirty_pages,
                   units_per_second(d->dirty_pages, d->duration_ns));
    }
    out_printf(o, "total %s in %s\n", units_format_bytes(bytes, r->bytes),
               units_format_duration(time, r->duration_ns));
}

static void say_blackout(const struct migrate_view_report *r, const struct out *o) {
    char time[UNITS_LEN], error[UNITS_LEN];
    if (!r->has_blackout)
        return;
    out_printf(o, "blackout %s +- %s:", units_format_duration(time, r->blackout_ns),
               units_format_duration(error, r->blackout_error_ns));
    for (unsigned p = 0; p < MIGRATE_NR_PARTS; p++)
        out_printf(o, "%s %s %s", p == 0 ? "" : ",", part_names[p],
                   units_format_duration(time, r->part_ns[p]));
    out_puts(o, "\n");
}

void migrate_view_report_text(const struct migrate_view_report *r, const struct out *o) {
    say_headline(r, o);
    say_rounds(r, o);
    if (r->stop_reason[0] != '\0')
        out_printf(o, "pre-copy stopped: %s\n", r->stop_reason);
    say_blackout(r, o);
}

static void json_rounds(const struct migrate_view_report *r, struct json *j) {
    json_open(j, "rounds", '[');
    for (uint32_t i = 0; i < nr_rounds(r); i++) {
        const struct migrate_view_round *d = &r->round[i];
        json_open(j, NULL, '{');
        json_u64(j, "round", i + 1);
        json_u64(j, "pages", d->pages);
        json_u64(j, "zero_pages", d->zero_pages);
        json_u64(j, "bytes", d->bytes);
        json_u64(j, "duration_ns", d->duration_ns);
        json_u64(j, "bytes_per_s", units_per_second(d->bytes, d->duration_ns));
        json_u64(j, "dirty_pages", d->dirty_pages);
        json_u64(j, "dirty_pages_per_s", units_per_second(d->dirty_pages, d->duration_ns));
        json_close(j);
    }
    json_close(j);
}

void migrate_view_report_json(const struct migrate_view_report *r, const struct out *o) {
    struct json j;
    json_begin(&j, o, "migrate-report");
    json_u64(&j, "id", r->id);
    json_str(&j, "vm", r->vm);
    json_str(&j, "peer", r->peer);
    json_str(&j, "role", r->incoming ? "target" : "source");
    json_bool(&j, "moved", r->moved);
    json_bool(&j, "dry_run", r->dry_run);
    json_bool(&j, "in_doubt", r->in_doubt);
    json_str(&j, "result", r->result);
    json_str(&j, "stop_reason", r->stop_reason);
    json_u64(&j, "duration_ns", r->duration_ns);
    json_u64(&j, "bytes", r->bytes);
    json_rounds(r, &j);
    if (r->has_blackout) {
        json_open(&j, "blackout", '{');
        for (unsigned p = 0; p < MIGRATE_NR_PARTS; p++)
            json_u64(&j, part_keys[p], r->part_ns[p]);
        json_u64(&j, "total_ns", r->blackout_ns);
        json_u64(&j, "error_ns", r->blackout_error_ns);
        json_close(&j);
    }
    json_end(&j);
}
