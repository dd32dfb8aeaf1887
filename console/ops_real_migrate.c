/* SPDX-License-Identifier: MIT */
/* ops_real_migrate.c - migration's structures as the console's view of them. */
#include "console/ops_real.h"

#include <stdio.h>
#include <string.h>

#include "console/units.h"
#include "migration/migration.h"

/* The name that the peer gave itself, or its address while it has not. */
static void name_peer(char peer[MIGRATE_VIEW_PEER_LEN], const char *host, struct net_addr addr) {
    char ip[UNITS_LEN];
    units_format_ipv4(ip, addr.ipv4);
    snprintf(peer, MIGRATE_VIEW_PEER_LEN, "%s", host[0] != '\0' ? host : ip);
}

static void view_status(const struct migrate_status *m, struct migrate_view_status *s) {
    memset(s, 0, sizeof(*s));
    s->id = m->id;
    snprintf(s->vm, sizeof(s->vm), "%s", m->name);
    name_peer(s->peer, m->peer_host, m->peer);
    snprintf(s->state, sizeof(s->state), "%s", m->state != NULL ? m->state : "");
    s->incoming = m->role == MIGRATE_TARGET;
    s->in_doubt = m->in_doubt;
    s->round = m->round;
    s->pages_sent = m->pages_sent;
    s->pages_total = m->pages_sent + m->pages_left;
    s->zero_pages = m->zero_pages;
    s->bytes = m->octets;
    s->rate_bytes_s = m->bytes_per_s;
    s->dirty_pages_s = m->dirty_pages_per_s;
    s->percent_x10 = MIN(m->percent, 100u) * 10;
    s->predicted_blackout_ns = m->predicted_blackout_ns;
    memcpy(s->reason, m->why.text, sizeof(s->reason));
}

static bool status_get(unsigned index, struct migrate_view_status *out) {
    struct migrate_status m;
    if (!migrate_status_get(index, &m))
        return false;
    view_status(&m, out);
    return true;
}

static void view_result(const struct migrate_report *m, struct migrate_view_report *r) {
    if (m->result == MIGRATE_COMPLETED)
        snprintf(r->result, sizeof(r->result), "it runs on %s", r->incoming ? "this host" : r->peer);
    else if (m->result == MIGRATE_CHECKED)
        snprintf(r->result, sizeof(r->result), "%s",
                 m->why.text[0] != '\0' ? m->why.text : "it can be moved");
    else
        snprintf(r->result, sizeof(r->result), "%s",
                 m->why.text[0] != '\0' ? m->why.text : migrate_result_str(m->result));
}

static void view_blackout(const struct migrate_blackout *b, struct migrate_view_report *r) {
    r->has_blackout = b->total_ns != 0;
    r->part_ns[MIGRATE_PART_PAUSE] = b->pause_ns;
    r->part_ns[MIGRATE_PART_LAST_PAGES] = b->last_pages_ns;
    r->part_ns[MIGRATE_PART_STATE] = b->state_ns;
    r->part_ns[MIGRATE_PART_SEAL] = b->seal_ns;
    r->part_ns[MIGRATE_PART_COMMIT] = b->commit_ns;
    r->part_ns[MIGRATE_PART_RESUME] = b->resume_ns;
    r->blackout_ns = b->total_ns;
    r->blackout_error_ns = b->error_ns;
}

static uint64_t report_id(void) {
    const struct migrate_report *m = migrate_report_last();
    return m != NULL ? m->id : 0;
}

static bool report_get(struct migrate_view_report *r) {
    const struct migrate_report *m = migrate_report_last();
    if (m == NULL)
        return false;
    memset(r, 0, sizeof(*r));
    r->id = m->id;
    snprintf(r->vm, sizeof(r->vm), "%s", m->name);
    name_peer(r->peer, m->peer_host, m->peer);
    r->incoming = m->role == MIGRATE_TARGET;
    r->moved = m->result == MIGRATE_COMPLETED;
    r->dry_run = m->result == MIGRATE_CHECKED;
    r->nr_rounds = MIN(m->nr_rounds, MIGRATE_VIEW_ROUNDS);
    for (uint32_t i = 0; i < r->nr_rounds; i++) {
        const struct migrate_round *d = &m->round[i];
        r->round[i] =
            (struct migrate_view_round){ d->pages, d->zero_pages, d->octets, d->duration_ns, d->dirty_pages };
    }
    r->duration_ns = m->total_ns;
    r->bytes = m->octets;
    view_blackout(&m->blackout, r);
    memcpy(r->stop_reason, m->stop_why.text, sizeof(r->stop_reason));
    view_result(m, r);
    return true;
}

static result_t find(const char *name, struct vm **vm, struct reason *why) {
    *vm = vm_find(name);
    return *vm != NULL ? OK : reason_set(why, fail(ERR_NOENT), "it is not running");
}

static uint64_t newest_id(const char *vm) {
    struct migrate_status m;
    uint64_t id = 0;
    for (unsigned i = 0; migrate_status_get(i, &m); i++)
        if (strcmp(m.name, vm) == 0)
            id = m.id;
    return id;
}

static result_t start(const struct console_migrate_request *req, uint64_t *id, struct reason *why) {
    const struct migrate_options opt = {
        .downtime_limit_ns = req->downtime_ns,
        .hard_limit_ns = req->limit_ns,
        .deadline_ns = req->deadline_ns,
        .max_rounds = req->max_rounds,
        .audit = req->audit,
        .dirty = req->dirty,
        .dry_run = req->dry_run,
    };
    struct vm *vm;
    result_t r = find(req->vm, &vm, why);
    if (r != OK)
        return r;
    r = migrate_start(vm, req->addr, &opt, why);
    if (r == OK)
        *id = newest_id(req->vm);
    return r;
}

static result_t cancel(const char *name, struct reason *why) {
    struct vm *vm;
    result_t r = find(name, &vm, why);
    return r == OK ? migrate_cancel(vm, why) : r;
}

static result_t resolve(const char *name, bool keep, struct reason *why) {
    struct vm *vm;
    result_t r = find(name, &vm, why);
    return r == OK ? migrate_resolve(vm, keep, why) : r;
}

void ops_real_fill_migrate(struct console_ops *ops) {
    ops->migrate_start = start;
    ops->migrate_cancel = cancel;
    ops->migrate_resolve = resolve;
    ops->migrate_forbids_stop = migrate_forbids_stop;
    ops->migrate_status = status_get;
    ops->migrate_report_id = report_id;
    ops->migrate_report = report_get;
}

void ops_real_migrate_event(void *ctx, enum migrate_event event, const struct migrate_status *status,
                            const struct migrate_report *report) {
    struct migrate_view_status s;
    (void)report;
    if (event != MIGRATE_EV_INCOMING && event != MIGRATE_EV_IN_DOUBT && event != MIGRATE_EV_REFUSED)
        return;
    view_status(status, &s);
    console_migrate_event(ctx, migrate_event_str(event), &s);
}
