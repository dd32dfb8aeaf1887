/* SPDX-License-Identifier: MIT */
/* A recorded stream: the independent reader agrees with it, and a target survives every mutation of it.
 * A replay can never start a guest: COMMIT carries the token of another READY. */
#include "tests/unit/mig_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t *recorded[2];
static size_t recorded_len[2];
#define MAX_RECORDS 4096
static size_t record_at[MAX_RECORDS + 1];
static unsigned nr_records;

static uint32_t get32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int record_stream(void **state) {
    (void)state;
    struct mig_bench *b = mig_bench_begin(5, 2 * MIB);
    fake_link.capture = true;
    fake_link.rate = 20000;
    mig_bench_start(b, NULL);
    assert_true(mig_bench_run(b, 20000));
    mig_bench_expect_moved(b);
    for (unsigned d = 0; d < 2; d++) {
        const uint8_t *data = fake_stream_capture(d, &recorded_len[d]);
        recorded[d] = malloc(recorded_len[d]);
        memcpy(recorded[d], data, recorded_len[d]);
    }
    mig_bench_end(b);
    for (size_t at = 0; at < recorded_len[0]; at += 16 + get32(recorded[0] + at + 4))
        record_at[nr_records++] = at;
    record_at[nr_records] = recorded_len[0];
    assert_true(nr_records > 10 && nr_records < MAX_RECORDS);
    return 0;
}

static int forget_stream(void **state) {
    (void)state;
    free(recorded[0]);
    free(recorded[1]);
    return 0;
}

static void write_file(const char *path, const uint8_t *data, size_t len) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static int run_reader(const uint8_t *there, size_t there_len, const uint8_t *back, size_t back_len) {
    char dir[] = "/tmp/godwit-stream-XXXXXX", path[2][64], command[256];
    assert_non_null(mkdtemp(dir));
    snprintf(path[0], sizeof path[0], "%s/there", dir);
    snprintf(path[1], sizeof path[1], "%s/back", dir);
    write_file(path[0], there, there_len);
    write_file(path[1], back, back_len);
    snprintf(command, sizeof command, "python3 tools/read_stream.py --quiet %s %s 2>%s/err", path[0], path[1],
             dir);
    int status = system(command);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    return status;
}

/* The last PAGES record with content. */
static size_t last_page_record(void) {
    for (unsigned i = nr_records; i-- > 0;)
        if (recorded[0][record_at[i]] == WIRE_PAGES && record_at[i + 1] - record_at[i] > PAGE_SIZE)
            return record_at[i];
    return 0;
}

static void test_stream_independent_reader_agrees(void **state) {
    (void)state;
    assert_int_equal(run_reader(recorded[0], recorded_len[0], recorded[1], recorded_len[1]), 0);
}

static void test_stream_independent_reader_sees_damage(void **state) {
    (void)state;
    /* Headers and tables; page contents are seen unless the page is sent again: take one of the final
     * round. */
    size_t spots[] = {record_at[0] + 8,
                      record_at[1] + 20,
                      record_at[nr_records / 3],
                      record_at[nr_records / 2] + 13,
                      record_at[nr_records - 1] + 40,
                      last_page_record() + 1000};
    for (unsigned i = 0; i < ARRAY_LEN(spots); i++) {
        recorded[0][spots[i]] ^= 0x40;
        assert_int_not_equal(run_reader(recorded[0], recorded_len[0], recorded[1], recorded_len[1]), 0);
        recorded[0][spots[i]] ^= 0x40;
    }
    assert_int_not_equal(run_reader(recorded[0], recorded_len[0] - 1, recorded[1], recorded_len[1]), 0);
    assert_int_not_equal(run_reader(recorded[0], recorded_len[0], recorded[1], recorded_len[1] - 32), 0);
}

/* Feed octets to a fresh target; the guest must not run there, and in the end nothing is left of it. */
static void play(const uint8_t *data, size_t len) {
    struct mig_bench *b = mig_bench_begin(9, 2 * MIB);
    mig_bench_reboot(b, 1); /* another boot id: other tokens */
    fake_link.queue = len + 1;
    fake_link.rate = 256 * 1024;
    struct stream *s = fake_raw_connect(0, 1, WIRE_PORT);
    assert_non_null(s);
    fake_vm_reset(9); /* the VM is only in the stream */
    if (len > 0)
        assert_int_equal(stream_write(s, data, len), OK);
    for (unsigned n = 0; n < 20000 && !mig_bench_is_idle(b); n++) {
        mig_bench_step(b);
        fake_time_ns += 2 * NSEC_PER_MSEC; /* a connection that is left open ends by a time limit */
    }
    assert_true(mig_bench_is_idle(b));
    assert_int_equal(fake_vm_running("web"), 0);
    assert_int_equal(fake_vm_count(1), 0);
    assert_int_equal(b->events[1][MIGRATE_EV_COMMITTED], 0);
    mig_bench_end(b);
}

static void test_stream_replay_does_not_start_a_guest(void **state) {
    (void)state;
    play(recorded[0], recorded_len[0]);
}

static void test_stream_cut_at_and_inside_every_record(void **state) {
    (void)state;
    for (unsigned i = 0; i < nr_records; i += i < 30 || i + 30 > nr_records ? 1 : 7) {
        play(recorded[0], record_at[i]);
        play(recorded[0], record_at[i] + 11);
        play(recorded[0], record_at[i + 1] - 1);
    }
}

static void test_stream_every_record_damaged(void **state) {
    (void)state;
    struct fake_random r = {77};
    for (unsigned i = 0; i < nr_records; i += i < 30 || i + 30 > nr_records ? 1 : 7)
        for (unsigned k = 0; k < 3; k++) {
            size_t at = record_at[i] + (k == 0 ? fake_random_below(&r, 16)
                                               : fake_random_below(&r, record_at[i + 1] - record_at[i]));
            uint8_t bit = (uint8_t)(1u << fake_random_below(&r, 8));
            recorded[0][at] ^= bit;
            play(recorded[0], recorded_len[0]);
            recorded[0][at] ^= bit;
        }
}

static size_t append(uint8_t *out, size_t len, unsigned record) {
    size_t n = record_at[record + 1] - record_at[record];
    memcpy(out + len, recorded[0] + record_at[record], n);
    return len + n;
}

/* seq must be right again, otherwise the first check would hide the others. */
static void renumber(uint8_t *data, size_t len) {
    uint32_t seq = 0;
    for (size_t at = 0; at + 16 <= len; at += 16 + get32(data + at + 4), seq++) {
        struct wire_header h;
        wire_header_decode(&h, data + at);
        size_t covered = h.type == WIRE_PAGES ? 8 + 8 * get32(data + at + 20) : h.length;
        h.seq = seq;
        h.crc = wire_crc(wire_header_crc(&h), data + at + 16, covered);
        wire_header_encode(&h, data + at);
    }
}

static void test_stream_records_reordered_repeated_and_dropped(void **state) {
    (void)state;
    uint8_t *out = malloc(recorded_len[0] + WIRE_HEADER_BYTES + WIRE_MAX_PAGES_BYTES);
    for (unsigned i = 0; i + 1 < nr_records; i += i < 20 || i + 20 > nr_records ? 1 : 9)
        for (unsigned kind = 0; kind < 6; kind++) {
            size_t len = 0;
            for (unsigned j = 0; j < nr_records; j++) {
                if (j == i && kind % 3 == 0) {
                    len = append(out, len, j + 1);
                    len = append(out, len, j++);
                } else if (j == i && kind % 3 == 1) {
                    len = append(out, append(out, len, j), j);
                } else if (j != i) {
                    len = append(out, len, j);
                }
            }
            if (kind >= 3)
                renumber(out, len);
            play(out, len);
        }
    free(out);
}

static void test_stream_noise(void **state) {
    (void)state;
    struct fake_random r = {123};
    uint8_t noise[4096];
    for (unsigned i = 0; i < 50; i++) {
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)fake_random_next(&r);
        play(noise, 1 + fake_random_below(&r, sizeof noise));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_independent_reader_agrees),
        cmocka_unit_test(test_stream_independent_reader_sees_damage),
        cmocka_unit_test(test_stream_replay_does_not_start_a_guest),
        cmocka_unit_test(test_stream_cut_at_and_inside_every_record),
        cmocka_unit_test(test_stream_every_record_damaged),
        cmocka_unit_test(test_stream_records_reordered_repeated_and_dropped),
        cmocka_unit_test(test_stream_noise),
    };
    return cmocka_run_group_tests(tests, record_stream, forget_stream);
}
