/* SPDX-License-Identifier: MIT */
/* migrate_view.c - see migrate_view.h: progress lines. The report is in migrate_report.c. */
#include "console/migrate_view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "console/json.h"
#include "console/units.h"

bool migrate_view_update(struct migrate_view *v, struct migrate_view_status *s, enum migrate_view_mode mode,
                         uint64_t now_ns) {
    uint64_t interval = mode == MIGRATE_VIEW_LIVE ? MIGRATE_VIEW_LIVE_NS : MIGRATE_VIEW_PLAIN_NS;
    if (!v->any || v->id != s->id) {
        memset(v, 0, sizeof(*v));
        v->id = s->id;
    }
    v->percent_x10 = MAX(v->percent_x10, MIN(s->percent_x10, 1000u));
    s->percent_x10 = v->percent_x10;
    bool changed = !v->any || v->round != s->round || strcmp(v->state, s->state) != 0;
    if (mode == MIGRATE_VIEW_LIVE) /* a redraw more often helps nobody */
        changed = !v->any;
    if (!changed && now_ns - v->last_ns < interval)
        return false;
    v->any = true;
    v->round = s->round;
    memcpy(v->state, s->state, sizeof(v->state));
    v->last_ns = now_ns;
    return true;
}

struct text {
    char *buf;
    size_t len, cap;
};

static void add(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct text *t, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, args);
    va_end(args);
    if (n > 0)
        t->len = MIN(t->len + (size_t)n, t->cap - 1);
}

static void compose(const struct migrate_view_status *s, bool with_pages, struct text *t) {
    char unit[UNITS_LEN];
    add(t, "%s %s %s", s->vm, s->incoming ? "<-" : "->", s->peer);
    if (s->in_doubt || s->round == 0) {
        add(t, "  %s", s->in_doubt ? "IN DOUBT" : s->state);
        return;
    }
    add(t, "  round %" PRIu32 "  %" PRIu32 "%%", s->round, s->percent_x10 / 10);
    if (with_pages)
        add(t, " %" PRIu64 "/%" PRIu64 " pages", s->pages_sent, s->pages_total);
    add(t, "  %s", units_format_rate(unit, s->rate_bytes_s));
    add(t, "  dirty %" PRIu64 " p/s", s->dirty_pages_s);
    if (s->predicted_blackout_ns != 0)
        add(t, "  blackout ~%s", units_format_duration(unit, s->predicted_blackout_ns));
}

void migrate_view_line(const struct migrate_view_status *s, size_t width, char line[MIGRATE_VIEW_LINE_LEN]) {
    struct text t = { .buf = line, .cap = MIGRATE_VIEW_LINE_LEN };
    compose(s, true, &t);
    if (t.len > width) {
        t.len = 0;
        compose(s, false, &t);
    }
    if (t.len > width)
        line[width] = '\0';
}

void migrate_view_status_json(const struct migrate_view_status *s, const struct out *o) {
    struct json j;
    json_begin(&j, o, "migrate-progress");
    json_u64(&j, "id", s->id);
    json_str(&j, "vm", s->vm);
    json_str(&j, "peer", s->peer);
    json_str(&j, "role", s->incoming ? "target" : "source");
    json_str(&j, "state", s->state);
    json_u64(&j, "round", s->round);
    json_u64(&j, "percent_x10", s->percent_x10);
    json_u64(&j, "pages_sent", s->pages_sent);
    json_u64(&j, "pages_total", s->pages_total);
    json_u64(&j, "zero_pages", s->zero_pages);
    json_u64(&j, "bytes", s->bytes);
    json_u64(&j, "bytes_per_s", s->rate_bytes_s);
    json_u64(&j, "dirty_pages_per_s", s->dirty_pages_s);
    json_u64(&j, "predicted_blackout_ns", s->predicted_blackout_ns);
    json_bool(&j, "in_doubt", s->in_doubt);
    json_str(&j, "reason", s->reason);
    json_end(&j);
}

void migrate_view_event_json(const struct migrate_view_status *s, const char *what, const struct out *o) {
    struct json j;
    json_begin(&j, o, "migrate-event");
    json_str(&j, "what", what);
    json_u64(&j, "id", s->id);
    json_str(&j, "vm", s->vm);
    json_str(&j, "peer", s->peer);
    json_str(&j, "role", s->incoming ? "target" : "source");
    json_str(&j, "reason", s->reason);
    json_end(&j);
}
