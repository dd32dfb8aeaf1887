/* SPDX-License-Identifier: MIT */
#include "kernel/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/config_keys.h"
#include "kernel/config_lex.h"

struct parser {
    struct config *out;
    struct reason *why;
    const struct config_section *section;   /* NULL: before the first one, or in one that is not understood */
    void *object;                           /* the section's struct */
    unsigned section_line;                  /* 0: no section yet */
    uint32_t seen_keys;                     /* of this section, one bit per key */
    unsigned seen_line[CONFIG_NR_SECTIONS]; /* where [host] and [net] stood, 0: nowhere */
    unsigned peer_line[CONFIG_MAX_PEERS], vm_line[CONFIG_MAX_VMS];
};

static struct config_vm *current_vm(const struct parser *p) {
    return p->section == &config_sections[CONFIG_SECTION_VM] ? p->object : NULL;
}

/* Counts a mistake; the first one's text is kept. */
static void mistake(struct parser *p, unsigned line, unsigned column, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void mistake(struct parser *p, unsigned line, unsigned column, const char *fmt, ...) {
    char text[REASON_LEN];
    va_list args;
    if (current_vm(p) != NULL)
        current_vm(p)->broken = true;
    if (p->out->nr_errors++ > 0)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)reason_set(p->why, ERR_INVAL, "godwit.cfg:%u:%u: %s", line, column, text);
}

void config_defaults(struct config *out) {
    memset(out, 0, sizeof(*out));
    memcpy(out->host.name, "godwit", sizeof("godwit"));
    out->host.console = CONFIG_CONSOLE_COM1;
    out->host.log = LOG_INFO;
    out->host.migration_port = CONFIG_MIGRATION_PORT;
    out->net.mode = CONFIG_MODE_DHCP;
}

static unsigned key_index(const struct parser *p, const struct config_key *k) {
    return (unsigned)(k - p->section->keys);
}

static bool has_key(const struct parser *p, const char *name) {
    const struct config_key *k = config_key_find(p->section, name);
    return k != NULL && (p->seen_keys & BIT(key_index(p, k))) != 0;
}

static uint32_t ipv4_number(const uint8_t a[4]) {
    return (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];
}

static void finish_net(struct parser *p) {
    struct config_net *n = &p->out->net;
    bool address = has_key(p, "address"), gateway = has_key(p, "gateway");
    if (!has_key(p, "mode"))
        n->mode = address ? CONFIG_MODE_STATIC : CONFIG_MODE_DHCP;
    if (n->mode == CONFIG_MODE_STATIC && !address) {
        n->mode = CONFIG_MODE_DHCP;
        mistake(p, p->section_line, 1,
                "[net] has mode = static and no address; write for example address = 10.0.0.1/24");
    } else if (n->mode == CONFIG_MODE_DHCP && (address || gateway)) {
        mistake(p, p->section_line, 1, "[net] has %s, which DHCP would supply; %s",
                address ? "an address" : "a gateway",
                address ? "write mode = static or leave the address out"
                        : "add an address or leave the gateway out");
    } else if (gateway && ((ipv4_number(n->address) ^ ipv4_number(n->gateway)) >> (32 - n->prefix)) != 0) {
        mistake(
            p, p->section_line, 1,
            "the gateway %u.%u.%u.%u is outside the network of the address; it must share its first %u bits",
            n->gateway[0], n->gateway[1], n->gateway[2], n->gateway[3], n->prefix);
        memset(n->gateway, 0, sizeof(n->gateway));
    }
}

/* The checks that need a whole section. */
static void finish_section(struct parser *p) {
    if (p->section == NULL)
        return;
    if (p->section == &config_sections[CONFIG_SECTION_NET])
        finish_net(p);
    if (p->section == &config_sections[CONFIG_SECTION_PEER] && !has_key(p, "address")) {
        mistake(p, p->section_line, 1, "this peer has no address; write for example address = 10.0.0.2");
        memset(p->object, 0, sizeof(struct config_peer));
        p->out->nr_peers--;
    }
    if (current_vm(p) != NULL && !has_key(p, "kernel"))
        mistake(p, p->section_line, 1, "this vm has no kernel; write for example kernel = vmlinuz");
    p->section = NULL;
}

static void begin_plain(struct parser *p, const struct config_line *l, unsigned id) {
    if (l->value[0] != '\0') {
        mistake(p, l->number, l->value_column, "[%s] takes no name, found \"%s\"; write %s", l->key, l->value,
                config_sections[id].example);
    } else if (p->seen_line[id] != 0) {
        mistake(p, l->number, l->key_column, "[%s] appears a second time, first on line %u; join them",
                l->key, p->seen_line[id]);
    } else {
        p->seen_line[id] = l->number;
        p->section = &config_sections[id];
        p->object = id == CONFIG_SECTION_HOST ? (void *)&p->out->host : (void *)&p->out->net;
    }
}

static void begin_peer(struct parser *p, const struct config_line *l) {
    struct config *c = p->out;
    for (unsigned i = 0; i < c->nr_peers; i++) {
        if (strcmp(c->peer[i].name, l->value) == 0) {
            mistake(p, l->number, l->value_column,
                    "[peer %s] appears a second time, first on line %u; rename one", l->value,
                    p->peer_line[i]);
            return;
        }
    }
    if (c->nr_peers == CONFIG_MAX_PEERS) {
        mistake(p, l->number, l->key_column, "[peer %s] is one too many; at most %u peers", l->value,
                CONFIG_MAX_PEERS);
        return;
    }
    struct config_peer *peer = &c->peer[c->nr_peers];
    p->peer_line[c->nr_peers++] = l->number;
    memcpy(peer->name, l->value, strlen(l->value)); /* shorter than CONFIG_NAME_LEN, see config_lex */
    peer->port = CONFIG_MIGRATION_PORT;
    p->section = &config_sections[CONFIG_SECTION_PEER];
    p->object = peer;
}

static void begin_vm(struct parser *p, const struct config_line *l) {
    struct config *c = p->out;
    for (unsigned i = 0; i < c->nr_vms; i++) {
        if (strcmp(c->vm[i].name, l->value) == 0) {
            mistake(p, l->number, l->value_column,
                    "[vm %s] appears a second time, first on line %u; rename one", l->value, p->vm_line[i]);
            return;
        }
    }
    if (c->nr_vms == CONFIG_MAX_VMS) {
        mistake(p, l->number, l->key_column, "[vm %s] is one too many; at most %u vms", l->value,
                CONFIG_MAX_VMS);
        return;
    }
    struct config_vm *vm = &c->vm[c->nr_vms];
    p->vm_line[c->nr_vms++] = l->number;
    memcpy(vm->name, l->value, strlen(l->value));
    vm->memory_bytes = CONFIG_MEMORY_DEFAULT;
    vm->nr_vcpus = 1;
    vm->cpu = CONFIG_CPU_V2;
    vm->dirty = CONFIG_DIRTY_AUTO;
    p->section = &config_sections[CONFIG_SECTION_VM];
    p->object = vm;
}

static void parse_section(struct parser *p, const struct config_line *l) {
    unsigned id = 0;
    finish_section(p);
    p->section_line = l->number;
    p->seen_keys = 0;
    while (id < CONFIG_NR_SECTIONS && strcmp(config_sections[id].word, l->key) != 0)
        id++;
    if (id == CONFIG_NR_SECTIONS)
        mistake(p, l->number, l->key_column,
                "[%s] is not a section; allowed are [host], [net], [peer NAME], [vm NAME]", l->key);
    else if (config_sections[id].named && l->value[0] == '\0')
        mistake(p, l->number, l->value_column, "[%s] needs a name; write for example %s", l->key,
                config_sections[id].example);
    else if (id == CONFIG_SECTION_PEER)
        begin_peer(p, l);
    else if (id == CONFIG_SECTION_VM)
        begin_vm(p, l);
    else
        begin_plain(p, l, id);
}

static void parse_pair(struct parser *p, const struct config_line *l) {
    if (p->section_line == 0) {
        mistake(p, l->number, l->key_column,
                "\"%s\" stands before the first section; begin with [host], [net], [peer NAME] or [vm NAME]",
                l->key);
        p->section_line = l->number;
    }
    if (p->section == NULL)
        return; /* the mistake has been told */
    const struct config_key *k = config_key_find(p->section, l->key);
    struct reason error;
    if (k == NULL) {
        char list[100];
        config_key_list(p->section, list, sizeof(list));
        mistake(p, l->number, l->key_column, "\"%s\" is not a key of [%s]; allowed are %s", l->key,
                p->section->word, list);
    } else if ((p->seen_keys & BIT(key_index(p, k))) != 0) {
        mistake(p, l->number, l->key_column, "%s is set a second time in this section; keep one", l->key);
    } else {
        if (config_key_store(k, l->value, p->object, &error) != OK)
            mistake(p, l->number, l->value_column, "%s: %s", l->key, error.text);
        else
            p->seen_keys |= (uint32_t)BIT(key_index(p, k));
    }
}

static void parse_line(struct parser *p, const struct config_line *l) {
    if (l->kind == CONFIG_LINE_SECTION)
        parse_section(p, l);
    else if (l->kind == CONFIG_LINE_PAIR)
        parse_pair(p, l);
    else if (l->kind == CONFIG_LINE_BAD)
        mistake(p, l->number, l->error_column, "%s", l->error);
    else if (l->kind == CONFIG_LINE_BINARY && l->number == 1 && l->error_column == 1 && l->byte >= 0xfe)
        mistake(p, 1, 1, "the file is UTF-16; save it as ASCII or UTF-8");
    else if (l->kind == CONFIG_LINE_BINARY)
        mistake(p, l->number, l->error_column,
                "octet 0x%02x is not text; the file must be plain ASCII outside comments", l->byte);
}

result_t config_parse(const char *text, size_t len, struct config *out, struct reason *why) {
    struct parser p = {.out = out, .why = why};
    struct config_lex lex;
    struct config_line line;
    config_defaults(out);
    config_lex_init(&lex, text, len);
    while (config_lex_next(&lex, &line) != CONFIG_LINE_END)
        parse_line(&p, &line);
    finish_section(&p);
    if (p.section_line == 0 && out->nr_errors == 0)
        mistake(&p, 1, 1, "the file %s; write for example: [vm web], and on the next line: kernel = vmlinuz",
                len == 0 ? "is empty" : "has nothing but comments");
    return out->nr_errors == 0 ? OK : fail(ERR_INVAL);
}
