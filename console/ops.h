/* SPDX-License-Identifier: MIT */
/* ops.h - everything the console asks of the rest of the hypervisor, as function pointers, so that commands
 * are tested against fakes. console/ops_real.h fills what the layers below offer, boot/main_console.c adds
 * the rest. A NULL pointer makes its command answer "not available in this build".
 * Iterators count from 0 and return false past the end. Context: CPU 0's loop. */
#ifndef CONSOLE_OPS_H
#define CONSOLE_OPS_H

#include "console/migrate_view.h"
#include "guest/vm.h"
#include "migration/audit.h"
#include "net/stream.h"

#define CONSOLE_LINE_LEN 256

struct console_migrate_request {
    char vm[VM_NAME_LEN];
    char peer[MIGRATE_VIEW_PEER_LEN]; /* as the operator wrote it */
    struct net_addr addr;
    bool dry_run;
    bool audit;
    enum dirty_method dirty; /* DIRTY_INVALID: as the VM's configuration says */
    uint64_t downtime_ns;    /* 0: default */
    uint64_t limit_ns;       /* 0: default */
    uint64_t deadline_ns;    /* 0: default */
    uint32_t max_rounds;     /* 0: default */
};

struct console_peer {
    char name[MIGRATE_VIEW_PEER_LEN];
    struct net_addr addr;
};

struct console_net {
    char name[24]; /* chip and PCI address */
    uint8_t mac[6];
    bool dhcp;
    bool link_up;
    uint32_t mbit_s;                 /* 0: not known */
    uint32_t ipv4, netmask, gateway; /* host byte order; 0: none (yet) */
    uint64_t rx_frames, rx_bytes, rx_dropped;
    uint64_t tx_frames, tx_bytes, tx_dropped;
};

struct console_ping {
    uint32_t ipv4;
    uint32_t seq; /* from 1 */
    bool answered;
    uint64_t rtt_ns;
    bool last; /* no more follow */
};

struct console_ops {
    uint64_t (*now_ns)(void); /* must be there */
    const char *version;

    /* guest/vm.h */
    bool (*vm_iterate)(unsigned index, struct vm_info *out);
    struct vm *(*vm_find)(const char *name);
    enum vm_state (*vm_get_state)(const struct vm *vm);
    const char *(*vm_state_str)(enum vm_state s);
    result_t (*vm_boot)(const char *name, struct reason *why);
    result_t (*vm_stop)(const char *name, struct reason *why);
    result_t (*vm_pause)(struct vm *vm, struct reason *why);
    result_t (*vm_resume)(struct vm *vm, struct reason *why);
    size_t (*vm_console_read)(struct vm *vm, char *buf, size_t cap);
    size_t (*vm_console_write)(struct vm *vm, const char *buf, size_t len);

    /* migration: start returns at once; a status appears, then a report with the same id, which is not 0 */
    result_t (*migrate_start)(const struct console_migrate_request *req, uint64_t *id, struct reason *why);
    result_t (*migrate_cancel)(const char *vm, struct reason *why);          /* vm NULL: the only one */
    bool (*migrate_status)(unsigned index, struct migrate_view_status *out); /* those running */
    result_t (*migrate_resolve)(const char *vm, bool keep,
                                struct reason *why);          /* in doubt, and the operator knows */
    const char *(*migrate_forbids_stop)(const struct vm *vm); /* NULL: it does not */
    uint64_t (*migrate_report_id)(void); /* of the last that ended; 0: none. Cheap, asked at every poll */
    bool (*migrate_report)(struct migrate_view_report *out); /* that one */

    /* migration/audit.h */
    result_t (*audit_start)(struct vm *vm, enum dirty_method method, uint32_t periods, uint32_t collects, struct reason *why);
    void (*audit_stop)(void);
    bool (*audit_get)(struct audit_report *out);
    bool (*vm_exit_stats)(struct vm *vm, unsigned index, struct vm_exit_count *out);

    /* network */
    bool (*peer_iterate)(unsigned index, struct console_peer *out);
    uint16_t migration_port;
    result_t (*net_info)(struct console_net *out, struct reason *why);
    result_t (*net_ping)(uint32_t ipv4, uint32_t count,
                         struct reason *why);        /* starts; ERR_BUSY while one runs */
    bool (*net_ping_next)(struct console_ping *out); /* results, as they come */

    /* host */
    void (*mem_info)(uint64_t *total_bytes, uint64_t *free_bytes);
    void (*cpu_report)(void (*line)(void *ctx, const char *text), void *ctx); /* calls line() for each */
    /* log_line - ago 0 is the newest message. */
    bool (*log_line)(unsigned ago, char line[CONSOLE_LINE_LEN]);
    void (*reboot)(void); /* called when the terminal has got everything */
    void (*poweroff)(void);
};

#endif
