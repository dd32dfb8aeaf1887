/* SPDX-License-Identifier: MIT */
/* audit.h - prove on a running guest that dirty logging loses no page (`vm audit`).
 * - audit_start: begins; the guest runs on, with short stops.   - audit_poll: in CPU 0's loop.   - audit_stop: gives up.
 * - audit_get: how it stands.
 *
 * One period: the guest is stopped and every page hashed; it runs while the log is collected many times, as in pre-copy; it is
 * stopped again. Then three answers about the same pages are compared:
 *   log      pages that the collections reported, and those still noted
 *   flags    EPT's dirty flags (PML) or write permissions (WP) of the pages since the last collection: must equal the notes
 *   content  pages whose hash changed: each must be in the log
 * A page in the log whose content is the same was written with what it held: not an error.
 * Context: CPU 0's loop. */
#ifndef MIGRATION_AUDIT_H
#define MIGRATION_AUDIT_H

#include "guest/vm.h"

#define AUDIT_DEFAULT_PERIODS 4u
#define AUDIT_DEFAULT_COLLECTS 1000u
#define AUDIT_MAX_COLLECTS 1000000u

struct audit_report {
    char name[VM_NAME_LEN];
    enum dirty_method method;
    bool running;
    uint32_t periods, periods_wanted;
    uint64_t collects;  /* over all periods */
    uint64_t logged;    /* pages in the log, summed over periods */
    uint64_t changed;   /* pages whose content changed */
    uint64_t lost;      /* changed, but not logged: must be 0 */
    uint64_t disagree;  /* notes and flags differ: must be 0 */
    uint64_t first_bad; /* page number of the first of either, UINT64_MAX: none */
    struct reason why;  /* it was given up */
};

/* audit_start - a running VM; method DIRTY_INVALID: that of the VM. collects: per period. Errors with a reason: ERR_BUSY (another
 * audit, it is being migrated or not running), ERR_NOMEM, ERR_UNSUPP (method), ERR_RANGE (collects, periods). */
result_t audit_start(struct vm *vm, enum dirty_method method, uint32_t periods, uint32_t collects, struct reason *why) MUST_CHECK;
bool audit_poll(void);
/* audit_next_ns - for the loop: when the next collection is due. */
uint64_t audit_next_ns(void);
void audit_stop(void);
/* audit_get - false when there was none since boot. */
bool audit_get(struct audit_report *out);

#endif
