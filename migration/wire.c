/* SPDX-License-Identifier: MIT */
#include "migration/wire.h"

#include <string.h>

struct type_info {
    const char *name;
    uint32_t min_length, max_length; /* of the body */
};

static const struct type_info types[WIRE_NR_TYPES] = {
    [WIRE_HELLO] = {"HELLO", 80, 80},
    [WIRE_HELLO_ACK] = {"HELLO_ACK", 96, 96},
    [WIRE_REJECT] = {"REJECT", 216, 216},
    [WIRE_CLOCK_PROBE] = {"CLOCK_PROBE", 32, 32},
    [WIRE_CLOCK_REPLY] = {"CLOCK_REPLY", 32, 32},
    [WIRE_KEEPALIVE] = {"KEEPALIVE", 8, 8},
    [WIRE_OFFER] = {"OFFER", 1200, 1200 + 8 * WIRE_MAX_SECTIONS},
    [WIRE_ACCEPT] = {"ACCEPT", 24, 24},
    [WIRE_REFUSE] = {"REFUSE", 240, 240},
    [WIRE_ROUND_BEGIN] = {"ROUND_BEGIN", 40, 40},
    [WIRE_PAGES] = {"PAGES", WIRE_PAGES_HEAD_BYTES + 8, WIRE_MAX_PAGES_BYTES},
    [WIRE_ROUND_END] = {"ROUND_END", 40, 40},
    [WIRE_ROUND_ACK] = {"ROUND_ACK", 40, 40},
    [WIRE_SECTION] = {"SECTION", 8, WIRE_MAX_CONTROL_BYTES},
    [WIRE_SEAL] = {"SEAL", 88, 88},
    [WIRE_READY] = {"READY", 56, 56},
    [WIRE_COMMIT] = {"COMMIT", 32, 32},
    [WIRE_STARTED] = {"STARTED", 72, 72},
    [WIRE_DONE] = {"DONE", 32, 32},
    [WIRE_ABORT] = {"ABORT", 240, 240},
    [WIRE_ABORTED] = {"ABORTED", 240, 240},
    [WIRE_TX_UNKNOWN] = {"TX_UNKNOWN", 32, 32},
};

static const char *const codes[WIRE_NR_CODES] = {
    [WIRE_CODE_VERSION] = "version",
    [WIRE_CODE_PROTOCOL] = "protocol",
    [WIRE_CODE_UNKNOWN_RECORD] = "unknown-record",
    [WIRE_CODE_CPU_FEATURE] = "cpu-feature",
    [WIRE_CODE_TSC] = "tsc",
    [WIRE_CODE_MEMORY] = "memory",
    [WIRE_CODE_NAME] = "name",
    [WIRE_CODE_BUSY] = "busy",
    [WIRE_CODE_SECTION] = "section",
    [WIRE_CODE_DIGEST] = "digest",
    [WIRE_CODE_CANCELLED] = "cancelled",
    [WIRE_CODE_SILENT] = "silent",
    [WIRE_CODE_LINK] = "link",
    [WIRE_CODE_DEADLINE] = "deadline",
    [WIRE_CODE_LEASE] = "lease",
    [WIRE_CODE_NOT_CONVERGING] = "not-converging",
    [WIRE_CODE_INTERNAL] = "internal",
    [WIRE_CODE_SPEC] = "spec",
    [WIRE_CODE_REPLAY] = "replay",
    [WIRE_CODE_UNSUPPORTED] = "unsupported",
    [WIRE_CODE_GUEST] = "guest",
};

const char *wire_type_str(unsigned type) {
    return type < WIRE_NR_TYPES && types[type].name != NULL ? types[type].name : "unknown";
}

const char *wire_code_str(unsigned code) {
    return code < WIRE_NR_CODES && codes[code] != NULL ? codes[code] : "unknown";
}

const char *wire_round_kind_str(unsigned kind) {
    static const char *const names[] = {"invalid", "all", "dirty", "final"};
    return kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}

const char *wire_page_kind_str(unsigned kind) {
    static const char *const names[] = {"invalid", "raw", "zero", "same", "delta", "lz4"};
    return kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}

uint32_t wire_crc(uint32_t crc, const void *data, size_t len) {
    const uint8_t *p = data;
    uint64_t state = crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        __asm__("crc32q %1, %0" : "+r"(state) : "rm"(word));
    }
    return (uint32_t)state;
}

static void put(uint8_t *p, uint32_t v, unsigned octets) {
    for (unsigned i = 0; i < octets; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get(const uint8_t *p, unsigned octets) {
    uint32_t v = 0;
    for (unsigned i = 0; i < octets; i++)
        v |= (uint32_t)p[i] << (8 * i);
    return v;
}

void wire_header_encode(const struct wire_header *h, uint8_t out[WIRE_HEADER_BYTES]) {
    put(out, h->type, 2);
    put(out + 2, h->flags, 2);
    put(out + 4, h->length, 4);
    put(out + 8, h->seq, 4);
    put(out + 12, h->crc, 4);
}

void wire_header_decode(struct wire_header *h, const uint8_t in[WIRE_HEADER_BYTES]) {
    *h = (struct wire_header){
        .type = (uint16_t)get(in, 2),
        .flags = (uint16_t)get(in + 2, 2),
        .length = get(in + 4, 4),
        .seq = get(in + 8, 4),
        .crc = get(in + 12, 4),
    };
}

uint32_t wire_header_crc(const struct wire_header *h) {
    uint8_t octets[WIRE_HEADER_BYTES];
    struct wire_header copy = *h;
    copy.crc = 0;
    wire_header_encode(&copy, octets);
    return wire_crc(0xffffffffu, octets, sizeof octets);
}

result_t wire_header_check(const struct wire_header *h, uint32_t seq, bool *known, struct reason *why) {
    if (h->type == WIRE_INVALID || (h->flags & ~WIRE_FLAGS_KNOWN) != 0 || h->length % 8 != 0)
        return reason_set(why, ERR_PROTO, "this is no migration stream: record type %u, flags %#x, length %u",
                          h->type, h->flags, h->length);
    if (h->seq != seq)
        return reason_set(why, ERR_PROTO,
                          "record %u came where record %u was due: lost, repeated or reordered", h->seq, seq);
    *known = h->type < WIRE_NR_TYPES && types[h->type].name != NULL;
    if (!*known && (h->flags & WIRE_FLAG_OPTIONAL) == 0)
        return reason_set(why, ERR_UNSUPP,
                          "mandatory record type %u is not known here; use the same version on "
                          "both hosts",
                          h->type);
    if (!*known)
        return h->length <= WIRE_MAX_CONTROL_BYTES
                   ? OK
                   : reason_set(why, ERR_PROTO, "optional record type %u has %u octets, the limit is %lu",
                                h->type, h->length, WIRE_MAX_CONTROL_BYTES);
    const struct type_info *t = &types[h->type];
    if (h->length < t->min_length || h->length > t->max_length)
        return reason_set(why, ERR_PROTO, "%s record has %u octets, allowed are %u to %u", t->name, h->length,
                          t->min_length, t->max_length);
    return OK;
}
