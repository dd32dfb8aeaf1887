/* SPDX-License-Identifier: MIT */
#include "kernel/config_keys.h"

#include <stdio.h>
#include <string.h>

#include "kernel/config.h"
#include "kernel/config_value.h"

#define FIELD(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)

_Static_assert(offsetof(struct config_net, prefix) == offsetof(struct config_net, address) + 4,
               "address, then prefix");
_Static_assert(offsetof(struct config_peer, port) == offsetof(struct config_peer, address) + 4,
               "address, then port");

static const struct config_word words_console[] = {
    {"com1", CONFIG_CONSOLE_COM1}, {"com2", CONFIG_CONSOLE_COM2}, {0}};
static const struct config_word words_log[] = {
    {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {0}};
static const struct config_word words_mode[] = {
    {"dhcp", CONFIG_MODE_DHCP}, {"static", CONFIG_MODE_STATIC}, {0}};
static const struct config_word words_cpu[] = {
    {"v2", CONFIG_CPU_V2}, {"v3", CONFIG_CPU_V3}, {"host", CONFIG_CPU_HOST}, {0}};
static const struct config_word words_dirty[] = {{"auto", CONFIG_DIRTY_AUTO},
                                                 {"pml", CONFIG_DIRTY_PML},
                                                 {"dbit", CONFIG_DIRTY_DBIT},
                                                 {"wp", CONFIG_DIRTY_WP},
                                                 {0}};
static const struct config_word words_yes[] = {{"yes", 1}, {"no", 0}, {0}};

static const struct config_key keys_host[] = {
    {"name", CONFIG_KIND_NAME, FIELD(struct config_host, name)},
    {"console", CONFIG_KIND_WORD, FIELD(struct config_host, console), .words = words_console},
    {"log", CONFIG_KIND_WORD, FIELD(struct config_host, log), .words = words_log},
    {"migration_port", CONFIG_KIND_NUMBER, FIELD(struct config_host, migration_port), .min = 1,
     .max = UINT16_MAX},
};
static const struct config_key keys_net[] = {
    {"mode", CONFIG_KIND_WORD, FIELD(struct config_net, mode), .words = words_mode},
    {"address", CONFIG_KIND_NETWORK, FIELD(struct config_net, address)},
    {"gateway", CONFIG_KIND_IPV4, FIELD(struct config_net, gateway)},
    {"mac", CONFIG_KIND_MAC, FIELD(struct config_net, mac)},
    {"nic", CONFIG_KIND_NUMBER, FIELD(struct config_net, nic), .min = 0, .max = 31},
};
static const struct config_key keys_peer[] = {
    {"address", CONFIG_KIND_ENDPOINT, FIELD(struct config_peer, address)},
};
static const struct config_key keys_vm[] = {
    {"kernel", CONFIG_KIND_FILE, FIELD(struct config_vm, kernel)},
    {"initrd", CONFIG_KIND_FILE, FIELD(struct config_vm, initrd)},
    {"cmdline", CONFIG_KIND_TEXT, FIELD(struct config_vm, cmdline)},
    {"memory", CONFIG_KIND_MEMORY, FIELD(struct config_vm, memory_bytes), .min = CONFIG_MEMORY_MIN,
     .max = CONFIG_MEMORY_MAX},
    {"vcpus", CONFIG_KIND_NUMBER, FIELD(struct config_vm, nr_vcpus), .min = 1, .max = CONFIG_MAX_VCPUS},
    {"cpu", CONFIG_KIND_WORD, FIELD(struct config_vm, cpu), .words = words_cpu},
    {"dirty", CONFIG_KIND_WORD, FIELD(struct config_vm, dirty), .words = words_dirty},
    {"autostart", CONFIG_KIND_WORD, FIELD(struct config_vm, autostart), .words = words_yes},
};

const struct config_section config_sections[CONFIG_NR_SECTIONS] = {
    [CONFIG_SECTION_HOST] = {"host", false, "[host]", keys_host, ARRAY_LEN(keys_host)},
    [CONFIG_SECTION_NET] = {"net", false, "[net]", keys_net, ARRAY_LEN(keys_net)},
    [CONFIG_SECTION_PEER] = {"peer", true, "[peer beta]", keys_peer, ARRAY_LEN(keys_peer)},
    [CONFIG_SECTION_VM] = {"vm", true, "[vm web]", keys_vm, ARRAY_LEN(keys_vm)},
};

const struct config_key *config_key_find(const struct config_section *s, const char *name) {
    for (unsigned i = 0; i < s->nr_keys; i++) {
        if (strcmp(s->keys[i].name, name) == 0)
            return &s->keys[i];
    }
    return NULL;
}

static void append(char *buf, size_t cap, const char *text) {
    size_t have = strlen(buf), more = MIN(strlen(text), cap - 1 - have);
    memcpy(buf + have, text, more);
    buf[have + more] = '\0';
}

void config_key_list(const struct config_section *s, char *buf, size_t cap) {
    buf[0] = '\0';
    for (unsigned i = 0; i < s->nr_keys; i++) {
        append(buf, cap, i > 0 ? ", " : "");
        append(buf, cap, s->keys[i].name);
    }
}

static result_t store_string(const struct config_key *k, const char *value, char *field,
                             struct reason *error) {
    size_t len = strlen(value);
    if (len >= k->size)
        return reason_set(error, ERR_INVAL, "%zu characters are too many; at most %zu fit", len, k->size - 1);
    if (k->kind == CONFIG_KIND_NAME && strpbrk(value, " \t\"/\\:") != NULL)
        return reason_set(error, ERR_INVAL, "\"%.40s\" is not a name; write one word, for example alpha",
                          value);
    memset(field, 0, k->size);
    memcpy(field, value, len);
    for (char *c = field; *c != '\0'; c++)
        if (*c == '\t')
            *c = ' '; /* to a kernel the same; the migration stream carries no control characters */
    return OK;
}

/* Integer fields have 1, 2, 4 or 8 octets; enums count as 4. */
static void store_integer(const struct config_key *k, uint64_t v, void *field) {
    memcpy(field, &v, k->size); /* x86: the low octets come first */
}

static result_t store_word(const struct config_key *k, const char *value, void *field, struct reason *error) {
    char allowed[80] = "";
    for (const struct config_word *w = k->words; w->text != NULL; w++) {
        if (strcmp(value, w->text) == 0) {
            store_integer(k, w->value, field);
            return OK;
        }
        append(allowed, sizeof(allowed), w == k->words ? "" : ", ");
        append(allowed, sizeof(allowed), w->text);
    }
    return reason_set(error, ERR_INVAL, "\"%.40s\" is not one of the choices; allowed are %s", value,
                      allowed);
}

static result_t store_number(const struct config_key *k, const char *value, void *field,
                             struct reason *error) {
    uint64_t v;
    if (!config_value_number(value, &v))
        return reason_set(error, ERR_INVAL, "\"%.40s\" is not a number; write %llu to %llu", value,
                          (unsigned long long)k->min, (unsigned long long)k->max);
    if (v < k->min || v > k->max)
        return reason_set(error, ERR_INVAL, "%.40s is out of range; write %llu to %llu", value,
                          (unsigned long long)k->min, (unsigned long long)k->max);
    store_integer(k, v, field);
    return OK;
}

static result_t store_memory(const struct config_key *k, const char *value, void *field,
                             struct reason *error) {
    uint64_t v;
    unsigned min_mib = (unsigned)(k->min / MIB), max_gib = (unsigned)(k->max / GIB);
    if (!config_value_size(value, &v))
        return reason_set(error, ERR_INVAL, "\"%.40s\" is not a size; write for example 256M (%uM to %uG)",
                          value, min_mib, max_gib);
    if (v < k->min || v > k->max)
        return reason_set(error, ERR_INVAL, "%.40s is out of range; write %uM to %uG", value, min_mib,
                          max_gib);
    if (v % LARGE_SIZE != 0)
        return reason_set(error, ERR_INVAL, "%.40s is not a multiple of 2M; the next one is %lluM", value,
                          (unsigned long long)(ALIGN_UP(v, LARGE_SIZE) / MIB));
    store_integer(k, v, field);
    return OK;
}

static result_t store_address(const struct config_key *k, const char *value, uint8_t *field,
                              struct reason *error) {
    static const char *const example[] = {
        [CONFIG_KIND_IPV4] = "an IPv4 address; write for example 10.0.0.254",
        [CONFIG_KIND_NETWORK] = "an address with its prefix length; write for example 10.0.0.1/24",
        [CONFIG_KIND_ENDPOINT] = "a host's address; write for example 10.0.0.2 or 10.0.0.2:7600",
        [CONFIG_KIND_MAC] = "a station's MAC address; write for example 52:54:00:12:34:56",
    };
    uint16_t port = CONFIG_MIGRATION_PORT;
    bool good = false;
    if (k->kind == CONFIG_KIND_IPV4)
        good = config_value_ipv4(value, field);
    else if (k->kind == CONFIG_KIND_NETWORK)
        good = config_value_network(value, field, field + 4);
    else if (k->kind == CONFIG_KIND_MAC)
        good = config_value_mac(value, field);
    else if (config_value_endpoint(value, field, &port)) {
        memcpy(field + 4, &port, sizeof(port));
        good = true;
    }
    return good ? OK : reason_set(error, ERR_INVAL, "\"%.40s\" is not %s", value, example[k->kind]);
}

result_t config_key_store(const struct config_key *k, const char *value, void *object, struct reason *error) {
    uint8_t *field = (uint8_t *)object + k->offset;
    if (value[0] == '\0' && k->kind != CONFIG_KIND_TEXT)
        return reason_set(error, ERR_INVAL, "a value is missing after '='");
    switch (k->kind) {
    case CONFIG_KIND_NAME:
    case CONFIG_KIND_FILE:
    case CONFIG_KIND_TEXT:
        return store_string(k, value, (char *)field, error);
    case CONFIG_KIND_WORD:
        return store_word(k, value, field, error);
    case CONFIG_KIND_NUMBER:
        return store_number(k, value, field, error);
    case CONFIG_KIND_MEMORY:
        return store_memory(k, value, field, error);
    case CONFIG_KIND_IPV4:
    case CONFIG_KIND_NETWORK:
    case CONFIG_KIND_ENDPOINT:
    case CONFIG_KIND_MAC:
        return store_address(k, value, field, error);
    }
    return fail(ERR_INVAL);
}
