/* SPDX-License-Identifier: MIT */
/* fuzz_mmio_decode.c - any octets as an instruction, in any mode; then perform it.
 * Every shorter piece of an accepted instruction is "too short"; a prefix without effect changes the length
 * alone. */
#include <string.h>

#include "guest/mmio_decode.h"
#include "tests/fuzz/fuzz.h"

struct input {
    uint8_t mode;
    uint8_t fails; /* bit 0: reads fail; bit 1: writes fail */
    uint8_t code[MMIO_INSN_MAX];
    uint64_t flags, value, regs[16];
} PACKED;

struct device {
    const struct input *in;
    unsigned nr_reads, nr_writes;
};

static result_t read_device(void *ctx, enum mmio_place place, uint64_t offset, unsigned size,
                            uint64_t *value) {
    struct device *d = ctx;
    (void)place, (void)offset;
    FUZZ_CHECK(size == 1 || size == 2 || size == 4 || size == 8);
    d->nr_reads++;
    *value = d->in->value;
    return d->in->fails & 1 ? ERR_NOENT : OK;
}

static result_t write_device(void *ctx, enum mmio_place place, uint64_t offset, unsigned size,
                             uint64_t value) {
    struct device *d = ctx;
    (void)place, (void)offset;
    FUZZ_CHECK(size == 8 || value >> (8 * size) == 0);
    d->nr_writes++;
    return d->in->fails & 2 ? ERR_BUSY : OK;
}

static void check_lengths(const struct input *in, enum mmio_mode mode, const struct mmio_insn *insn) {
    struct mmio_insn other;
    uint8_t longer[MMIO_INSN_MAX] = {0x3e}; /* DS: says what is so without it; in 64-bit code nothing */
    FUZZ_CHECK(insn->len >= 1 && insn->len <= MMIO_INSN_MAX);
    for (unsigned n = 0; n < insn->len; n++)
        FUZZ_CHECK(mmio_decode(in->code, n, mode, &other) == ERR_RANGE);
    FUZZ_CHECK(mmio_decode(in->code, insn->len, mode, &other) == OK);
    FUZZ_CHECK(memcmp(&other, insn, sizeof(other)) == 0);
    if (insn->len == MMIO_INSN_MAX || insn->segment != MMIO_DS)
        return;
    memcpy(longer + 1, in->code, MMIO_INSN_MAX - 1);
    FUZZ_CHECK(mmio_decode(longer, sizeof(longer), mode, &other) == OK);
    other.len--;
    FUZZ_CHECK(memcmp(&other, insn, sizeof(other)) == 0);
}

static void check_performed(const struct input *in, const struct mmio_insn *insn) {
    struct device d = {.in = in};
    const struct mmio_access access = {&d, read_device, write_device};
    uint64_t regs[16], flags = in->flags;
    bool again;
    memcpy(regs, in->regs, sizeof(regs));
    result_t r = mmio_emulate(insn, regs, &flags, &access, &again);
    FUZZ_CHECK(r == OK || r == ERR_NOENT || r == ERR_BUSY);
    if (r != OK)
        FUZZ_CHECK(!again && flags == in->flags && memcmp(regs, in->regs, sizeof(regs)) == 0);
    FUZZ_CHECK(d.nr_reads <= 1 && d.nr_writes <= 1);
    FUZZ_CHECK(!again || insn->rep);
    FUZZ_CHECK((flags & ~0x8d5ull) == (in->flags & ~0x8d5ull));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const enum mmio_mode modes[] = {MMIO_MODE_64, MMIO_MODE_32, MMIO_MODE_16, MMIO_MODE_64};
    struct input in = {0};
    struct mmio_insn insn;
    memcpy(&in, data, MIN(len, sizeof(in)));
    enum mmio_mode mode = modes[in.mode & 3];
    if (mmio_decode(in.code, sizeof(in.code), mode, &insn) != OK)
        return 0;
    check_lengths(&in, mode, &insn);
    check_performed(&in, &insn);
    return 0;
}
