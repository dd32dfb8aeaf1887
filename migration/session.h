/* SPDX-License-Identifier: MIT */
/* session.h - one migration in progress, and the host that has several: what both drivers share.
 * struct migration_host is everything that is not per migration; the real machine has one, a hosted test has
 * two.
 * - host_init / host_exit / host_poll / host_start ...: migration.h on a given host.
 * - session_*: small helpers of both drivers.
 * - source_driver_* and target_driver_*: carry out what source_step and target_step say. */
#ifndef MIGRATION_SESSION_H
#define MIGRATION_SESSION_H

#include "migration/channel.h"
#include "migration/clock_sync.h"
#include "migration/history.h"
#include "migration/migration.h"
#include "migration/policy.h"
#include "migration/sender.h"
#include "migration/source.h"
#include "migration/target.h"

#define HOST_MAX_SESSIONS 8u
#define HOST_MAX_INCOMING 4u /* with memory allocated */
#define HOST_DEFAULT_PAGES_PER_POLL 64u
#define SESSION_RECORDS_PER_POLL 64u
#define SESSION_PROBES 8u       /* clock probes at the start */
#define SESSION_SAMPLE_NS (250 * NSEC_PER_MSEC) /* how long a dry run watches the guest */
#define SESSION_DRAIN_PROBES 4u /* and again right before the stop */

struct migration_host;

enum source_step_in_round { ROUND_IDLE = 0, ROUND_BEGIN, ROUND_PAGES, ROUND_END, ROUND_SECTIONS, ROUND_SEAL };

struct source_part {
    struct source_machine m;
    struct migrate_options opt;
    struct policy_limits limits;
    struct policy_state policy;
    struct policy_verdict verdict;
    struct clock_sync clock;
    uint32_t probes_due, probes_sent, probes_seen;
    bool log_running;
    struct sender sender;
    enum source_step_in_round step;
    uint32_t round, acked_round;
    uint64_t early; /* times the log was read during the first round */
    uint64_t round_start_ns, acked_ns, collect_ns;
    uint64_t acked_octets_at_round; /* for the rate */
    unsigned section;               /* index of the next one to send */
    uint32_t section_crc;
    bool peer_restarted; /* found when asking about COMMIT: another boot id than the one that said READY */
    uint32_t commits; /* how often COMMIT was sent */
    uint64_t pause_ns, paused_ns, pages_ns, sections_ns, ready_ns, commit_ns;
    struct wire_seal seal;
    struct wire_offer offer;
};

struct target_part {
    struct target_machine m;
    struct page_store store;
    struct wire_offer offer;
    struct wire_seal seal;
    struct wire_started started;
    uint64_t accepted_ns;
    uint64_t round_ns; /* end of the round before, or accepted_ns */
    uint32_t nr_sections; /* loaded, in the order of the offer */
    uint32_t section_crc;
    uint64_t section_octets;
    bool was_ready; /* READY may have left: the source may come to ask */
    bool auditing;
    uint64_t audit_next, audit_sum;
};

struct session {
    bool used;
    enum migrate_role role;
    uint32_t id;
    struct migration_host *host;
    struct channel ch;
    struct vm *vm; /* NULL: none, or gone */
    bool final_told;
    uint32_t untold; /* bit per event that waits for the end of the blackout */
    char name[VM_NAME_LEN];
    uint8_t uuid[VM_UUID_LEN];
    uint8_t tx[WIRE_ID_LEN], token[WIRE_ID_LEN], nonce[WIRE_ID_LEN];
    struct net_addr peer;
    char peer_host[WIRE_HOST_LEN];
    uint8_t peer_boot_id[WIRE_ID_LEN];
    uint16_t peer_version_max;
    uint8_t *scratch; /* for SECTION records */
    uint64_t start_ns;
    uint64_t polled_ns;
    uint32_t percent;
    uint32_t failed_code; /* of an action that failed; becomes the next event */
    bool failed_link;
    struct reason failed_why;
    struct source_part src;
    struct target_part tgt;
    struct migrate_report report;
};

struct migration_host {
    struct migration_config cfg;
    struct session session[HOST_MAX_SESSIONS];
    struct history history;
    struct migrate_report last;
    bool has_last;
    uint32_t next_id;
    uint64_t counter; /* for derived ids */
    bool listening;
};

result_t host_init(struct migration_host *h, const struct migration_config *cfg,
                   struct reason *why) MUST_CHECK;
void host_exit(struct migration_host *h);
bool host_poll(struct migration_host *h);
result_t host_start(struct migration_host *h, struct vm *vm, struct net_addr to,
                    const struct migrate_options *opt, struct reason *why) MUST_CHECK;
result_t host_cancel(struct migration_host *h, struct vm *vm, struct reason *why) MUST_CHECK;
result_t host_resolve(struct migration_host *h, struct vm *vm, bool keep, struct reason *why) MUST_CHECK;
bool host_status(const struct migration_host *h, unsigned index, struct migrate_status *out);
const char *host_forbids_stop(const struct migration_host *h, const struct vm *vm);
struct session *host_new_session(struct migration_host *h, enum migrate_role role);
struct session *host_find_session(struct migration_host *h, const struct vm *vm);
void host_random(struct migration_host *h, uint8_t *buf, size_t len);

/* session_tell - an event for the operator; during the blackout it waits for session_flush. */
void session_tell(struct session *s, enum migrate_event event);
void session_flush(struct session *s);
/* session_finish - keep the report, tell the final event. */
void session_finish(struct session *s, enum migrate_result result, enum migrate_event event,
                    const struct reason *why);
void session_status(const struct session *s, struct migrate_status *out);
/* session_vm - the VM if it is still the one this session works on, else NULL. */
struct vm *session_vm(struct session *s);
/* session_send - note a failed link when it does not go out; control records fit into the reserve. */
void session_send(struct session *s, const struct wire_msg *msg);
void session_failure_msg(const struct session *s, uint16_t type, uint32_t code, const char *text,
                         struct wire_msg *msg);
void session_release(struct session *s);
uint64_t session_section_digest(uint32_t crc, uint64_t octets);

void source_driver_start(struct session *s);
bool source_driver_poll(struct session *s, uint64_t now_ns);
void source_driver_event(struct session *s, struct source_event ev);
/* source_records.c: a record of the target becomes an event. */
void source_records_take(struct session *s, const struct wire_msg *msg, uint64_t now_ns);
/* source_rounds.c: what happens inside PRECOPY, DRAINING and STOPPING. */
void source_rounds_start(struct session *s, bool final, uint64_t now_ns);
void source_rounds_acked(struct session *s, uint32_t round, uint64_t now_ns);
void source_rounds_drain(struct session *s, uint64_t now_ns);
bool source_rounds_poll(struct session *s, uint64_t now_ns);

void target_driver_start(struct session *s);
bool target_driver_poll(struct session *s, uint64_t now_ns);
void target_driver_event(struct session *s, struct target_event ev);
/* target_resolve.c: COMMIT of an earlier transaction, on a connection that has offered nothing. */
void target_resolve(struct session *s, const struct wire_commit *m, uint64_t now_ns);
/* target_offer.c: judge an offer and allocate for it. Returns the code of the refusal or 0. */
uint32_t target_offer_take(struct session *s, const struct wire_offer *o, struct reason *why);
/* target_audits - all memory is to be hashed again before READY, by this host's configuration or the source's wish. */
bool target_audits(const struct session *s);
/* target_records.c: rounds, sections and SEAL. False: why and code say what is wrong. */
bool target_records_take(struct session *s, const struct wire_msg *msg, uint32_t *code, struct reason *why);
uint32_t target_records_verify(struct session *s, struct reason *why);

#endif
