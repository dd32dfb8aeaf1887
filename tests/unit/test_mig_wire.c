/* SPDX-License-Identifier: MIT */
/* Codec and parser: every control record there and back, every flipped bit noticed, every limit kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "migration/receiver.h"

#include "tests/unit/fake_host.h"

#include <stdlib.h>
#include <string.h>

static const uint16_t control_types[] = {
    WIRE_HELLO,   WIRE_HELLO_ACK, WIRE_REJECT,     WIRE_CLOCK_PROBE, WIRE_CLOCK_REPLY, WIRE_KEEPALIVE,
    WIRE_OFFER,   WIRE_ACCEPT,    WIRE_REFUSE,     WIRE_ROUND_BEGIN, WIRE_ROUND_END,   WIRE_ROUND_ACK,
    WIRE_SECTION, WIRE_SEAL,      WIRE_READY,      WIRE_COMMIT,      WIRE_STARTED,     WIRE_DONE,
    WIRE_ABORT,   WIRE_ABORTED,   WIRE_TX_UNKNOWN,
};

static const uint8_t section_data[13] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};

/* A valid message of each type with no field left at 0 where that can be avoided. */
static struct wire_msg sample(uint16_t type) {
    struct wire_msg m;
    memset(&m, 0, sizeof m);
    m.type = type;
    switch (type) {
    case WIRE_HELLO:
        m.u.hello = (struct wire_hello){.magic = WIRE_MAGIC,
                                        .version_min = 1,
                                        .version_max = 3,
                                        .intent = 2,
                                        .boot_id = {1},
                                        .nonce = {2},
                                        .host = "alpha"};
        break;
    case WIRE_HELLO_ACK:
        m.u.hello_ack = (struct wire_hello_ack){.magic = WIRE_MAGIC,
                                                .version = 1,
                                                .boot_id = {1},
                                                .nonce = {2},
                                                .peer_nonce = {3},
                                                .host = "bravo"};
        break;
    case WIRE_REJECT:
        m.u.reject = (struct wire_reject){
            .magic = WIRE_MAGIC, .version_min = 1, .version_max = 2, .code = 1, .text = "no"};
        break;
    case WIRE_CLOCK_PROBE:
    case WIRE_CLOCK_REPLY: m.u.clock = (struct wire_clock){.number = 7, .t1 = 1, .t2 = 2, .t3 = 3}; break;
    case WIRE_KEEPALIVE: m.u.keepalive.now_ns = 0x1122334455667788; break;
    case WIRE_OFFER:
        m.u.offer = (struct wire_offer){.tx = {9},
                                        .uuid = {8},
                                        .name = "web",
                                        .cmdline = "quiet",
                                        .ram_pages = 1024,
                                        .tsc_hz = 5,
                                        .downtime_limit_ns = 6,
                                        .page_bytes = 4096,
                                        .nr_vcpus = 2,
                                        .cpu = 1,
                                        .dirty = 2,
                                        .flags = 2,
                                        .nr_sections = 2,
                                        .features = {1, 2},
                                        .section = {{1, 4}, {2, 5}}};
        break;
    case WIRE_SECTION:
        m.u.section = (struct wire_section){
            .id = 3, .version = 1, .length = sizeof section_data, .data = section_data};
        break;
    case WIRE_ROUND_BEGIN:
    case WIRE_ROUND_END:
    case WIRE_ROUND_ACK:
        m.u.round = (struct wire_round){
            .round = 2, .kind = 2, .pages = 9, .raw_pages = 5, .zero_pages = 4, .octets = 3};
        break;
    case WIRE_REFUSE:
    case WIRE_ABORT:
    case WIRE_ABORTED:
        m.u.failure = (struct wire_failure){.tx = {1}, .token = {2}, .code = 6, .text = "no memory"};
        break;
    case WIRE_SEAL:
        m.u.seal = (struct wire_seal){
            .tx = {1}, .ram_pages = 1024, .digest = 77, .clock_offset_ns = -5, .rounds = 3};
        break;
    default: memset(&m.u, 0x5a, 32); break;
    }
    return m;
}

static void test_wire_every_record_survives_the_way(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(control_types); i++) {
        uint8_t buf[4096], again[4096];
        size_t len, len2;
        struct wire_msg m = sample(control_types[i]), back;
        struct wire_header h;
        assert_int_equal(wire_encode(&m, 3, buf, sizeof buf, &len), OK);
        assert_int_equal(len % 8, 0);
        wire_header_decode(&h, buf);
        assert_int_equal(h.type, control_types[i]);
        assert_int_equal(h.length, len - WIRE_HEADER_BYTES);
        assert_int_equal(wire_decode(h.type, buf + WIRE_HEADER_BYTES, h.length, &back, NULL), OK);
        assert_int_equal(wire_encode(&back, 3, again, sizeof again, &len2), OK);
        assert_int_equal(len2, len);
        assert_memory_equal(buf, again, len);
        assert_string_not_equal(wire_type_str(control_types[i]), "unknown");
    }
}

static enum receiver_result feed_all(const uint8_t *buf, size_t len, size_t piece) {
    struct receiver rx;
    enum receiver_result r = RECEIVER_MORE;
    unsigned budget = 1000;
    assert_int_equal(receiver_init(&rx), OK);
    for (size_t at = 0; at < len && r == RECEIVER_MORE;) {
        size_t used, n = MIN(piece, len - at);
        r = receiver_feed(&rx, buf + at, n, &used, &budget);
        at += used;
    }
    if (r == RECEIVER_ERROR)
        assert_true(strlen(rx.why.text) > 0);
    receiver_exit(&rx);
    return r;
}

static void test_wire_every_flipped_bit_is_noticed(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(control_types); i++) {
        uint8_t buf[4096];
        size_t len;
        struct wire_msg m = sample(control_types[i]);
        assert_int_equal(wire_encode(&m, 0, buf, sizeof buf, &len), OK);
        assert_int_equal(feed_all(buf, len, 7), RECEIVER_RECORD);
        for (size_t bit = 0; bit<len * 8; bit += len> 500 ? 5 : 1) {
            buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_int_not_equal(feed_all(buf, len, 4096), RECEIVER_RECORD);
            buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
    }
}

static void test_wire_lengths_are_exact(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(control_types); i++) {
        uint8_t buf[4096] = {0};
        size_t len;
        struct wire_msg m = sample(control_types[i]), back;
        assert_int_equal(wire_encode(&m, 0, buf, sizeof buf, &len), OK);
        size_t body = len - WIRE_HEADER_BYTES;
        assert_int_equal(wire_decode(m.type, buf + WIRE_HEADER_BYTES, body - 8, &back, NULL), ERR_PROTO);
        assert_int_equal(wire_decode(m.type, buf + WIRE_HEADER_BYTES, body + 8, &back, NULL), ERR_PROTO);
        assert_int_equal(wire_encode(&m, 0, buf, len - 1, &body), ERR_FULL);
    }
}

static void test_wire_bad_fields_are_refused_in_both_directions(void **state) {
    (void)state;
    uint8_t buf[4096];
    size_t len;
    struct wire_msg m = sample(WIRE_OFFER);
    m.u.offer.page_bytes = 8192;
    assert_int_equal(wire_encode(&m, 0, buf, sizeof buf, &len), ERR_INVAL);
    m = sample(WIRE_OFFER);
    m.u.offer.ram_pages = 513;
    assert_int_equal(wire_encode(&m, 0, buf, sizeof buf, &len), ERR_INVAL);
    m = sample(WIRE_OFFER);
    m.u.offer.nr_sections = WIRE_MAX_SECTIONS + 1;
    assert_int_not_equal(wire_encode(&m, 0, buf, sizeof buf, &len), OK);
    m = sample(WIRE_OFFER);
    m.u.offer.name[1] = '\n';
    assert_int_equal(wire_encode(&m, 0, buf, sizeof buf, &len), ERR_INVAL);
    m = sample(WIRE_ABORT);
    m.u.failure.code = 0;
    assert_int_equal(wire_encode(&m, 0, buf, sizeof buf, &len), ERR_INVAL);
    m = sample(WIRE_ROUND_END);
    m.u.round.kind = 4;
    assert_int_equal(wire_encode(&m, 0, buf, sizeof buf, &len), ERR_INVAL);
    m.type = WIRE_PAGES;
    assert_int_equal(wire_encode(&m, 0, buf, sizeof buf, &len), ERR_INVAL);
}

static void test_wire_header_limits(void **state) {
    (void)state;
    struct wire_header h = {.type = WIRE_COMMIT, .length = 32, .seq = 5};
    struct reason why;
    bool known;
    assert_int_equal(wire_header_check(&h, 5, &known, &why), OK);
    assert_int_equal(wire_header_check(&h, 4, &known, &why), ERR_PROTO);
    h.length = 40;
    assert_int_equal(wire_header_check(&h, 5, &known, &why), ERR_PROTO);
    h = (struct wire_header){.type = 0, .length = 8};
    assert_int_equal(wire_header_check(&h, 0, &known, &why), ERR_PROTO);
    h = (struct wire_header){.type = 999, .length = 8};
    assert_int_equal(wire_header_check(&h, 0, &known, &why), ERR_UNSUPP);
    assert_non_null(strstr(why.text, "999"));
    h.flags = WIRE_FLAG_OPTIONAL;
    assert_int_equal(wire_header_check(&h, 0, &known, &why), OK);
    assert_false(known);
    h.length = WIRE_MAX_CONTROL_BYTES + 8;
    assert_int_equal(wire_header_check(&h, 0, &known, &why), ERR_PROTO);
    h = (struct wire_header){.type = WIRE_COMMIT, .flags = 2, .length = 32};
    assert_int_equal(wire_header_check(&h, 0, &known, &why), ERR_PROTO);
}

static void test_wire_unknown_optional_records_are_skipped(void **state) {
    (void)state;
    uint8_t buf[256] = {0};
    size_t len, used;
    unsigned budget = 1;
    struct wire_header h = {.type = 500, .flags = WIRE_FLAG_OPTIONAL, .length = 24};
    struct wire_msg m = sample(WIRE_COMMIT);
    struct receiver rx;
    wire_header_encode(&h, buf);
    assert_int_equal(wire_encode(&m, 1, buf + 40, sizeof buf - 40, &len), OK);
    assert_int_equal(receiver_init(&rx), OK);
    assert_int_equal(receiver_feed(&rx, buf, 40 + len, &used, &budget), RECEIVER_RECORD);
    assert_int_equal(rx.msg.type, WIRE_COMMIT);
    assert_int_equal(used, 40 + len);
    assert_true(receiver_is_idle(&rx));
    receiver_exit(&rx);
}

struct store_bench {
    struct receiver rx;
    struct gmem gmem;
    struct page_store store;
    uint8_t *chunk[1];
    uint8_t *buf;
    size_t len;
};

static void store_begin(struct store_bench *b) {
    memset(b, 0, sizeof *b);
    b->chunk[0] = calloc(1, LARGE_SIZE);
    b->buf = calloc(1, WIRE_HEADER_BYTES + WIRE_MAX_PAGES_BYTES + 64);
    assert_int_equal(gmem_init(&b->gmem, LARGE_SIZE, b->chunk), OK);
    assert_int_equal(page_store_init(&b->store, &b->gmem), OK);
    assert_int_equal(receiver_init(&b->rx), OK);
    receiver_set_store(&b->rx, &b->store);
    struct wire_round r = {.round = 1, .kind = WIRE_ROUND_ALL, .pages = 512};
    assert_int_equal(page_store_round_begin(&b->store, &r, NULL), OK);
}

static void store_end(struct store_bench *b) {
    receiver_exit(&b->rx);
    page_store_exit(&b->store);
    free(b->chunk[0]);
    free(b->buf);
}

static void put64(uint8_t *p, uint64_t v) {
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* A PAGES record with these runs; raw: pages of data. */
static void build_pages(struct store_bench *b, uint32_t round, const struct wire_run *run, unsigned n,
                        unsigned raw) {
    uint8_t *body = b->buf + WIRE_HEADER_BYTES;
    size_t table = 8 + 8 * n;
    put64(body, round | (uint64_t)n << 32);
    for (unsigned i = 0; i < n; i++)
        put64(body + 8 + 8 * i, wire_run_pack(run[i]));
    for (size_t i = 0; i < raw * PAGE_SIZE; i++)
        body[table + i] = (uint8_t)(i * 7 + 1);
    struct wire_header h = {
        .type = WIRE_PAGES, .length = (uint32_t)(table + raw * PAGE_SIZE), .seq = b->rx.seq};
    h.crc = wire_crc(wire_header_crc(&h), body, table);
    wire_header_encode(&h, b->buf);
    b->len = WIRE_HEADER_BYTES + h.length;
}

static enum receiver_result feed_pages(struct store_bench *b, size_t piece, unsigned budget_step) {
    for (size_t at = 0;;) {
        size_t used, n = MIN(piece, b->len - at);
        unsigned budget = budget_step;
        enum receiver_result r = receiver_feed(&b->rx, b->buf + at, n, &used, &budget);
        at += used;
        if (r != RECEIVER_MORE || (at == b->len && receiver_is_idle(&b->rx)))
            return r;
    }
}

static void test_wire_pages_land_where_they_belong(void **state) {
    (void)state;
    static const struct wire_run runs[] = {
        {2, 2, WIRE_PAGE_RAW}, {5, 3, WIRE_PAGE_ZERO}, {511, 1, WIRE_PAGE_RAW}};
    for (size_t piece = 1; piece < 20000; piece = piece * 3 + 1) {
        struct store_bench b;
        store_begin(&b);
        memset(b.chunk[0], 0xee, 16 * PAGE_SIZE);
        build_pages(&b, 1, runs, 3, 3);
        assert_int_equal(feed_pages(&b, piece, 1), RECEIVER_MORE);
        assert_memory_equal(b.chunk[0] + 2 * PAGE_SIZE, b.buf + 16 + 32, 2 * PAGE_SIZE);
        assert_memory_equal(b.chunk[0] + 511 * PAGE_SIZE, b.buf + 16 + 32 + 2 * PAGE_SIZE, PAGE_SIZE);
        assert_int_equal(b.chunk[0][5 * PAGE_SIZE], 0);
        assert_int_equal(b.chunk[0][8 * PAGE_SIZE - 1], 0);
        assert_int_equal(b.chunk[0][8 * PAGE_SIZE], 0xee);
        assert_int_equal(b.store.round_raw, 3);
        assert_int_equal(b.store.round_zero, 3);
        assert_int_equal(b.store.nr_came, 6);
        store_end(&b);
    }
}

static void expect_bad(const struct wire_run *run, unsigned n, unsigned raw, uint32_t round) {
    struct store_bench b;
    store_begin(&b);
    build_pages(&b, round, run, n, raw);
    assert_int_equal(feed_pages(&b, 100000, 100), RECEIVER_ERROR);
    assert_int_equal(b.store.nr_came, 0);
    for (size_t i = 0; i < LARGE_SIZE; i++)
        assert_int_equal(b.chunk[0][i], 0);
    store_end(&b);
}

static void test_wire_bad_run_tables_write_nothing(void **state) {
    (void)state;
    struct wire_run many[WIRE_MAX_RUNS + 1];
    for (unsigned i = 0; i <= WIRE_MAX_RUNS; i++)
        many[i] = (struct wire_run){i, 1, WIRE_PAGE_ZERO};
    expect_bad((struct wire_run[]){{512, 1, WIRE_PAGE_RAW}}, 1, 1, 1);
    expect_bad((struct wire_run[]){{511, 2, WIRE_PAGE_RAW}}, 1, 2, 1);
    expect_bad((struct wire_run[]){{(1ull << 40) - 1, 1, WIRE_PAGE_ZERO}}, 1, 0, 1);
    expect_bad((struct wire_run[]){{0, 0, WIRE_PAGE_RAW}}, 1, 0, 1);
    expect_bad((struct wire_run[]){{0, 1, WIRE_PAGE_INVALID}}, 1, 0, 1);
    expect_bad((struct wire_run[]){{0, 1, WIRE_PAGE_LZ4}}, 1, 1, 1);
    expect_bad((struct wire_run[]){{0, 2, WIRE_PAGE_RAW}}, 1, 1, 1);
    expect_bad((struct wire_run[]){{0, 1, WIRE_PAGE_RAW}}, 1, 2, 1);
    expect_bad((struct wire_run[]){{5, 2, WIRE_PAGE_RAW}, {6, 1, WIRE_PAGE_ZERO}}, 2, 2, 1);
    expect_bad((struct wire_run[]){{0, 1, WIRE_PAGE_ZERO}}, 1, 0, 2);
    expect_bad(many, WIRE_MAX_RUNS + 1, 0, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_every_record_survives_the_way),
        cmocka_unit_test(test_wire_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_wire_lengths_are_exact),
        cmocka_unit_test(test_wire_bad_fields_are_refused_in_both_directions),
        cmocka_unit_test(test_wire_header_limits),
        cmocka_unit_test(test_wire_unknown_optional_records_are_skipped),
        cmocka_unit_test(test_wire_pages_land_where_they_belong),
        cmocka_unit_test(test_wire_bad_run_tables_write_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
