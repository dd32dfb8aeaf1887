/* SPDX-License-Identifier: MIT */
/* fuzz_stream.c - hostile peers of both sides of a migration.
 * Input: one octet of mode, then either raw octets or records {u8 type, u8 control, u16 length, body}, to
 * which sequence numbers and checksums are added so that the checks behind them are reached.
 * mode bit 0: records; bit 1: we play the target and the code under test is a source; bit 2: begin with a
 * sound greeting. control bit 0: PAGES get as many zero octets of content as their table asks for; bit 1:
 * transaction and token of the session are put where they belong; bit 2: digests (of READY, SEAL) and
 * HELLO_ACK's nonce are made right; bit 3: time passes. Whatever comes: nothing crashes, a target runs the
 * guest only after COMMIT in READY, a source gives it up only for STARTED after COMMIT. */
#include <string.h>

#include "migration/session.h"
#include "tests/fuzz/fuzz.h"

/* The fakes of the unit tests; the fuzz build links pure sources only. */
#include "tests/unit/fake_host.c"
#include "tests/unit/fake_stream.c"
#include "tests/unit/fake_vm.c"

#define POLLS 40

static struct migration_host host;
static struct stream *peer; /* our end */
static struct vm *guest;    /* on the source */
static uint32_t seq;
static bool started_was_sent, commit_was_sent; /* in the state in which it counts */

static struct session *session(void) {
    for (unsigned i = 0; i < HOST_MAX_SESSIONS; i++)
        if (host.session[i].used && !host.session[i].final_told)
            return &host.session[i];
    return NULL;
}

static void poll_some(unsigned n, uint64_t ns) {
    while (n-- > 0) {
        fake_stream_poll();
        host_poll(&host);
        fake_vm_run();
        fake_time_ns += ns;
        if (peer != NULL && !is_alive(peer))
            peer = NULL;
        size_t len = 0;
        if (peer != NULL && stream_peek(peer, &len) != NULL)
            stream_consume(peer, len);
    }
}

static void on_accept(void *ctx, struct stream *s, struct net_addr from) {
    (void)ctx;
    (void)from;
    peer = s;
}

static void write_octets(const uint8_t *data, size_t len) {
    if (peer != NULL && !peer->closed && stream_space(peer) >= len)
        FUZZ_CHECK(stream_write(peer, data, len) == OK);
}

static void patch(uint8_t type, uint8_t control, uint8_t *body, size_t len) {
    const struct session *s = session();
    if (s == NULL || len < 32)
        return;
    if ((control & 2) != 0 && type != WIRE_OFFER && type != WIRE_HELLO) {
        memcpy(body, s->tx, WIRE_ID_LEN);
        if (type != WIRE_SEAL && type != WIRE_READY)
            memcpy(body + WIRE_ID_LEN, s->token, WIRE_ID_LEN);
    }
    if ((control & 4) != 0 && type == WIRE_READY && len >= 56) {
        memcpy(body + 32, &s->src.seal.digest, 8);
        memcpy(body + 40, &s->src.seal.section_digest, 8);
    }
    if ((control & 4) != 0 && type == WIRE_HELLO_ACK && len >= 96) {
        memcpy(body + 48, s->nonce, WIRE_ID_LEN);
    }
    if ((control & 4) != 0 && type == WIRE_SEAL && len >= 88) {
        uint64_t sections = session_section_digest(s->tgt.section_crc, s->tgt.section_octets);
        memcpy(body + 40, &s->tgt.store.digest, 8);
        memcpy(body + 48, &sections, 8);
    }
    commit_was_sent |= type == WIRE_COMMIT && s->tgt.m.state == TARGET_READY;
    started_was_sent |= type == WIRE_STARTED && s->src.m.state == SOURCE_COMMITTED;
}

static void write_record(uint8_t type, uint8_t control, const uint8_t *data, size_t len) {
    static uint8_t buf[WIRE_HEADER_BYTES + 65536 + WIRE_MAX_PAGES_BYTES];
    uint8_t *body = buf + WIRE_HEADER_BYTES;
    size_t covered = ALIGN_UP(len, 8u), length = covered;
    memset(buf, 0, WIRE_HEADER_BYTES + covered);
    memcpy(body, data, len);
    patch(type, control, body, covered);
    if (type == WIRE_PAGES && covered >= 8) {
        uint32_t runs = body[4];
        covered = MIN(covered, 8 + 8 * (size_t)runs);
        length = covered;
        for (uint32_t i = 0; (control & 1) != 0 && i < runs && 16 + 8 * i <= covered; i++)
            length += body[15 + 8 * i] == WIRE_PAGE_RAW ? (body[13 + 8 * i] & 15u) * PAGE_SIZE : 0;
        length = MIN(length, sizeof buf - WIRE_HEADER_BYTES);
        memset(body + covered, 0, length - covered);
    }
    struct wire_header h = {.type = type, .length = (uint32_t)length, .seq = seq++};
    h.crc = wire_crc(wire_header_crc(&h), body, covered);
    wire_header_encode(&h, buf);
    write_octets(buf, WIRE_HEADER_BYTES + length);
}

static void write_message(const struct wire_msg *m) {
    uint8_t buf[4096];
    size_t len;
    FUZZ_CHECK(wire_encode(m, seq++, buf, sizeof buf, &len) == OK);
    write_octets(buf, len);
}

static void greet_as_source(void) {
    struct wire_msg m = {.type = WIRE_HELLO,
                         .u.hello = {.magic = WIRE_MAGIC,
                                     .version_min = 1,
                                     .version_max = 1,
                                     .intent = WIRE_INTENT_MIGRATE,
                                     .host = "fuzz"}};
    write_message(&m);
    m = (struct wire_msg){.type = WIRE_OFFER,
                          .u.offer = {.tx = {1},
                                      .uuid = {2},
                                      .name = "web",
                                      .ram_pages = 512,
                                      .tsc_hz = 2000000000,
                                      .page_bytes = 4096,
                                      .nr_vcpus = 1,
                                      .cpu = 1,
                                      .dirty = 1,
                                      .nr_sections = 3,
                                      .section = {{1, 1}, {2, 1}, {3, 1}}}};
    write_message(&m);
    poll_some(4, 1000);
}

static void greet_as_target(void) {
    poll_some(3, 1000);
    struct wire_msg m = {.type = WIRE_HELLO_ACK,
                         .u.hello_ack = {.magic = WIRE_MAGIC, .version = 1, .host = "fuzz"}};
    if (session() == NULL)
        return;
    memcpy(m.u.hello_ack.peer_nonce, session()->nonce, WIRE_ID_LEN);
    write_message(&m);
    for (uint32_t i = 0; i < SESSION_PROBES; i++) {
        poll_some(2, 1000);
        m = (struct wire_msg){.type = WIRE_CLOCK_REPLY,
                              .u.clock = {.number = i, .t1 = fake_time_ns, .t2 = 5, .t3 = 6}};
        write_message(&m);
    }
    poll_some(2, 1000);
}

static void write_records(const uint8_t *data, size_t len) {
    while (len >= 4) {
        uint8_t type = data[0], control = data[1];
        size_t n = MIN((size_t)data[2] | (size_t)data[3] << 8, len - 4);
        write_record(type, control, data + 4, n);
        data += 4 + n;
        len -= 4 + n;
        poll_some(2, (control & 8) != 0 ? NSEC_PER_SEC : 1000);
    }
}

static void begin(bool as_target) {
    struct migration_config cfg = {.host = "under test"};
    fake_host_reset();
    fake_stream_reset();
    fake_vm_reset(1);
    peer = NULL;
    guest = NULL;
    seq = 0;
    started_was_sent = commit_was_sent = false;
    fake_host = 1;
    fake_link.queue = MIB;
    fake_link.rate = MIB;
    if (!as_target) {
        FUZZ_CHECK(host_init(&host, &cfg, NULL) == OK);
        peer = fake_raw_connect(0, 1, WIRE_PORT);
        return;
    }
    FUZZ_CHECK(stream_listen(WIRE_PORT, on_accept, NULL) == OK);
    fake_host = 0;
    FUZZ_CHECK(host_init(&host, &cfg, NULL) == OK);
    guest = fake_vm_boot(0, "web", 2 * MIB);
    fake_vm_host[0].dirty_pages = 1;
    FUZZ_CHECK(host_start(&host, guest, (struct net_addr){.ipv4 = 0x0a000002}, NULL, NULL) == OK);
    fake_stream_poll();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len < 1)
        return 0;
    uint8_t mode = data[0];
    bool as_target = (mode & 2) != 0;
    begin(as_target);
    if ((mode & 4) != 0)
        as_target ? greet_as_target() : greet_as_source();
    if ((mode & 1) != 0)
        write_records(data + 1, len - 1);
    else
        write_octets(data + 1, len - 1);
    poll_some(POLLS, 1000);
    FUZZ_CHECK(fake_vm_violation() == NULL || commit_was_sent || started_was_sent); /* the peer lied */
    if (as_target)
        FUZZ_CHECK(fake_vm_on(0, "web") != NULL || started_was_sent);
    else
        FUZZ_CHECK(fake_vm_running("web") == 0 || commit_was_sent);
    host_exit(&host);
    return 0;
}
