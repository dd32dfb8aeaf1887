/* SPDX-License-Identifier: MIT */
#include "migration/migration.h"

#include "migration/session.h"

static struct migration_host the_host; /* the one table of this machine */

result_t migration_init(const struct migration_config *cfg, struct reason *why) {
    return host_init(&the_host, cfg, why);
}

void migration_exit(void) {
    host_exit(&the_host);
}

bool migration_poll(void) {
    return host_poll(&the_host);
}

result_t migrate_start(struct vm *vm, struct net_addr to, const struct migrate_options *opt,
                       struct reason *why) {
    return host_start(&the_host, vm, to, opt, why);
}

result_t migrate_cancel(struct vm *vm, struct reason *why) {
    return host_cancel(&the_host, vm, why);
}

result_t migrate_resolve(struct vm *vm, bool keep, struct reason *why) {
    return host_resolve(&the_host, vm, keep, why);
}

bool migrate_status_get(unsigned index, struct migrate_status *out) {
    return host_status(&the_host, index, out);
}

const struct migrate_report *migrate_report_last(void) {
    return the_host.has_last ? &the_host.last : NULL;
}

const char *migrate_forbids_stop(const struct vm *vm) {
    return host_forbids_stop(&the_host, vm);
}
