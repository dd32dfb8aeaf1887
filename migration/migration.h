/* SPDX-License-Identifier: MIT */
/* migration.h - live migration as the console and the main loop see it.
 * - migration_init: configuration; listens for incoming migrations. migration_exit: for tests.
 * - migration_poll: a bounded piece of work; called from CPU 0's loop after net_poll.
 * - migrate_start, migrate_cancel, migrate_resolve: the operator's commands.
 * - migrate_status_get: migrations in progress. migrate_report_last: the last one that ended.
 * - migrate_forbids_stop: a VM that must not be stopped or resumed by hand now.
 * Events (migrate_event_fn) are told as they happen, with the status; the last one of a migration comes with
 * its report. Context: CPU 0's loop; the event function must not call back into here except for the
 * getters. */
#ifndef MIGRATION_MIGRATION_H
#define MIGRATION_MIGRATION_H

#include "guest/vm.h"
#include "kernel/result.h"
#include "net/stream.h"

#define MIGRATE_HOST_LEN 32
#define MIGRATE_ID_LEN 16
#define MIGRATE_MAX_ROUNDS 64 /* kept in a report; later ones are added to the last entry */

enum migrate_role { MIGRATE_ROLE_INVALID = 0, MIGRATE_SOURCE, MIGRATE_TARGET };

enum migrate_result {
    MIGRATE_RESULT_INVALID = 0,
    MIGRATE_RUNNING,   /* not ended yet */
    MIGRATE_COMPLETED, /* the guest runs on the target */
    MIGRATE_FAILED,    /* the guest runs on the source; reason says why */
    MIGRATE_CANCELLED, /* the same, because an operator said so */
    MIGRATE_CHECKED,   /* dry run: it could be moved */
};

/* Zero in any field: the default. */
struct migrate_options {
    uint64_t downtime_limit_ns; /* aim for the predicted blackout; default 10 ms */
    uint64_t hard_limit_ns;     /* accepted when pre-copy does not converge; default 300 ms */
    uint64_t deadline_ns;    /* the guest is resumed here when COMMIT could not be sent within; default 2 s */
    uint32_t max_rounds;     /* default 30 */
    enum dirty_method dirty; /* default: that of the VM */
    bool audit;              /* the target hashes all memory again before READY; prolongs the blackout */
    bool dry_run;            /* ask the target whether it would take the VM; nothing is moved */
};

struct migrate_round {
    uint32_t round;
    uint64_t pages; /* sent, zero pages included */
    uint64_t zero_pages;
    uint64_t octets; /* on the stream */
    uint64_t duration_ns;
    uint64_t dirty_pages; /* became dirty meanwhile; target: pages of the next round */
};

struct migrate_blackout {   /* nanoseconds; their sum is total_ns */
    uint64_t pause_ns;      /* last VM exit until the guest is stopped and the last pages are known; target: 0 */
    uint64_t last_pages_ns; /* ... until they are in the send queue; target: all until SEAL came */
    uint64_t state_ns;      /* ... until the sections are; target: 0 */
    uint64_t seal_ns;       /* ... until READY came: the queue is sent, verified, answered */
    uint64_t commit_ns;     /* ... until the target has COMMIT */
    uint64_t resume_ns;     /* ... until the first VM entry on the target */
    uint64_t total_ns;
    uint64_t error_ns; /* bound of the clock offset's error; commit, resume and total share it */
    uint64_t guest_ns; /* what the guest's clocks were advanced by */
};

struct migrate_report {
    enum migrate_role role;
    enum migrate_result result;
    uint32_t id;
    char name[VM_NAME_LEN];
    char peer_host[MIGRATE_HOST_LEN];
    struct net_addr peer;
    uint64_t ram_pages;
    uint32_t nr_rounds; /* entries in round[] */
    struct migrate_round round[MIGRATE_MAX_ROUNDS];
    uint64_t raw_pages, zero_pages; /* over all rounds */
    uint64_t octets;                /* on the stream, both kinds of records; target: received */
    uint64_t section_octets;
    uint64_t total_ns; /* from the start to the end */
    struct migrate_blackout blackout;
    struct reason stop_why; /* why pre-copy stopped */
    struct reason why;      /* why it failed */
};

struct migrate_status {
    uint32_t id;
    enum migrate_role role;
    enum migrate_result result;
    char name[VM_NAME_LEN];
    char peer_host[MIGRATE_HOST_LEN]; /* "" until it said HELLO */
    struct net_addr peer;
    const char *state; /* "pre-copy", "ready", ... */
    bool in_doubt;     /* source: COMMIT was sent and not answered */
    uint32_t round;
    uint64_t pages_sent, pages_left; /* over all rounds; of this round (target: pages received, announced) */
    uint64_t zero_pages;
    uint64_t octets;
    uint64_t bytes_per_s;
    uint64_t dirty_pages_per_s;
    uint64_t predicted_blackout_ns;
    uint64_t elapsed_ns;
    uint64_t left_ns;  /* estimate; 0 = unknown */
    uint32_t percent;  /* never runs backwards */
    struct reason why; /* newest verdict, doubt or failure */
};

enum migrate_event {
    MIGRATE_EV_INVALID = 0,
    MIGRATE_EV_STARTED,   /* source: connecting */
    MIGRATE_EV_INCOMING,  /* target: an offer was accepted */
    MIGRATE_EV_ROUND,     /* source: a round was sent, why holds the verdict */
    MIGRATE_EV_PAUSED,    /* source: the guest is stopped */
    MIGRATE_EV_READY,     /* both: the target has everything, verified */
    MIGRATE_EV_COMMITTED, /* both: the target owns the guest */
    MIGRATE_EV_IN_DOUBT,  /* source: no answer to COMMIT */
    MIGRATE_EV_COMPLETED, /* both, final */
    MIGRATE_EV_FAILED,    /* both, final */
    MIGRATE_EV_CANCELLED, /* both, final */
    MIGRATE_EV_CHECKED,   /* source, final: dry run */
    MIGRATE_EV_REFUSED,   /* target, final: an offer (or noise) was turned away */
};
const char *migrate_event_str(enum migrate_event e);
const char *migrate_result_str(enum migrate_result r);

/* report: only with the final event, else NULL. */
typedef void (*migrate_event_fn)(void *ctx, enum migrate_event event, const struct migrate_status *status,
                                 const struct migrate_report *report);

struct migration_config {
    char host[MIGRATE_HOST_LEN];
    uint16_t port;                         /* 0: WIRE_PORT */
    uint8_t boot_id[MIGRATE_ID_LEN];       /* random per boot */
    uint64_t max_incoming_bytes;           /* largest VM that is taken in; 0: no limit but memory */
    uint32_t pages_per_poll;               /* 0: 64 */
    bool audit;                            /* target: as if every source had asked for migrate_options.audit */
    uint64_t lease_ns;                     /* target: how long a READY copy is held; 0: 10 s */
    uint64_t silent_ns;                    /* a peer that says nothing for this long is dead; 0: 5 s */
    void (*random)(void *buf, size_t len); /* NULL: ids are derived from boot_id and a counter */
    migrate_event_fn event;                /* may be NULL */
    void *event_ctx;
};

result_t migration_init(const struct migration_config *cfg, struct reason *why) MUST_CHECK;
void migration_exit(void);
/* migration_poll - true: there is more to do at once; false: the next network event or 10 ms is soon
 * enough. */
bool migration_poll(void);

/* migrate_start - begin to move a running VM. ERR_BUSY (it is being moved, not running, no free slot),
 * ERR_NOMEM, ERR_LINK. OK means that it began; how it went is told by events and the status. */
result_t migrate_start(struct vm *vm, struct net_addr to, const struct migrate_options *opt,
                       struct reason *why) MUST_CHECK;
/* migrate_cancel - by the source or the target, any time before COMMIT. ERR_NOENT, ERR_BUSY (too late). */
result_t migrate_cancel(struct vm *vm, struct reason *why) MUST_CHECK;
/* migrate_resolve - in doubt, and the operator knows: keep = the target is fenced and will never run it, so
 * run it here; otherwise the target runs it: free it here. ERR_NOENT, ERR_BUSY (not in doubt). */
result_t migrate_resolve(struct vm *vm, bool keep, struct reason *why) MUST_CHECK;

/* migrate_status_get - the index-th migration in progress; false past the end. */
bool migrate_status_get(unsigned index, struct migrate_status *out);
/* migrate_report_last - of the last migration that ended; NULL when none did. */
const struct migrate_report *migrate_report_last(void);
/* migrate_forbids_stop - NULL, or why this VM must not be stopped, resumed or destroyed by hand. */
const char *migrate_forbids_stop(const struct vm *vm);

#endif
