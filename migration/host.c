/* SPDX-License-Identifier: MIT */
/* All migrations of one host: slots, the listening port, commands, identifiers. */
#include "migration/session.h"

#include "kernel/log.h"
#include "kernel/time.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_DOWNTIME_NS (10 * NSEC_PER_MSEC)
#define DEFAULT_HARD_LIMIT_NS (300 * NSEC_PER_MSEC)
#define DEFAULT_DEADLINE_NS (2 * NSEC_PER_SEC)
#define DEFAULT_LEASE_NS (10 * NSEC_PER_SEC)
#define DEFAULT_SILENT_NS (5 * NSEC_PER_SEC)
#define DEFAULT_MAX_ROUNDS 30u
#define STALL_NS NSEC_PER_SEC /* without a poll */

static uint64_t scramble(uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

/* Without a generator: unique per boot (boot_id is random) and per call. Not secret; the secure channel
 * brings its own. */
void host_random(struct migration_host *h, uint8_t *buf, size_t len) {
    uint64_t seed[2];
    if (h->cfg.random != NULL) {
        h->cfg.random(buf, len);
        return;
    }
    memcpy(seed, h->cfg.boot_id, sizeof seed);
    for (size_t i = 0; i < len; i++) {
        if (i % 8 == 0)
            seed[0] = scramble(seed[0] +
                               scramble(seed[1] + ++h->counter * 0x9e3779b97f4a7c15ull + time_now_ns()));
        buf[i] = (uint8_t)(seed[0] >> (8 * (i % 8)));
    }
}

static bool session_is_final(const struct session *s) {
    return s->role == MIGRATE_SOURCE ? source_is_final(s->src.m.state) : target_is_final(s->tgt.m.state);
}

static bool session_is_over(const struct session *s) {
    return session_is_final(s) && !s->ch.lingering;
}

struct session *host_new_session(struct migration_host *h, enum migrate_role role) {
    struct session *found = NULL;
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++) {
        struct session *s = &h->session[i];
        if (!s->used) {
            found = s;
            break;
        }
        /* A stranger who connected and says nothing must not keep others out, nor one who does not hang
         * up. */
        bool idle = s->role == MIGRATE_TARGET && s->vm == NULL && s->tgt.m.state <= TARGET_WAIT_OFFER;
        if (session_is_final(s) || (idle && (found == NULL || s->start_ns < found->start_ns)))
            found = s;
    }
    if (found == NULL)
        return NULL;
    if (found->used)
        session_release(found);
    found->used = true;
    found->role = role;
    found->host = h;
    found->id = ++h->next_id;
    found->start_ns = time_now_ns();
    found->report.result = MIGRATE_RUNNING;
    return found;
}

struct session *host_find_session(struct migration_host *h, const struct vm *vm) {
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++) {
        struct session *s = &h->session[i];
        /* One that is final has told its end; its connection may linger, the VM is free again. */
        if (s->used && vm != NULL && s->vm == vm && !session_is_final(s) &&
            memcmp(vm_get_uuid(vm), s->uuid, VM_UUID_LEN) == 0)
            return s;
    }
    return NULL;
}

static void on_accept(void *ctx, struct stream *stream, struct net_addr peer) {
    struct migration_host *h = ctx;
    struct session *s = host_new_session(h, MIGRATE_TARGET);
    if (s == NULL) {
        stream_abort(stream);
        return;
    }
    s->peer = peer;
    if (channel_open(&s->ch, stream, s->start_ns) != OK) {
        session_release(s);
        stream_abort(stream);
        return;
    }
    s->ch.told = true;
    target_driver_start(s);
}

result_t host_init(struct migration_host *h, const struct migration_config *cfg, struct reason *why) {
    *h = (struct migration_host){.cfg = *cfg};
    if (h->cfg.port == 0)
        h->cfg.port = WIRE_PORT;
    if (h->cfg.pages_per_poll == 0)
        h->cfg.pages_per_poll = HOST_DEFAULT_PAGES_PER_POLL;
    if (h->cfg.lease_ns == 0)
        h->cfg.lease_ns = DEFAULT_LEASE_NS;
    if (h->cfg.silent_ns == 0)
        h->cfg.silent_ns = DEFAULT_SILENT_NS;
    h->cfg.host[sizeof h->cfg.host - 1] = '\0';
    result_t r = stream_listen(h->cfg.port, on_accept, h);
    if (r != OK)
        return reason_set(why, r, "cannot listen for migrations on port %u (%s)", h->cfg.port, result_str(r));
    h->listening = true;
    return OK;
}

void host_exit(struct migration_host *h) {
    if (h->listening)
        stream_unlisten(h->cfg.port);
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++)
        if (h->session[i].used)
            session_release(&h->session[i]);
    h->listening = false;
}

/* What a peer sent while this host did not look is not in its books yet: the silence was ours. */
static void forgive_own_stall(struct session *s, uint64_t now_ns) {
    bool stalled = s->polled_ns != 0 && now_ns - s->polled_ns >= STALL_NS;
    s->polled_ns = now_ns;
    if (stalled && s->role == MIGRATE_SOURCE)
        source_driver_event(s, (struct source_event){.type = SOURCE_EV_HEARD, .now_ns = now_ns});
    else if (stalled)
        target_driver_event(s, (struct target_event){.type = TARGET_EV_HEARD, .now_ns = now_ns});
}

bool host_poll(struct migration_host *h) {
    bool more = false;
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++) {
        struct session *s = &h->session[i];
        if (!s->used)
            continue;
        uint64_t now = time_now_ns();
        session_flush(s);
        forgive_own_stall(s, now);
        if (s->ch.lingering) {
            (void)channel_linger_poll(&s->ch, now);
        } else if (session_is_over(s)) {
            session_release(s);
        } else {
            more |= s->role == MIGRATE_SOURCE ? source_driver_poll(s, now) : target_driver_poll(s, now);
        }
    }
    return more;
}

static uint64_t or_default(uint64_t value, uint64_t fallback) {
    return value != 0 ? value : fallback;
}

static void set_options(struct source_part *p, const struct migrate_options *opt) {
    if (opt != NULL)
        p->opt = *opt;
    p->opt.deadline_ns = or_default(p->opt.deadline_ns, DEFAULT_DEADLINE_NS);
    p->limits.downtime_limit_ns = or_default(p->opt.downtime_limit_ns, DEFAULT_DOWNTIME_NS);
    p->limits.hard_limit_ns = MAX(or_default(p->opt.hard_limit_ns, DEFAULT_HARD_LIMIT_NS),
                                  p->limits.downtime_limit_ns);
    p->limits.max_rounds = p->opt.max_rounds != 0 ? p->opt.max_rounds : DEFAULT_MAX_ROUNDS;
}

static void fill_offer(struct session *s) {
    const struct vm_spec *spec = vm_get_spec(s->vm);
    struct wire_offer *o = &s->src.offer;
    struct vm_section sec;
    memcpy(o->tx, s->tx, WIRE_ID_LEN);
    memcpy(o->uuid, s->uuid, VM_UUID_LEN);
    memcpy(o->name, spec->name, sizeof o->name);
    memcpy(o->cmdline, spec->cmdline, sizeof o->cmdline);
    o->ram_pages = vm_gmem(s->vm)->nr_pages;
    o->tsc_hz = vm_tsc_hz(s->vm);
    o->downtime_limit_ns = s->src.limits.downtime_limit_ns;
    o->page_bytes = PAGE_SIZE;
    o->nr_vcpus = spec->nr_vcpus;
    o->cpu = spec->cpu;
    o->dirty = spec->dirty;
    o->flags = (s->src.opt.dry_run ? WIRE_OFFER_DRY_RUN : 0) | (spec->autostart ? WIRE_OFFER_AUTOSTART : 0) |
               (s->src.opt.audit ? WIRE_OFFER_AUDIT : 0);
    vm_cpu_features(s->vm, o->features);
    while (o->nr_sections < WIRE_MAX_SECTIONS && vm_section_iterate(o->nr_vcpus, o->nr_sections, &sec)) {
        o->section[o->nr_sections].id = sec.id;
        o->section[o->nr_sections].version = sec.version;
        o->nr_sections++;
    }
}

result_t host_start(struct migration_host *h, struct vm *vm, struct net_addr to,
                    const struct migrate_options *opt, struct reason *why) {
    const char *name = vm_get_spec(vm)->name;
    if (host_find_session(h, vm) != NULL)
        return reason_set(why, ERR_BUSY, "VM '%s' is being migrated already; see 'migrate status'", name);
    if (vm_get_state(vm) != VM_RUNNING)
        return reason_set(why, ERR_BUSY, "VM '%s' is %s; only a running VM can be migrated, resume it first",
                          name, vm_state_str(vm_get_state(vm)));
    struct session *s = host_new_session(h, MIGRATE_SOURCE);
    if (s == NULL)
        return reason_set(why, ERR_BUSY, "%u migrations are in progress, that is the limit; try again later",
                          HOST_MAX_SESSIONS);
    s->scratch = malloc(WIRE_HEADER_BYTES + WIRE_MAX_CONTROL_BYTES + VM_SECTION_MAX_BYTES);
    if (s->scratch == NULL) {
        session_release(s);
        return reason_set(why, ERR_NOMEM, "no memory to begin a migration");
    }
    s->vm = vm;
    s->peer = to;
    if (s->peer.port == 0)
        s->peer.port = WIRE_PORT;
    memcpy(s->name, name, sizeof s->name);
    memcpy(s->uuid, vm_get_uuid(vm), VM_UUID_LEN);
    host_random(h, s->tx, WIRE_ID_LEN);
    s->report.ram_pages = vm_gmem(vm)->nr_pages;
    set_options(&s->src, opt);
    fill_offer(s);
    source_driver_start(s);
    if (s->final_told && s->src.m.state == SOURCE_FAILED)
        return reason_set(why, ERR_LINK, "%s", s->report.why.text);
    return OK;
}

result_t host_cancel(struct migration_host *h, struct vm *vm, struct reason *why) {
    struct session *s = host_find_session(h, vm);
    uint64_t now = time_now_ns();
    if (s == NULL)
        return reason_set(why, ERR_NOENT, "this VM is not being migrated");
    if (s->role == MIGRATE_SOURCE ? source_is_committed(s->src.m.state) : target_owns_guest(s->tgt.m.state))
        return reason_set(why, ERR_BUSY, "too late: '%s' was handed over (%s)", s->name,
                          s->role == MIGRATE_SOURCE ? source_state_str(s->src.m.state)
                                                    : target_state_str(s->tgt.m.state));
    if (s->role == MIGRATE_SOURCE)
        source_driver_event(s, (struct source_event){.type = SOURCE_EV_CANCEL,
                                                     .now_ns = now,
                                                     .code = WIRE_CODE_CANCELLED,
                                                     .text = "cancelled by the operator"});
    else
        target_driver_event(s, (struct target_event){.type = TARGET_EV_CANCEL,
                                                     .now_ns = now,
                                                     .code = WIRE_CODE_CANCELLED,
                                                     .text = "cancelled by the operator of the target"});
    return OK;
}

result_t host_resolve(struct migration_host *h, struct vm *vm, bool keep, struct reason *why) {
    struct session *s = host_find_session(h, vm);
    if (s == NULL || s->role != MIGRATE_SOURCE)
        return reason_set(why, ERR_NOENT, "this VM is not being migrated from here");
    /* An attempt under way, or a target that owns the guest for long and does not run it, is worth no more than the
     * operator's word. */
    bool stuck = s->src.m.state == SOURCE_COMMITTED &&
                 time_now_ns() - s->src.m.since_ns >= h->cfg.silent_ns;
    if (s->src.m.state == SOURCE_RECONNECTING || stuck)
        source_driver_event(s, (struct source_event){.type = SOURCE_EV_PROTO_ERROR,
                                                     .now_ns = time_now_ns(),
                                                     .text = "the operator decides"});
    if (s->src.m.state != SOURCE_IN_DOUBT)
        return reason_set(why, ERR_BUSY, "'%s' is not in doubt but %s", s->name,
                          source_state_str(s->src.m.state));
    source_driver_event(s, (struct source_event){.type = keep ? SOURCE_EV_KEEP : SOURCE_EV_GIVE,
                                                 .now_ns = time_now_ns(),
                                                 .code = WIRE_CODE_LINK,
                                                 .text = "decided by the operator"});
    return OK;
}

bool host_status(const struct migration_host *h, unsigned index, struct migrate_status *out) {
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++) {
        const struct session *s = &h->session[i];
        bool shown = s->used && !session_is_over(s) && !s->final_told && s->name[0] != '\0';
        if (shown && index-- == 0) {
            session_status(s, out);
            return true;
        }
    }
    return false;
}

const char *host_forbids_stop(const struct migration_host *h, const struct vm *vm) {
    const struct session *s = host_find_session((struct migration_host *)(uintptr_t)h, vm);
    if (s == NULL)
        return NULL;
    if (s->role == MIGRATE_TARGET && s->tgt.m.state == TARGET_ACTIVATING)
        return "it was handed over to this host and has not run yet; wait a moment";
    if (s->role == MIGRATE_TARGET)
        return target_owns_guest(s->tgt.m.state) ? NULL : "it is arriving by migration; use 'migrate cancel'";
    return source_is_committed(s->src.m.state) ? "it was handed over and the answer is still missing; see "
                                                 "'migrate status' and 'migrate resolve'"
                                               : "it is being migrated; use 'migrate cancel' first";
}
