/* SPDX-License-Identifier: MIT */
/* config_keys.h - the sections and keys of godwit.cfg as tables, and how a value is checked and stored. */
#ifndef KERNEL_CONFIG_KEYS_H
#define KERNEL_CONFIG_KEYS_H

#include "kernel/result.h"

enum config_kind {
    CONFIG_KIND_NAME = 1, /* a word */
    CONFIG_KIND_FILE,     /* a file's name */
    CONFIG_KIND_TEXT,     /* anything that fits */
    CONFIG_KIND_WORD,     /* one of a list */
    CONFIG_KIND_NUMBER,   /* min to max */
    CONFIG_KIND_MEMORY,   /* a size, multiple of 2 MiB */
    CONFIG_KIND_IPV4,
    CONFIG_KIND_NETWORK,  /* address, and the prefix in the octet behind it */
    CONFIG_KIND_ENDPOINT, /* address, and the port in the two octets behind it */
    CONFIG_KIND_MAC
};

struct config_word {
    const char *text;
    uint8_t value;
};

struct config_key {
    const char *name;
    enum config_kind kind;
    size_t offset;                   /* of the field in its section's struct */
    size_t size;                     /* of the field */
    const struct config_word *words; /* ends with text NULL */
    uint64_t min, max;
};

struct config_section {
    const char *word;
    bool named;          /* [word NAME], may appear several times with different names */
    const char *example; /* how to write it */
    const struct config_key *keys;
    unsigned nr_keys;
};

enum config_section_id {
    CONFIG_SECTION_HOST,
    CONFIG_SECTION_NET,
    CONFIG_SECTION_PEER,
    CONFIG_SECTION_VM,
    CONFIG_NR_SECTIONS
};
extern const struct config_section config_sections[CONFIG_NR_SECTIONS];

/* config_key_find - NULL when the section has no such key. */
const struct config_key *config_key_find(const struct config_section *s, const char *name);
/* config_key_list - the section's keys as "a, b, c". */
void config_key_list(const struct config_section *s, char *buf, size_t cap);
/* config_key_store - check value and store it in object, the section's struct.
 * ERR_INVAL with "what was found; what is allowed" in error; object untouched. */
result_t config_key_store(const struct config_key *k, const char *value, void *object,
                          struct reason *error) MUST_CHECK;

#endif
