/* SPDX-License-Identifier: MIT */
#include "migration/audit.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/time.h"
#include "migration/page_scan.h"

#define PAGES_PER_POLL 256u
#define COLLECT_EVERY_NS (100 * NSEC_PER_USEC)

enum step { STEP_NONE = 0, STEP_HASH, STEP_RUN, STEP_COMPARE };

static struct {
    enum step step;
    bool any; /* one was started since boot */
    struct vm *vm;
    uint64_t *hash, *logged; /* one per page; one bit per page */
    uint64_t page;           /* next to hash or compare */
    uint32_t collects_wanted, collects_done;
    uint64_t next_ns;
    struct audit_report report;
} audit;

static void finish(void) {
    free(audit.hash);
    free(audit.logged);
    audit.hash = audit.logged = NULL;
    audit.step = STEP_NONE;
    audit.report.running = false;
    const struct audit_report *r = &audit.report;
    if (r->why.text[0] != '\0')
        log_warn("audit of vm %s ended: %s", r->name, r->why.text);
    else if (r->lost + r->disagree != 0)
        log_error("audit of vm %s FAILED (%s): %lu pages changed and were not logged, %lu notes and flags differ; first: page %#lx",
                  r->name, dirty_method_str(r->method), (unsigned long)r->lost, (unsigned long)r->disagree,
                  (unsigned long)r->first_bad);
    else
        log_info("audit of vm %s passed (%s): %u periods, %lu collections, %lu pages logged, %lu changed, 0 lost", r->name,
                 dirty_method_str(r->method), r->periods, (unsigned long)r->collects, (unsigned long)r->logged,
                 (unsigned long)r->changed);
}

static void give_up(const char *text) {
    (void)reason_set(&audit.report.why, OK, "%s", text);
    if (vm_find(audit.report.name) == audit.vm) {
        struct reason why;
        vm_dirty_stop(audit.vm);
        if (vm_get_state(audit.vm) == VM_PAUSED && vm_resume(audit.vm, &why) != OK)
            log_warn("%s", why.text);
    }
    finish();
}

result_t audit_start(struct vm *vm, enum dirty_method method, uint32_t periods, uint32_t collects, struct reason *why) {
    const char *name = vm_get_spec(vm)->name;
    uint64_t nr_pages = vm_gmem(vm)->nr_pages;
    if (audit.step != STEP_NONE)
        return reason_set(why, ERR_BUSY, "VM %s is being audited; `vm audit stop` ends that", audit.report.name);
    if (vm_get_state(vm) != VM_RUNNING || vm_dirty_active(vm) != DIRTY_INVALID)
        return reason_set(why, ERR_BUSY, "VM %s cannot be audited: it is %s%s", name, vm_state_str(vm_get_state(vm)),
                          vm_dirty_active(vm) != DIRTY_INVALID ? " and its pages are being logged already" : "");
    if (periods == 0 || collects == 0 || collects > AUDIT_MAX_COLLECTS)
        return reason_set(why, ERR_RANGE, "an audit of %u periods with %u collections each: 1 or more, and 1 to %u", periods,
                          collects, AUDIT_MAX_COLLECTS);
    audit.hash = calloc(nr_pages, sizeof *audit.hash);
    audit.logged = calloc(nr_pages / 64, sizeof *audit.logged);
    result_t r = audit.hash == NULL || audit.logged == NULL
                     ? reason_set(why, ERR_NOMEM, "no memory to audit VM %s: %lu KiB are needed", name,
                                  (unsigned long)(nr_pages * sizeof *audit.hash / KIB))
                     : vm_pause(vm, why);
    if (r == OK && (r = vm_dirty_start(vm, method, why)) != OK && vm_resume(vm, NULL) != OK)
        log_warn("vm %s stays paused", name);
    if (r != OK) {
        free(audit.hash);
        free(audit.logged);
        audit.hash = audit.logged = NULL;
        return r;
    }
    audit.vm = vm;
    audit.any = true;
    audit.page = 0;
    audit.collects_wanted = collects;
    audit.step = STEP_HASH;
    audit.report = (struct audit_report){
        .method = vm_dirty_active(vm), .running = true, .periods_wanted = periods, .first_bad = UINT64_MAX};
    memcpy(audit.report.name, name, sizeof audit.report.name);
    return OK;
}

static void begin_running(void) {
    struct reason why;
    memset(audit.logged, 0, vm_gmem(audit.vm)->nr_pages / 8);
    audit.collects_done = 0;
    audit.next_ns = time_now_ns() + COLLECT_EVERY_NS;
    audit.step = STEP_RUN;
    if (vm_resume(audit.vm, &why) != OK)
        give_up(why.text);
}

/* The first hashes; later ones are those of the comparison. */
static bool poll_hash(void) {
    const struct gmem *g = vm_gmem(audit.vm);
    for (unsigned i = 0; i < PAGES_PER_POLL && audit.page < g->nr_pages; i++, audit.page++)
        audit.hash[audit.page] = page_hash(audit.page, gmem_page(g, audit.page));
    if (audit.page == g->nr_pages)
        begin_running();
    return true;
}

static bool poll_run(void) {
    struct reason why;
    if (time_now_ns() < audit.next_ns)
        return false;
    audit.next_ns = time_now_ns() + COLLECT_EVERY_NS;
    if (audit.collects_done < audit.collects_wanted) {
        vm_dirty_collect(audit.vm, audit.logged);
        audit.collects_done++;
        audit.report.collects++;
        return true;
    }
    if (vm_pause(audit.vm, &why) != OK) {
        give_up(why.text);
        return true;
    }
    uint64_t first = UINT64_MAX;
    audit.report.disagree += vm_dirty_cross_check(audit.vm, &first);
    audit.report.first_bad = MIN(audit.report.first_bad, first);
    vm_dirty_collect(audit.vm, audit.logged);
    audit.page = 0;
    audit.step = STEP_COMPARE;
    return true;
}

static bool poll_compare(void) {
    const struct gmem *g = vm_gmem(audit.vm);
    for (unsigned i = 0; i < PAGES_PER_POLL && audit.page < g->nr_pages; i++, audit.page++) {
        uint64_t hash = page_hash(audit.page, gmem_page(g, audit.page));
        bool logged = (audit.logged[audit.page / 64] & BIT(audit.page % 64)) != 0;
        bool changed = hash != audit.hash[audit.page];
        audit.hash[audit.page] = hash;
        audit.report.logged += logged;
        audit.report.changed += changed;
        if (!changed || logged)
            continue;
        audit.report.lost++;
        audit.report.first_bad = MIN(audit.report.first_bad, audit.page);
    }
    if (audit.page < g->nr_pages)
        return true;
    if (++audit.report.periods < audit.report.periods_wanted) {
        begin_running();
        return true;
    }
    struct reason why;
    vm_dirty_stop(audit.vm);
    if (vm_resume(audit.vm, &why) != OK)
        (void)reason_set(&audit.report.why, OK, "%s", why.text);
    finish();
    return true;
}

bool audit_poll(void) {
    if (audit.step == STEP_NONE)
        return false;
    enum vm_state expected = audit.step == STEP_RUN ? VM_RUNNING : VM_PAUSED;
    if (vm_find(audit.report.name) != audit.vm) {
        (void)reason_set(&audit.report.why, OK, "the VM was stopped");
        finish();
        return true;
    }
    if (vm_get_state(audit.vm) != expected) {
        give_up("the VM was paused, resumed or ended by somebody else");
        return true;
    }
    switch (audit.step) {
    case STEP_HASH:
        return poll_hash();
    case STEP_RUN:
        return poll_run();
    case STEP_COMPARE:
        return poll_compare();
    default:
        return false;
    }
}

uint64_t audit_next_ns(void) {
    return audit.step == STEP_RUN ? audit.next_ns : UINT64_MAX;
}

void audit_stop(void) {
    if (audit.step != STEP_NONE)
        give_up("an operator stopped it");
}

bool audit_get(struct audit_report *out) {
    *out = audit.report;
    return audit.any;
}
