/* SPDX-License-Identifier: MIT */
/* wire.h - docs/wire-format.md in C: record header, record types, message bodies, limits, name tables, codec.
 * - wire_header_encode / wire_header_decode: the 16 octets before each body.
 * - wire_encode / wire_decode: one control record; every field is checked in both directions.
 * - wire_run_pack / wire_run_unpack: entries of the run table of a PAGES record (the pages are the caller's
 * business).
 * - wire_crc: CRC-32C (Castagnoli, reflected, no inversion) over a multiple of 8 octets.
 * - wire_type_str, wire_code_str, ...: names, never NULL.
 * All integers are little-endian. Value 0 is invalid in every enumeration. Pure: no globals, no I/O. */
#ifndef MIGRATION_WIRE_H
#define MIGRATION_WIRE_H

#include "guest/vm.h"
#include "kernel/result.h"

#define WIRE_PORT 7600u                  /* default TCP port */
#define WIRE_MAGIC 0x474d544957444f47ull /* "GODWITMG" */
#define WIRE_VERSION_MIN 1u
#define WIRE_VERSION_MAX 1u

#define WIRE_HEADER_BYTES 16u
#define WIRE_FLAG_OPTIONAL 1u /* a receiver that does not know the type skips the record */
#define WIRE_FLAGS_KNOWN WIRE_FLAG_OPTIONAL

#define WIRE_ID_LEN 16u
#define WIRE_HOST_LEN 32u
#define WIRE_MAX_SECTIONS 64u
#define WIRE_MAX_RUNS 64u      /* runs in one PAGES record */
#define WIRE_MAX_RAW_PAGES 64u /* pages with content in one PAGES record */
#define WIRE_PAGES_HEAD_BYTES 8u
#define WIRE_MAX_RUN_PAGES 65535u
#define WIRE_MAX_VM_PAGES (1ull << 32) /* 16 TiB */
#define WIRE_MAX_VCPUS 1024u
#define WIRE_MAX_CONTROL_BYTES (VM_SECTION_MAX_BYTES + 8u) /* longest body except that of PAGES */
#define WIRE_MAX_SMALL_BYTES 2048u                         /* longest control body except that of SECTION */
#define WIRE_MAX_PAGES_BYTES \
    (WIRE_PAGES_HEAD_BYTES + 8u * WIRE_MAX_RUNS + WIRE_MAX_RAW_PAGES * (uint32_t)PAGE_SIZE)

enum wire_type {
    WIRE_INVALID = 0,
    WIRE_HELLO = 1,
    WIRE_HELLO_ACK = 2,
    WIRE_REJECT = 3,
    WIRE_CLOCK_PROBE = 4,
    WIRE_CLOCK_REPLY = 5,
    WIRE_KEEPALIVE = 6,
    WIRE_OFFER = 16,
    WIRE_ACCEPT = 17,
    WIRE_REFUSE = 18,
    WIRE_ROUND_BEGIN = 32,
    WIRE_PAGES = 33,
    WIRE_ROUND_END = 34,
    WIRE_ROUND_ACK = 35,
    WIRE_SECTION = 48,
    WIRE_SEAL = 49,
    WIRE_READY = 50,
    WIRE_COMMIT = 51,
    WIRE_STARTED = 52,
    WIRE_DONE = 53,
    WIRE_ABORT = 64,
    WIRE_ABORTED = 65,
    WIRE_TX_UNKNOWN = 66,
    WIRE_NR_TYPES
};

enum wire_intent { WIRE_INTENT_INVALID = 0, WIRE_INTENT_MIGRATE = 1, WIRE_INTENT_RESOLVE = 2 };

enum wire_round_kind {
    WIRE_ROUND_INVALID = 0,
    WIRE_ROUND_ALL = 1,
    WIRE_ROUND_DIRTY = 2,
    WIRE_ROUND_FINAL = 3
};

enum wire_page_kind {
    WIRE_PAGE_INVALID = 0,
    WIRE_PAGE_RAW = 1,
    WIRE_PAGE_ZERO = 2,
    WIRE_PAGE_SAME = 3,  /* reserved */
    WIRE_PAGE_DELTA = 4, /* reserved */
    WIRE_PAGE_LZ4 = 5,   /* reserved */
};

/* Why something was rejected, refused or aborted; the text beside it is for people. */
enum wire_code {
    WIRE_CODE_INVALID = 0,
    WIRE_CODE_VERSION = 1,         /* no common protocol version */
    WIRE_CODE_PROTOCOL = 2,        /* malformed, out of order, or checksum error */
    WIRE_CODE_UNKNOWN_RECORD = 3,  /* a mandatory record type that the receiver does not know */
    WIRE_CODE_CPU_FEATURE = 4,     /* the target's CPU lacks a feature the guest was given */
    WIRE_CODE_TSC = 5,             /* the target cannot give the guest its TSC frequency */
    WIRE_CODE_MEMORY = 6,          /* not enough memory */
    WIRE_CODE_NAME = 7,            /* a live VM has this name */
    WIRE_CODE_BUSY = 8,            /* too many migrations */
    WIRE_CODE_SECTION = 9,         /* a state section or its version does not fit, or did not load */
    WIRE_CODE_DIGEST = 10,         /* page counts or digests differ */
    WIRE_CODE_CANCELLED = 11,      /* an operator said stop */
    WIRE_CODE_SILENT = 12,         /* the peer said nothing for too long */
    WIRE_CODE_LINK = 13,           /* the connection is gone */
    WIRE_CODE_DEADLINE = 14,       /* the guest would have been paused for too long */
    WIRE_CODE_LEASE = 15,          /* no COMMIT came while the READY copy was held */
    WIRE_CODE_NOT_CONVERGING = 16, /* the guest dirties memory faster than the link carries it */
    WIRE_CODE_INTERNAL = 17,       /* a local operation failed */
    WIRE_CODE_SPEC = 18,           /* the description of the VM is not acceptable */
    WIRE_CODE_REPLAY = 19,         /* this transaction was already finished */
    WIRE_CODE_UNSUPPORTED = 20,    /* understood, but not done here */
    WIRE_CODE_GUEST = 21,          /* the guest ended or was stopped during the migration */
    WIRE_NR_CODES
};

const char *wire_type_str(unsigned type);
const char *wire_code_str(unsigned code);
const char *wire_round_kind_str(unsigned kind);
const char *wire_page_kind_str(unsigned kind);

struct wire_header {
    uint16_t type;
    uint16_t flags;
    uint32_t length; /* of the body, octets, multiple of 8 */
    uint32_t seq;    /* number of this record in its direction of the connection, from 0 */
    uint32_t crc;    /* CRC-32C of the header with crc = 0 and the body (PAGES: up to the end of the table) */
};

struct wire_hello { /* HELLO */
    uint64_t magic;
    uint16_t version_min, version_max;
    uint32_t intent;
    uint8_t boot_id[WIRE_ID_LEN];
    uint8_t nonce[WIRE_ID_LEN];
    char host[WIRE_HOST_LEN];
};

struct wire_hello_ack { /* HELLO_ACK */
    uint64_t magic;
    uint16_t version;
    uint8_t boot_id[WIRE_ID_LEN];
    uint8_t nonce[WIRE_ID_LEN];      /* the answering side's own */
    uint8_t peer_nonce[WIRE_ID_LEN]; /* the one from HELLO */
    char host[WIRE_HOST_LEN];
};

struct wire_reject { /* REJECT: magic and position never change, so that any version can read it */
    uint64_t magic;
    uint16_t version_min, version_max;
    uint32_t code;
    char text[REASON_LEN];
};

struct wire_clock { /* CLOCK_PROBE: t1; CLOCK_REPLY: t1, t2, t3. Each in the writer's time_now_ns axis */
    uint32_t number;
    uint64_t t1, t2, t3;
};

struct wire_keepalive {
    uint64_t now_ns;
};

struct wire_section_id {
    uint16_t id, version;
};

#define WIRE_OFFER_DRY_RUN 1u
#define WIRE_OFFER_AUTOSTART 2u
#define WIRE_OFFER_AUDIT 4u
#define WIRE_OFFER_FLAGS_KNOWN 7u

struct wire_offer { /* OFFER */
    uint8_t tx[WIRE_ID_LEN];
    uint8_t uuid[VM_UUID_LEN];
    char name[VM_NAME_LEN];
    char cmdline[VM_CMDLINE_LEN];
    uint64_t ram_pages;
    uint64_t tsc_hz;
    uint64_t downtime_limit_ns;
    uint32_t page_bytes;
    uint32_t nr_vcpus;
    uint32_t cpu;   /* enum cpu_baseline */
    uint32_t dirty; /* enum dirty_method configured for the VM */
    uint32_t flags;
    uint32_t nr_sections;
    uint32_t features[VM_CPU_FEATURE_WORDS];
    struct wire_section_id section[WIRE_MAX_SECTIONS];
};

struct wire_accept { /* ACCEPT */
    uint8_t tx[WIRE_ID_LEN];
    uint64_t lease_ns; /* how long a READY copy will be held */
};

struct wire_failure { /* REFUSE, ABORT, ABORTED */
    uint8_t tx[WIRE_ID_LEN];
    uint8_t token[WIRE_ID_LEN]; /* ABORTED after READY: the token; otherwise zero */
    uint32_t code;
    char text[REASON_LEN];
};

/* ROUND_BEGIN: round, kind, pages. ROUND_END, ROUND_ACK: all fields. */
struct wire_round {
    uint32_t round;
    uint32_t kind;
    uint64_t pages;
    uint64_t raw_pages, zero_pages, octets;
};

struct wire_section { /* SECTION */
    uint16_t id, version;
    uint32_t length;
    const uint8_t *data;
};

struct wire_seal { /* SEAL */
    uint8_t tx[WIRE_ID_LEN];
    uint64_t ram_pages;
    uint64_t raw_pages, zero_pages; /* over all rounds */
    uint64_t digest;                /* sum of the page hashes of the final image */
    uint64_t section_digest;
    uint64_t pause_ns;       /* source time of the last VM exit */
    int64_t clock_offset_ns; /* target time minus source time */
    uint64_t clock_error_ns; /* bound of the offset's error */
    uint32_t rounds;         /* including the final one */
    uint32_t nr_sections;
};

struct wire_ready { /* READY */
    uint8_t tx[WIRE_ID_LEN];
    uint8_t token[WIRE_ID_LEN];
    uint64_t digest;
    uint64_t section_digest;
    uint64_t lease_ns;
};

struct wire_commit { /* COMMIT, DONE, TX_UNKNOWN (token: as asked) */
    uint8_t tx[WIRE_ID_LEN];
    uint8_t token[WIRE_ID_LEN];
};

struct wire_started { /* STARTED */
    uint8_t tx[WIRE_ID_LEN];
    uint8_t token[WIRE_ID_LEN];
    uint64_t first_entry_ns;   /* target time of the first VM entry */
    uint64_t blackout_ns;      /* what the guest's clocks were advanced by */
    uint64_t seal_received_ns; /* target times, for the split of the blackout */
    uint64_t ready_sent_ns;
    uint64_t commit_received_ns;
};

struct wire_msg {
    uint16_t type;
    union {
        struct wire_hello hello;
        struct wire_hello_ack hello_ack;
        struct wire_reject reject;
        struct wire_clock clock;
        struct wire_keepalive keepalive;
        struct wire_offer offer;
        struct wire_accept accept;
        struct wire_failure failure;
        struct wire_round round;
        struct wire_section section;
        struct wire_seal seal;
        struct wire_ready ready;
        struct wire_commit commit;
        struct wire_started started;
    } u;
};

/* wire_crc - continue a CRC-32C over len octets (multiple of 8; any alignment). */
uint32_t wire_crc(uint32_t crc, const void *data, size_t len);

void wire_header_encode(const struct wire_header *h, uint8_t out[WIRE_HEADER_BYTES]);
void wire_header_decode(struct wire_header *h, const uint8_t in[WIRE_HEADER_BYTES]);
/* wire_header_crc - CRC state after the header with its crc field taken as 0. */
uint32_t wire_header_crc(const struct wire_header *h);

/* wire_header_check - flags, sequence number, length limits of a header that was received.
 * known: set to false for an unknown optional type (to be skipped). Errors with a reason: ERR_PROTO,
 * ERR_UNSUPP. */
result_t wire_header_check(const struct wire_header *h, uint32_t seq, bool *known,
                           struct reason *why) MUST_CHECK;

/* wire_encode - header and body of a control record (any type but PAGES) into buf.
 * ERR_FULL: cap too small. ERR_INVAL: a field is out of bounds. */
result_t wire_encode(const struct wire_msg *msg, uint32_t seq, uint8_t *buf, size_t cap,
                     size_t *used) MUST_CHECK;

/* wire_decode - the body of a control record. SECTION data points into body. ERR_PROTO with a reason. */
result_t wire_decode(uint16_t type, const uint8_t *body, size_t len, struct wire_msg *msg,
                     struct reason *why) MUST_CHECK;

struct wire_run {
    uint64_t first;
    uint32_t count;
    uint8_t kind; /* enum wire_page_kind */
};

/* first: bits 0-39, count: bits 40-55, kind: bits 56-63. */
static inline uint64_t wire_run_pack(struct wire_run r) {
    return r.first | (uint64_t)r.count << 40 | (uint64_t)r.kind << 56;
}

static inline struct wire_run wire_run_unpack(uint64_t v) {
    return (struct wire_run){
        .first = v & (BIT(40) - 1), .count = (uint32_t)(v >> 40) & 0xffffu, .kind = (uint8_t)(v >> 56)};
}

#endif
