/* SPDX-License-Identifier: MIT */
/* config.h - what godwit.cfg says.
 * - config_parse: text to struct config; a broken text yields what was understood, and the first mistake as
 * one line.
 *
 *     [host]                     [net]                       [vm web]
 *     name = alpha               address = 10.0.0.1/24       kernel = vmlinuz
 *     console = com1             gateway = 10.0.0.254        initrd = initrd.img
 *     log = info                 mac = 52:54:00:12:34:56     cmdline = "console=ttyS0 quiet"
 *     migration_port = 7600      nic = 0                     memory = 256M
 *                                                            vcpus = 1
 *     [peer beta]                                            cpu = v2          (v2, v3, host)
 *     address = 10.0.0.2:7600                                dirty = auto      (auto, pml, dbit, wp)
 *                                                            autostart = no
 *
 * Everything but a VM's kernel has a default. [net] without an address means DHCP (mode = dhcp|static says it
 * aloud).
 * Pure: no globals, no hardware. */
#ifndef KERNEL_CONFIG_H
#define KERNEL_CONFIG_H

#include "kernel/log.h"
#include "kernel/result.h"

#define CONFIG_NAME_LEN 32
#define CONFIG_FILE_LEN 64
#define CONFIG_CMDLINE_LEN 1024
#define CONFIG_MAX_VMS 16u
#define CONFIG_MAX_PEERS 16u
#define CONFIG_MIGRATION_PORT 7600u
#define CONFIG_MEMORY_DEFAULT (256ull * MIB)
#define CONFIG_MEMORY_MIN (2ull * MIB)
#define CONFIG_MEMORY_MAX (512ull * GIB)
#define CONFIG_MAX_VCPUS 64u

enum config_console { CONFIG_CONSOLE_COM1 = 1, CONFIG_CONSOLE_COM2 };
enum config_mode { CONFIG_MODE_DHCP = 1, CONFIG_MODE_STATIC };
enum config_cpu { CONFIG_CPU_V2 = 1, CONFIG_CPU_V3, CONFIG_CPU_HOST };
enum config_dirty { CONFIG_DIRTY_AUTO = 1, CONFIG_DIRTY_PML, CONFIG_DIRTY_DBIT, CONFIG_DIRTY_WP };

struct config_host {
    char name[CONFIG_NAME_LEN]; /* default "godwit" */
    enum config_console console;
    enum log_level log;
    uint16_t migration_port;
};

struct config_net {
    enum config_mode mode;
    uint8_t address[4]; /* CONFIG_MODE_STATIC; first octet first */
    uint8_t prefix;
    uint8_t gateway[4]; /* 0.0.0.0: none */
    uint8_t mac[6];     /* zero: the card's own */
    uint32_t nic;       /* which network card, counted from 0 in PCI order */
};

struct config_peer {
    char name[CONFIG_NAME_LEN];
    uint8_t address[4];
    uint16_t port;
};

struct config_vm {
    char name[CONFIG_NAME_LEN];
    char kernel[CONFIG_FILE_LEN]; /* file in \godwit\ on the ESP */
    char initrd[CONFIG_FILE_LEN]; /* or "" */
    char cmdline[CONFIG_CMDLINE_LEN];
    uint64_t memory_bytes; /* multiple of 2 MiB */
    uint32_t nr_vcpus;
    enum config_cpu cpu;
    enum config_dirty dirty;
    bool autostart;
    bool broken; /* its section has a mistake: list it, do not start it */
};

struct config {
    struct config_host host;
    struct config_net net;
    struct config_peer peer[CONFIG_MAX_PEERS];
    struct config_vm vm[CONFIG_MAX_VMS];
    unsigned nr_peers, nr_vms;
    unsigned nr_errors; /* mistakes found; `why` tells the first */
};

/* config_parse - text: the file's len octets (no end mark needed); len 0 and text NULL: an empty file.
 * Always fills out. ERR_INVAL when there was any mistake, with the first one as `godwit.cfg:LINE:COLUMN: ...`
 * in why. */
result_t config_parse(const char *text, size_t len, struct config *out, struct reason *why) MUST_CHECK;
/* config_defaults - what a machine without a configuration runs with: DHCP on the first card, console on
 * COM1. */
void config_defaults(struct config *out);

#endif
