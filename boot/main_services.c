/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "boot/main.h"
#include "console/ops_real.h"
#include "kernel/log.h"
#include "kernel/random.h"
#include "migration/migration.h"
#include "net/net.h"
#include "vmx/vcpu.h"

void main_init_entropy(const struct boot_info *info) {
    random_stir(info->entropy, MIN(info->entropy_bytes, sizeof info->entropy));
    random_stir(&info->handover_tsc, sizeof info->handover_tsc);
    random_stir(&info->wall_seconds, sizeof info->wall_seconds);
}

void main_init_vmx(void) {
    struct reason why;
    if (vmx_init(&why) != OK)
        log_warn("vmx: %s", why.text);
}

static uint32_t ipv4_of(const uint8_t octet[4]) {
    return (uint32_t)octet[0] << 24 | (uint32_t)octet[1] << 16 | (uint32_t)octet[2] << 8 | octet[3];
}

void main_init_net(void) {
    const struct config *c = main_config();
    struct net_config net = {
        .dhcp = c->net.mode == CONFIG_MODE_DHCP,
        .ipv4 = ipv4_of(c->net.address),
        .prefix = c->net.prefix,
        .gateway = ipv4_of(c->net.gateway),
        .nic = c->net.nic,
    };
    memcpy(net.mac, c->net.mac, sizeof net.mac);
    memcpy(net.hostname, c->host.name, MIN(sizeof net.hostname, sizeof c->host.name));
    random_bytes(net.entropy, sizeof net.entropy);
    struct reason why;
    if (net_init(&net, &why) != OK)
        log_warn("net: %s", why.text);
}

void main_init_migration(void) {
    const struct config *c = main_config();
    struct migration_config m = {.port = c->host.migration_port, .random = random_bytes,
                                 .event = ops_real_migrate_event, .event_ctx = main_console()};
    memcpy(m.host, c->host.name, MIN(sizeof m.host, sizeof c->host.name));
    random_bytes(m.boot_id, sizeof m.boot_id);
    struct reason why;
    if (migration_init(&m, &why) != OK)
        log_warn("migration: %s", why.text);
}
