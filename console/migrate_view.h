/* SPDX-License-Identifier: MIT */
/* migrate_view.h - what an operator sees of a migration: a progress line while it runs, a table when it is
 * over.
 * - migrate_view_progress: when a new line is due and what it says; the percentage never runs backwards.
 * - migrate_view_report: the final table, or one JSON line.
 * The structures are the view's own; console/ops_real.c fills them from migration's. Pure. */
#ifndef CONSOLE_MIGRATE_VIEW_H
#define CONSOLE_MIGRATE_VIEW_H

#include "console/out.h"
#include "guest/vm.h"

#define MIGRATE_VIEW_ROUNDS 64u
#define MIGRATE_VIEW_PEER_LEN 48
#define MIGRATE_VIEW_STATE_LEN 24
#define MIGRATE_VIEW_LINE_LEN 160

struct migrate_view_status {
    uint64_t id; /* differs between migrations */
    char vm[VM_NAME_LEN];
    char peer[MIGRATE_VIEW_PEER_LEN];
    char state[MIGRATE_VIEW_STATE_LEN]; /* a lower-case name: "connect", "precopy", ... */
    bool incoming;                      /* this host is the target */
    uint32_t round;                     /* from 1; 0 before the first */
    uint64_t pages_sent, pages_total;   /* in this round */
    uint64_t zero_pages;                /* in this round */
    uint64_t bytes;                     /* on the wire so far */
    uint64_t rate_bytes_s;
    uint64_t dirty_pages_s;
    uint32_t percent_x10;           /* 0 .. 1000 */
    uint64_t predicted_blackout_ns; /* 0: not known yet */
    bool in_doubt;                  /* the source waits for the answer to COMMIT */
    char reason[REASON_LEN];        /* why it goes on, or "" */
};

struct migrate_view_round {
    uint64_t pages, zero_pages, bytes, duration_ns,
        dirty_pages; /* dirty_pages: found at the end of the round */
};

enum migrate_view_part {
    MIGRATE_PART_PAUSE = 0,
    MIGRATE_PART_LAST_PAGES,
    MIGRATE_PART_STATE,
    MIGRATE_PART_SEAL,
    MIGRATE_PART_COMMIT,
    MIGRATE_PART_RESUME,
    MIGRATE_NR_PARTS
};
const char *migrate_view_part_str(enum migrate_view_part p); /* "pause", "last pages", ... */

struct migrate_view_report {
    uint64_t id;
    char vm[VM_NAME_LEN];
    char peer[MIGRATE_VIEW_PEER_LEN];
    bool incoming;
    bool moved;   /* the guest runs on the target */
    bool dry_run; /* result is a verdict; nothing moved and nothing was meant to */
    bool in_doubt;
    uint32_t nr_rounds; /* of round[]; at most MIGRATE_VIEW_ROUNDS */
    struct migrate_view_round round[MIGRATE_VIEW_ROUNDS];
    uint64_t duration_ns, bytes;
    bool has_blackout;
    uint64_t part_ns[MIGRATE_NR_PARTS], blackout_ns, blackout_error_ns;
    char stop_reason[REASON_LEN]; /* why pre-copy stopped, or "" */
    char result[REASON_LEN];      /* one line: success, or the reason of the failure */
};

enum migrate_view_mode {
    MIGRATE_VIEW_LIVE = 0, /* one line, redrawn in place */
    MIGRATE_VIEW_PLAIN,    /* whole lines */
    MIGRATE_VIEW_JSON,
};

#define MIGRATE_VIEW_LIVE_NS (250 * NSEC_PER_MSEC)
#define MIGRATE_VIEW_PLAIN_NS NSEC_PER_SEC

/* The memory between two lines about one migration. A zeroed one is the start. */
struct migrate_view {
    uint64_t id;
    uint32_t percent_x10; /* the largest shown or seen */
    uint32_t round;
    char state[MIGRATE_VIEW_STATE_LEN];
    uint64_t last_ns;
    bool any;
};

/* migrate_view_update - take a status; true when a line is due at now_ns (first, new state or round, or the
 * interval of the mode is over). Clamps s->percent_x10 so that it never falls within one migration and never
 * exceeds 1000. */
bool migrate_view_update(struct migrate_view *v, struct migrate_view_status *s, enum migrate_view_mode mode,
                         uint64_t now_ns);
/* migrate_view_line - the text of one status, without a newline; drops the page counts and then cuts to width
 * columns. */
void migrate_view_line(const struct migrate_view_status *s, size_t width, char line[MIGRATE_VIEW_LINE_LEN]);
void migrate_view_status_json(const struct migrate_view_status *s, const struct out *o);
/* migrate_view_event_json - {"event":"migrate-event","what":...}. */
void migrate_view_event_json(const struct migrate_view_status *s, const char *what, const struct out *o);
/* migrate_view_report_* - r->nr_rounds beyond the array are ignored. */
void migrate_view_report_text(const struct migrate_view_report *r, const struct out *o);
void migrate_view_report_json(const struct migrate_view_report *r, const struct out *o);

#endif
