/* SPDX-License-Identifier: MIT */
/* device_fixture.h - what every device model test needs: a clock that is set by hand, a bus, an interrupt
 * wire that counts, and the save -> load -> save check. */
#ifndef TESTS_UNIT_DEVICE_FIXTURE_H
#define TESTS_UNIT_DEVICE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/bus.h"
#include "guest/irq_line.h"
#include "guest/snapshot.h"
#include "guest/vclock.h"

struct wire {
    bool level;
    unsigned rises;
};

struct fixture {
    struct vclock clock; /* 1 GHz: one TSC count is one nanosecond; tsc_offset is the time */
    struct bus bus;
    struct wire wire;
    uint8_t index[BUS_PIO_PORTS];
};

static inline uint64_t fixture_read_tsc(const struct vclock *c) {
    return c->tsc_offset;
}

static inline void fixture_wire_set(void *ctx, bool level) {
    struct wire *w = ctx;
    w->rises += level && !w->level;
    w->level = level;
}

static inline void fixture_init(struct fixture *f) {
    memset(f, 0, sizeof(*f));
    vclock_init(&f->clock, NSEC_PER_SEC, fixture_read_tsc);
    bus_init(&f->bus, f->index);
}

static inline struct irq_line fixture_line(struct fixture *f) {
    return (struct irq_line){fixture_wire_set, &f->wire};
}

static inline void fixture_set_ns(struct fixture *f, uint64_t ns) {
    f->clock.tsc_offset = ns;
}

static inline uint64_t fixture_ns(const struct fixture *f) {
    return f->clock.tsc_offset;
}

static inline void fixture_outb(struct fixture *f, uint16_t port, uint8_t value) {
    bus_pio_write(&f->bus, port, 1, value);
}

static inline uint8_t fixture_inb(struct fixture *f, uint16_t port) {
    return (uint8_t)bus_pio_read(&f->bus, port, 1);
}

/* Save `from`, load into `to`, save `to`: the octets must be equal; a cut or lengthened image must be
 * refused. */
#define assert_snapshot_round_trip(from, to, snapshot_fn)                            \
    do {                                                                             \
        static uint8_t image_[65536], again_[65536];                                 \
        struct snap s_;                                                              \
        size_t used_ = 0, used_again_ = 0;                                           \
        snap_begin_save(&s_, image_, sizeof(image_));                                \
        snapshot_fn((from), &s_);                                                    \
        assert_int_equal(snap_end(&s_, &used_), OK);                                 \
        assert_true(used_ > 0);                                                      \
        snap_begin_load(&s_, image_, used_ - 1);                                     \
        snapshot_fn((to), &s_);                                                      \
        assert_int_equal(snap_end(&s_, NULL), ERR_CORRUPT);                          \
        snap_begin_load(&s_, image_, used_ + 1);                                     \
        snapshot_fn((to), &s_);                                                      \
        assert_int_equal(snap_end(&s_, NULL), ERR_CORRUPT);                          \
        snap_begin_load(&s_, image_, used_);                                         \
        snapshot_fn((to), &s_);                                                      \
        assert_int_equal(snap_end(&s_, NULL), OK);                                   \
        snap_begin_save(&s_, again_, sizeof(again_));                                \
        snapshot_fn((to), &s_);                                                      \
        assert_int_equal(snap_end(&s_, &used_again_), OK);                           \
        assert_int_equal(used_, used_again_);                                        \
        assert_memory_equal(image_, again_, used_);                                  \
    } while (0)

#endif
