/* SPDX-License-Identifier: MIT */
#include "net/port.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/time.h"
#include "net/lwip_err.h"

#include "lwip/opt.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "net/arch/hooks.h"
#include "net/checksum.h"

#define ISN_TICK_NS 4000u /* RFC 6528: a clock of 4 microseconds */

static struct siphash_key secret;
static uint64_t random_count;
static struct slab memory_slab;

void net_port_init(struct siphash_key key, void *memory, size_t len) {
    secret = key;
    slab_init(&memory_slab, memory, len);
}

const struct slab *net_port_slab(void) {
    return &memory_slab;
}

void *net_mem_alloc(size_t len) {
    return slab_alloc(&memory_slab, len);
}

void *net_mem_calloc(size_t count, size_t len) {
    if (len != 0 && count > SIZE_MAX / len)
        return NULL;
    void *p = slab_alloc(&memory_slab, count * len);
    if (p != NULL)
        memset(p, 0, count * len);
    return p;
}

void net_mem_free(void *p) {
    slab_free(&memory_slab, p);
}

bool net_port_shed(void) {
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        if (pcb->ooseq != NULL) {
            tcp_free_ooseq(pcb);
            return true;
        }
    }
    return false;
}

uint32_t net_random32(void) {
    uint64_t input[2] = {++random_count, time_now_ns()};
    return (uint32_t)siphash(&secret, input, sizeof input);
}

u32_t net_tcp_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port) {
    struct {
        ip_addr_t local, remote;
        uint64_t ports;
    } input;
    memset(&input, 0, sizeof input);
    ip_addr_copy(input.local, *local);
    ip_addr_copy(input.remote, *remote);
    input.ports = (uint64_t)local_port << 16 | remote_port;
    return (u32_t)(time_now_ns() / ISN_TICK_NS) + (u32_t)siphash(&secret, &input, sizeof input);
}

uint16_t net_lwip_checksum(const void *data, int len) {
    return checksum_sum(0, data, (size_t)len);
}

u32_t sys_now(void) {
    return (u32_t)(time_now_ns() / NSEC_PER_MSEC);
}

void net_lwip_diag(const char *fmt, ...) {
    char line[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    line[strcspn(line, "\n")] = '\0';
    log_debug("lwip: %s", line);
}

void net_lwip_assert(const char *text, const char *file, int line) {
    panic("lwip: %s (%s:%d)", text, file, line);
}
