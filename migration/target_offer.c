/* SPDX-License-Identifier: MIT */
/* The target judges an offer: everything that could stop the migration later is checked now, and everything
 * it needs is allocated now. A refusal is one line with the remedy. */
#include "migration/session.h"

#include "kernel/time.h"

#include <stdlib.h>
#include <string.h>

static uint32_t refuse(struct reason *why, uint32_t code, const char *line) {
    (void)reason_set(why, OK, "%s", line);
    return code;
}

static bool find_section(uint32_t nr_vcpus, uint16_t id, struct vm_section *out) {
    for (unsigned i = 0; vm_section_iterate(nr_vcpus, i, out); i++)
        if (out->id == id)
            return true;
    return false;
}

/* The same sections in the same versions and order on both hosts. */
static uint32_t check_sections(const struct wire_offer *o, struct reason *why) {
    struct vm_section sec;
    unsigned known = 0;
    while (vm_section_iterate(o->nr_vcpus, known, &sec))
        known++;
    for (unsigned i = 0; i < o->nr_sections; i++) {
        if (!find_section(o->nr_vcpus, o->section[i].id, &sec)) {
            (void)reason_set(why, OK,
                             "state section %u is not known on this host; install the same version on both",
                             o->section[i].id);
            return WIRE_CODE_SECTION;
        }
        if (sec.version != o->section[i].version) {
            (void)reason_set(why, OK,
                             "state section '%s' has version %u there and %u here; install the same version",
                             sec.name, o->section[i].version, sec.version);
            return WIRE_CODE_SECTION;
        }
        struct vm_section ours; /* loaded in this order, as they come: some are checked against earlier ones */
        if (!vm_section_iterate(o->nr_vcpus, i, &ours) || ours.id != sec.id)
            return refuse(why, WIRE_CODE_SECTION,
                          "the state sections are in another order here; install the same version on both");
    }
    if (o->nr_sections == known)
        return 0;
    (void)reason_set(why, OK,
                     "%u state sections are offered, this host needs %u; install the same version on both",
                     o->nr_sections, known);
    return WIRE_CODE_SECTION;
}

/* A host offers only what runs there: a copy that we still hold for an earlier attempt of it, whose connection died
 * unnoticed, is past use. Same host: same address, and it was started again or means the same machine. */
static void drop_earlier_attempts(struct session *s, const struct wire_offer *o) {
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++) {
        struct session *other = &s->host->session[i];
        bool held = other != s && other->used && other->role == MIGRATE_TARGET && other->vm != NULL &&
                    (other->tgt.m.state == TARGET_RECEIVING || other->tgt.m.state == TARGET_READY);
        if (!held || other->peer.ipv4 != s->peer.ipv4 || strcmp(other->name, o->name) != 0 ||
            memcmp(other->tx, o->tx, WIRE_ID_LEN) == 0)
            continue;
        if (memcmp(other->peer_boot_id, s->peer_boot_id, WIRE_ID_LEN) == 0 &&
            memcmp(other->uuid, o->uuid, VM_UUID_LEN) != 0)
            continue;
        target_driver_event(other, (struct target_event){.type = TARGET_EV_PEER_ABORT,
                                                         .now_ns = time_now_ns(),
                                                         .code = WIRE_CODE_LINK,
                                                         .text = "the source began anew"});
    }
}

static uint32_t check_transaction(struct session *s, const struct wire_offer *o, struct reason *why) {
    unsigned incoming = 0;
    if (history_find(&s->host->history, o->tx) != NULL)
        return refuse(why, WIRE_CODE_REPLAY, "this migration was already finished; start a new one");
    drop_earlier_attempts(s, o);
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++) {
        const struct session *other = &s->host->session[i];
        if (other == s || !other->used || other->role != MIGRATE_TARGET ||
            target_is_final(other->tgt.m.state))
            continue;
        if (other->vm != NULL && memcmp(other->tx, o->tx, WIRE_ID_LEN) == 0)
            return refuse(why, WIRE_CODE_REPLAY, "this migration is already in progress");
        incoming += other->vm != NULL && other->tgt.m.state != TARGET_STARTED;
    }
    if (incoming < HOST_MAX_INCOMING)
        return 0;
    (void)reason_set(why, OK, "%u migrations to this host are in progress, the limit is %u; try again later",
                     incoming, HOST_MAX_INCOMING);
    return WIRE_CODE_BUSY;
}

static uint32_t check_limits(struct session *s, const struct wire_offer *o, struct reason *why) {
    uint64_t limit = s->host->cfg.max_incoming_bytes, bytes = o->ram_pages * PAGE_SIZE;
    if (limit != 0 && bytes > limit) {
        (void)reason_set(why, OK, "the VM has %lu MiB, this host takes at most %lu MiB; raise its limit",
                         (unsigned long)(bytes / MIB), (unsigned long)(limit / MIB));
        return WIRE_CODE_MEMORY;
    }
    if (vm_host_check_features(o->features, why) != OK)
        return WIRE_CODE_CPU_FEATURE;
    return vm_host_check_tsc_hz(o->tsc_hz, why) != OK ? WIRE_CODE_TSC : 0;
}

static uint32_t code_of(result_t r) {
    switch (r) {
    case ERR_NOMEM: return WIRE_CODE_MEMORY;
    case ERR_EXIST: return WIRE_CODE_NAME;
    case ERR_BUSY: return WIRE_CODE_BUSY;
    case ERR_NODEV:
    case ERR_UNSUPP: return WIRE_CODE_UNSUPPORTED;
    default: return WIRE_CODE_SPEC;
    }
}

static uint32_t allocate(struct session *s, const struct wire_offer *o, struct reason *why) {
    struct vm_spec spec = {
        .memory_bytes = o->ram_pages * PAGE_SIZE,
        .nr_vcpus = o->nr_vcpus,
        .cpu = (enum cpu_baseline)o->cpu,
        .dirty = (enum dirty_method)o->dirty,
        .autostart = (o->flags & WIRE_OFFER_AUTOSTART) != 0,
    };
    memcpy(spec.name, o->name, sizeof spec.name);
    memcpy(spec.cmdline, o->cmdline, sizeof spec.cmdline);
    result_t r = vm_create(&spec, VM_INCOMING, &s->vm, why);
    if (r != OK) {
        s->vm = NULL;
        return code_of(r);
    }
    vm_set_uuid(s->vm, o->uuid);
    if (vm_gmem(s->vm)->nr_pages != o->ram_pages)
        return refuse(why, WIRE_CODE_SPEC, "the VM got another number of pages than asked for");
    if (page_store_init(&s->tgt.store, vm_gmem(s->vm)) == OK)
        return 0;
    (void)reason_set(why, OK, "no memory for the hashes of %lu pages; free some on this host",
                     (unsigned long)o->ram_pages);
    return WIRE_CODE_MEMORY;
}

uint32_t target_offer_take(struct session *s, const struct wire_offer *o, struct reason *why) {
    memcpy(s->tx, o->tx, WIRE_ID_LEN);
    memcpy(s->uuid, o->uuid, VM_UUID_LEN);
    memcpy(s->name, o->name, sizeof s->name);
    s->tgt.offer = *o;
    uint32_t code = check_transaction(s, o, why);
    if (code == 0)
        code = check_limits(s, o, why);
    if (code == 0)
        code = check_sections(o, why);
    if (code == 0)
        code = allocate(s, o, why);
    if ((code == 0 && (o->flags & WIRE_OFFER_DRY_RUN) == 0) || s->vm == NULL)
        return code;
    page_store_exit(&s->tgt.store);
    vm_destroy(s->vm);
    s->vm = NULL;
    return code;
}
