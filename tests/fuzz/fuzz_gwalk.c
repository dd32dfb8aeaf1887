/* SPDX-License-Identifier: MIT */
/* fuzz_gwalk.c - hostile page tables: the input is the control registers, an address, and the first pages of
 * RAM. */
#include <string.h>

#include "guest/gwalk.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static uint8_t *chunk[2];
    static struct gmem mem;
    struct {
        struct gwalk_regs regs;
        uint64_t linear;
    } in = {0};
    uint8_t code[GWALK_FETCH_BYTES];
    unsigned n = 0;
    gpa_t gpa;
    if (chunk[0] == NULL) {
        chunk[0] = calloc(1, LARGE_SIZE); /* apart from each other, so that a step across the end is seen */
        chunk[1] = calloc(1, LARGE_SIZE);
        FUZZ_CHECK(gmem_init(&mem, 2 * LARGE_SIZE, chunk) == OK);
        mem.low_bytes = LARGE_SIZE; /* one half above 4 GiB */
        mem.high_bytes = LARGE_SIZE;
    }
    memcpy(&in, data, MIN(len, sizeof(in)));
    memset(chunk[0], 0, 4 * PAGE_SIZE);
    if (len > sizeof(in))
        memcpy(chunk[0], data + sizeof(in), MIN(len - sizeof(in), 4 * PAGE_SIZE));
    result_t r = gwalk_translate(&mem, &in.regs, in.linear, &gpa);
    FUZZ_CHECK(r == OK || r == ERR_NOENT || r == ERR_RANGE);
    result_t f = gwalk_fetch(&mem, &in.regs, in.linear, code, &n);
    FUZZ_CHECK(r == OK ? f == OK || f == ERR_RANGE : f == r);
    FUZZ_CHECK(f != OK || (n >= 1 && n <= GWALK_FETCH_BYTES));
    return 0;
}
