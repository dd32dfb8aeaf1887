/* SPDX-License-Identifier: MIT */
/* test_mmio_decode.c - the decoder and emulator against the CPU that runs this test: each 64-bit instruction
 * is executed natively on a buffer and emulated on a copy; registers, memory, flags and length must agree. */
#include "guest/mmio_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define FLAGS_ARITH 0x8d5u
#define FLAGS_BIT 0x041u /* CF and ZF; the others are undefined after BT */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

struct cpu {
    uint64_t regs[16];
    uint64_t flags;
};

static uint8_t *code;       /* a page to execute */
static uint8_t buffer[256]; /* what RBX, RSI and RDI point into */
static uint8_t copy[256];
static unsigned nr_reads, nr_writes;

static void emit(uint8_t **p, const void *bytes, size_t n) {
    memcpy(*p, bytes, n);
    *p += n;
}

/* Runs insn with all registers but RSP taken from c, and stores them back. R15 carries c on the way in and a
 * slot on the stack on the way out. */
static void run_native(const uint8_t *insn, unsigned len, struct cpu *c) {
    static const uint8_t head[] = {0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56,
                                   0x41, 0x57,                                      /* push rbx .. r15 */
                                   0x57,                                            /* push rdi */
                                   0x49, 0x89, 0xff,                                /* mov r15, rdi */
                                   0x41, 0xff, 0xb7, 0x80, 0,    0,    0,    0x9d}; /* push flags, popf */
    static const uint8_t tail[] = {0x9c, 0x41, 0x57,                                /* pushf; push r15 */
                                   0x4c, 0x8b, 0x7c, 0x24, 0x10,                    /* mov r15, [rsp+16] */
                                   0x41, 0x8f, 0x47, 0x78,                          /* pop [r15+0x78] */
                                   0x41, 0x8f, 0x87, 0x80, 0,    0, 0};             /* pop [r15+0x80] */
    static const uint8_t end[] = {0x5f, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d,
                                  0x41, 0x5c, 0x5d, 0x5b, 0xfc, 0xc3};
    uint8_t *p = code;
    emit(&p, head, sizeof(head));
    for (unsigned i = 0; i < 16; i++) { /* mov reg, [r15 + 8 i]; r15 last */
        if (i != RSP)
            emit(&p,
                 (uint8_t[]){(uint8_t)(0x49 | (i >> 3) << 2), 0x8b, (uint8_t)(0x47 | (i & 7) << 3),
                             (uint8_t)(8 * i)},
                 4);
    }
    emit(&p, insn, len);
    emit(&p, tail, sizeof(tail));
    for (unsigned i = 0; i < 15; i++) {
        if (i != RSP)
            emit(&p,
                 (uint8_t[]){(uint8_t)(0x49 | (i >> 3) << 2), 0x89, (uint8_t)(0x47 | (i & 7) << 3),
                             (uint8_t)(8 * i)},
                 4);
    }
    emit(&p, end, sizeof(end));
    ((void (*)(struct cpu *))(uintptr_t)code)(c);
}

static uint64_t fault_address;

static uint8_t *place(enum mmio_place where, uint64_t offset) {
    uint64_t at = where == MMIO_PLACE_FAULT ? fault_address : offset;
    return copy + (at - (uintptr_t)buffer);
}

static result_t read_copy(void *ctx, enum mmio_place where, uint64_t offset, unsigned size, uint64_t *value) {
    (void)ctx;
    nr_reads++;
    *value = 0xdeadbeefdeadbeef; /* what lies above size must not matter */
    memcpy(value, place(where, offset), size);
    return OK;
}

static result_t write_copy(void *ctx, enum mmio_place where, uint64_t offset, unsigned size, uint64_t value) {
    (void)ctx;
    nr_writes++;
    memcpy(place(where, offset), &value, size);
    return OK;
}

static const struct mmio_access access_copy = {.read = read_copy, .write = write_copy};

static const uint64_t patterns[] = {0,
                                    1,
                                    0x7f,
                                    0x80,
                                    0xff,
                                    0x7fff,
                                    0x8000,
                                    0x7fffffff,
                                    0x80000000,
                                    0xffffffff,
                                    0x7fffffffffffffff,
                                    0x8000000000000000,
                                    UINT64_MAX,
                                    0x0123456789abcdef};

static void fill(struct cpu *c, unsigned seed) {
    for (unsigned i = 0; i < 16; i++)
        c->regs[i] = patterns[(seed * 5 + i * 3) % ARRAY_LEN(patterns)] ^
                     (seed & 7 ? 0 : (uint64_t)seed * 0x9e3779b97f4a7c15);
    c->regs[RSP] = 0;
    c->regs[RBX] = (uintptr_t)buffer + 64;
    c->flags = 0x202 | ((seed * 0x6d) & 0x8d5);
    for (unsigned i = 0; i < sizeof(buffer) / 8; i++)
        memcpy(buffer + 8 * i, &patterns[(seed / 14 + i) % ARRAY_LEN(patterns)], 8);
}

static void fail_insn(const char *what, const uint8_t *insn, unsigned len, unsigned seed) {
    fprintf(stderr, "%s differs, seed %u, octets", what, seed);
    for (unsigned i = 0; i < len; i++)
        fprintf(stderr, " %02x", insn[i]);
    fputc('\n', stderr);
    fail();
}

/* One instruction natively and emulated. */
static void compare(const uint8_t *insn, unsigned len, struct cpu start, uint64_t address, uint64_t flags,
                    unsigned seed) {
    struct mmio_insn d;
    struct cpu native = start, emulated = start;
    bool again;
    uint8_t padded[16] = {0};
    memcpy(padded, insn, len);
    memset(padded + len, 0xcc, sizeof(padded) - len);
    if (mmio_decode(padded, sizeof(padded), MMIO_MODE_64, &d) != OK || d.len != len)
        fail_insn("length", insn, len, seed);
    memcpy(copy, buffer, sizeof(copy));
    run_native(insn, len, &native);
    fault_address = address;
    nr_reads = nr_writes = 0;
    do {
        if (mmio_emulate(&d, emulated.regs, &emulated.flags, &access_copy, &again) != OK)
            fail_insn("status", insn, len, seed);
        fault_address += d.op == MMIO_OP_STOS || d.op == MMIO_OP_LODS
                             ? (start.flags & 0x400 ? -(uint64_t)d.size : d.size)
                             : 0;
    } while (again);
    native.regs[RSP] = emulated.regs[RSP] = 0;
    if (memcmp(native.regs, emulated.regs, sizeof(native.regs)) != 0)
        fail_insn("register", insn, len, seed);
    if (memcmp(buffer, copy, sizeof(copy)) != 0)
        fail_insn("memory", insn, len, seed);
    if (((native.flags ^ emulated.flags) & flags) != 0)
        fail_insn("flag", insn, len, seed);
    if ((d.dir == MMIO_LOAD && nr_writes != 0) ||
        (d.dir == MMIO_STORE && d.op != MMIO_OP_MOVS && nr_reads != 0))
        fail_insn("direction", insn, len, seed);
}

/* The opcode with every kind of prefix and a few ModRM forms; reg: ModRM.reg, or 8 for all. */
static void sweep(const uint8_t *opcode, unsigned opcode_len, unsigned reg, unsigned imm_octets,
                  uint64_t flags) {
    static const uint8_t prefixes[][2] = {{0},    {0x66}, {0x48},       {0x44},
                                          {0x4c}, {0x40}, {0x66, 0x44}, {0x36, 0x48}};
    for (unsigned k = 0; k < ARRAY_LEN(prefixes); k++) {
        for (unsigned r = reg == 8 ? 0 : reg; r <= (reg == 8 ? 7 : reg); r++) {
            for (unsigned mod = 0; mod < 4; mod++) { /* 3: SIB */
                uint8_t insn[16];
                unsigned n = 0;
                for (unsigned i = 0; i < 2 && prefixes[k][i] != 0; i++)
                    insn[n++] = prefixes[k][i];
                bool wide = n > 0 && (insn[n - 1] & 0xf8) == 0x48, small = n > 0 && insn[0] == 0x66;
                memcpy(insn + n, opcode, opcode_len);
                n += opcode_len;
                insn[n++] = (uint8_t)((mod == 3 ? 1 : mod) << 6 | r << 3 | (mod == 3 ? 4 : RBX));
                if (mod == 3)
                    insn[n++] = 4 << 3 | RBX; /* [rbx + disp8] */
                uint32_t disp = mod == 0 ? 0 : 16;
                memcpy(insn + n, &disp, 4);
                n += mod == 0 ? 0 : mod == 2 ? 4 : 1;
                for (unsigned seed = 0; seed < 60; seed++) {
                    unsigned m = n, octets = imm_octets == 4 && small && !wide ? 2 : imm_octets;
                    memcpy(insn + m, &patterns[seed % ARRAY_LEN(patterns)], octets);
                    m += octets;
                    struct cpu c;
                    fill(&c, seed);
                    compare(insn, m, c, c.regs[RBX] + disp, flags, seed);
                }
            }
        }
    }
}

#define SWEEP(reg, imm, flags, ...)                                                                          \
    sweep((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), reg, imm, flags)

/* In the next tests register 4 (RSP) only appears as AH or SPL or R12; SPL and RSP are no use in a native
 * run. */
static void sweep_registers(unsigned reg_first, const uint8_t *opcode, unsigned n, uint64_t flags) {
    for (unsigned reg = reg_first; reg < 8; reg++) {
        if (reg != RSP)
            sweep(opcode, n, reg, 0, flags);
    }
}

static void test_mmio_mov(void **state) {
    (void)state;
    static const uint8_t opcodes[][2] = {{0x88}, {0x89}, {0x8a}, {0x8b}, {0x63}};
    for (unsigned i = 0; i < ARRAY_LEN(opcodes); i++)
        sweep_registers(0, opcodes[i], 1, FLAGS_ARITH);
    SWEEP(0, 1, FLAGS_ARITH, 0xc6);
    SWEEP(0, 4, FLAGS_ARITH, 0xc7);
    static const uint8_t extend[][2] = {{0x0f, 0xb6}, {0x0f, 0xb7}, {0x0f, 0xbe}, {0x0f, 0xbf}};
    for (unsigned i = 0; i < ARRAY_LEN(extend); i++)
        sweep_registers(0, extend[i], 2, FLAGS_ARITH);
}

static void test_mmio_high_bytes(void **state) {
    (void)state;
    static const uint8_t opcodes[] = {0x88, 0x8a, 0x00, 0x02, 0x38, 0x3a, 0x84, 0x86};
    for (unsigned i = 0; i < ARRAY_LEN(opcodes); i++) {
        for (unsigned reg = 4; reg < 7; reg++) { /* AH, CH, DH; BH would move the pointer */
            for (unsigned seed = 0; seed < 200; seed++) {
                struct cpu c;
                fill(&c, seed);
                compare((const uint8_t[]){opcodes[i], (uint8_t)(reg << 3 | RBX)}, 2, c, c.regs[RBX],
                        FLAGS_ARITH, seed);
            }
        }
    }
}

static void test_mmio_alu(void **state) {
    (void)state;
    for (unsigned op = 0; op < 8; op++) {
        for (unsigned form = 0; form < 4; form++) {
            uint8_t opcode = (uint8_t)(op << 3 | form);
            for (unsigned reg = 0; reg < 8; reg++) {
                if (reg != RSP && reg != RBX)
                    sweep(&opcode, 1, reg, 0, FLAGS_ARITH);
            }
        }
        SWEEP(op, 1, FLAGS_ARITH, 0x80);
        SWEEP(op, 4, FLAGS_ARITH, 0x81);
        SWEEP(op, 1, FLAGS_ARITH, 0x83);
    }
    SWEEP(RDX, 0, FLAGS_ARITH, 0x84);
    SWEEP(RDX, 0, FLAGS_ARITH, 0x85);
    for (unsigned reg = 0; reg < 2; reg++) {
        SWEEP(reg, 1, FLAGS_ARITH, 0xf6);
        SWEEP(reg, 4, FLAGS_ARITH, 0xf7);
        SWEEP(reg, 0, FLAGS_ARITH, 0xfe);
        SWEEP(reg, 0, FLAGS_ARITH, 0xff);
    }
    for (unsigned reg = 2; reg < 4; reg++) {
        SWEEP(reg, 0, FLAGS_ARITH, 0xf6);
        SWEEP(reg, 0, FLAGS_ARITH, 0xf7);
    }
}

static void test_mmio_exchange(void **state) {
    (void)state;
    static const uint8_t opcodes[][3] = {{1, 0x86},       {1, 0x87},       {2, 0x0f, 0xb0},
                                         {2, 0x0f, 0xb1}, {2, 0x0f, 0xc0}, {2, 0x0f, 0xc1}};
    for (unsigned i = 0; i < ARRAY_LEN(opcodes); i++) {
        sweep(opcodes[i] + 1, opcodes[i][0], RDX, 0, FLAGS_ARITH);
        sweep(opcodes[i] + 1, opcodes[i][0], RCX, 0, FLAGS_ARITH);
    }
    /* CMPXCHG with the expected value in RAX */
    struct cpu c;
    fill(&c, 3);
    memcpy(&c.regs[RAX], buffer + 64, 8);
    compare((const uint8_t[]){0xf0, 0x48, 0x0f, 0xb1, 0x13}, 5, c, c.regs[RBX], FLAGS_ARITH, 3);
}

static void test_mmio_bits(void **state) {
    (void)state;
    for (unsigned reg = 4; reg < 8; reg++)
        SWEEP(reg, 1, FLAGS_BIT, 0x0f, 0xba);
    static const uint8_t opcodes[] = {0xa3, 0xab, 0xb3, 0xbb};
    for (unsigned i = 0; i < ARRAY_LEN(opcodes); i++) {
        for (uint64_t bit = 0; bit < 64; bit++) {
            struct cpu c;
            fill(&c, (unsigned)bit);
            c.regs[RDX] = bit;
            compare((const uint8_t[]){0x48, 0x0f, opcodes[i], 0x13}, 4, c, c.regs[RBX], FLAGS_BIT,
                    (unsigned)bit);
        }
    }
}

static void test_mmio_movnti(void **state) {
    (void)state;
    struct cpu c;
    fill(&c, 9);
    compare((const uint8_t[]){0x0f, 0xc3, 0x13}, 3, c, c.regs[RBX], FLAGS_ARITH, 9);
    compare((const uint8_t[]){0x48, 0x0f, 0xc3, 0x13}, 4, c, c.regs[RBX], FLAGS_ARITH, 9);
}

static void test_mmio_moffs(void **state) {
    (void)state;
    static const uint8_t opcodes[] = {0xa0, 0xa1, 0xa2, 0xa3};
    for (unsigned i = 0; i < ARRAY_LEN(opcodes); i++) {
        for (unsigned k = 0; k < 3; k++) {
            uint8_t insn[10] = {0x90};
            unsigned n = 0;
            struct cpu c;
            if (k > 0)
                insn[n++] = k == 1 ? 0x66 : 0x48;
            insn[n++] = opcodes[i];
            fill(&c, i + 20);
            memcpy(insn + n, &c.regs[RBX], 8);
            compare(insn, n + 8 > 10 ? 10 : n + 8, c, c.regs[RBX], FLAGS_ARITH, i);
        }
    }
}

static void test_mmio_strings(void **state) {
    (void)state;
    static const uint8_t opcodes[] = {0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad};
    for (unsigned i = 0; i < ARRAY_LEN(opcodes); i++) {
        for (unsigned k = 0; k < 12; k++) { /* three sizes, with and without REP, both directions */
            uint8_t insn[4];
            unsigned n = 0;
            struct cpu c;
            fill(&c, i + k);
            if (k & 1)
                insn[n++] = 0xf3;
            if (k / 4 > 0)
                insn[n++] = k / 4 == 1 ? 0x66 : 0x48;
            insn[n++] = opcodes[i];
            c.flags |= k & 2 ? 0x400 : 0;
            c.regs[RCX] = 5;
            c.regs[RSI] = (uintptr_t)buffer + 60;
            c.regs[RDI] = (uintptr_t)buffer + 160;
            uint64_t at = opcodes[i] >= 0xac ? c.regs[RSI] : c.regs[RDI];
            compare(insn, n, c, at, FLAGS_ARITH | 0x400, k);
            c.regs[RCX] = 0;
            if (k & 1)
                compare(insn, n, c, at, FLAGS_ARITH | 0x400, k);
        }
    }
}

static result_t read_fails(void *ctx, enum mmio_place where, uint64_t offset, unsigned size,
                           uint64_t *value) {
    (void)ctx, (void)where, (void)offset, (void)size, (void)value;
    return ERR_NOENT;
}

static result_t write_fails(void *ctx, enum mmio_place where, uint64_t offset, unsigned size,
                            uint64_t value) {
    (void)ctx, (void)where, (void)offset, (void)size, (void)value;
    return ERR_BUSY;
}

/* An access that fails leaves registers and flags alone and its code comes through. */
static void test_mmio_failed_access(void **state) {
    (void)state;
    static const uint8_t insns[][5] = {{0x8b, 0x13},       {0x01, 0x13}, {0x03, 0x13}, {0x87, 0x13},
                                       {0x0f, 0xb1, 0x13}, {0xf3, 0xa5}, {0xf3, 0xab}, {0x0f, 0xba, 0x2b, 3}};
    for (unsigned k = 0; k < 2; k++) {
        struct mmio_access access = {.read = k ? read_copy : read_fails, .write = write_fails};
        for (unsigned i = 0; i < ARRAY_LEN(insns); i++) {
            struct mmio_insn d;
            struct cpu c, before;
            bool again;
            fill(&c, 1);
            fault_address = c.regs[RBX];
            c.regs[RSI] = c.regs[RDI] = c.regs[RBX];
            before = c;
            assert_int_equal(mmio_decode(insns[i], 5, MMIO_MODE_64, &d), OK);
            result_t r = mmio_emulate(&d, c.regs, &c.flags, &access, &again);
            if (k && d.dir == MMIO_LOAD) {
                assert_int_equal(r, OK);
                continue;
            }
            assert_int_equal(r, k || d.dir == MMIO_STORE ? ERR_BUSY : ERR_NOENT);
            assert_memory_equal(&c, &before, sizeof(c));
            assert_false(again);
        }
    }
}

/* Lengths and sizes in the modes that this test cannot run in. */
static void test_mmio_modes(void **state) {
    (void)state;
    static const struct {
        enum mmio_mode mode;
        uint8_t len, op, dir, size, reg, addr_size;
        uint8_t bytes[15];
    } known[] = {
        {MMIO_MODE_16, 2, MMIO_OP_MOV, MMIO_LOAD, 2, 0, 2, {0x8b, 0x07}},             /* mov ax,[bx] */
        {MMIO_MODE_16, 4, MMIO_OP_MOV, MMIO_LOAD, 2, 1, 2, {0x8b, 0x0e, 0x34, 0x12}}, /* mov cx,[0x1234] */
        {MMIO_MODE_16, 3, MMIO_OP_MOV, MMIO_STORE, 1, 2, 2, {0x88, 0x56, 0x10}},      /* mov [bp+16],dl */
        {MMIO_MODE_16, 3, MMIO_OP_MOV, MMIO_LOAD, 2, 0, 2, {0xa1, 0x34, 0x12}},       /* mov ax,[0x1234] */
        {MMIO_MODE_16, 4, MMIO_OP_MOV, MMIO_LOAD, 4, 0, 4, {0x67, 0x66, 0x8b, 0x03}}, /* mov eax,[ebx] */
        {MMIO_MODE_16, 6, MMIO_OP_MOV, MMIO_STORE, 2, 0, 2, {0xc7, 0x06, 0x34, 0x12, 0x78, 0x56}},
        {MMIO_MODE_16, 4, MMIO_OP_MOVS, MMIO_MODIFY, 4, 0, 4, {0xf3, 0x66, 0x67, 0xa5}},
        {MMIO_MODE_32,
         6,
         MMIO_OP_MOV,
         MMIO_LOAD,
         4,
         0,
         4,
         {0x8b, 0x05, 0, 0, 0xe0, 0xfe}}, /* mov eax,[abs] */
        {MMIO_MODE_32, 5, MMIO_OP_MOV, MMIO_LOAD, 4, 0, 4, {0xa1, 0, 0, 0xe0, 0xfe}},
        {MMIO_MODE_32,
         7,
         MMIO_OP_MOV,
         MMIO_STORE,
         4,
         3,
         4,
         {0x89, 0x1c, 0x8d, 0, 0, 0xe0, 0xfe}}, /* [ecx*4+abs] */
        {MMIO_MODE_32, 10, MMIO_OP_MOV, MMIO_STORE, 4, 0, 4, {0xc7, 0x05, 0, 0, 0, 0, 1, 2, 3, 4}},
        {MMIO_MODE_32, 4, MMIO_OP_MOV, MMIO_LOAD, 4, 0, 2, {0x67, 0x8b, 0x40, 0x10}}, /* [bx+si+16] */
        {MMIO_MODE_32, 3, MMIO_OP_MOV, MMIO_LOAD, 1, 0, 4, {0x0f, 0xb6, 0x00}},
        {MMIO_MODE_64, 6, MMIO_OP_MOV, MMIO_LOAD, 4, 0, 8, {0x8b, 0x05, 0, 0, 0, 0}}, /* [rip+disp] */
        {MMIO_MODE_64, 3, MMIO_OP_MOV, MMIO_LOAD, 4, 9, 8, {0x45, 0x8b, 0x0a}},       /* r9d,[r10] */
        {MMIO_MODE_64, 4, MMIO_OP_MOV, MMIO_LOAD, 4, 0, 4, {0x67, 0x41, 0x8b, 0x02}},
        {MMIO_MODE_64, 8, MMIO_OP_MOV, MMIO_STORE, 8, 15, 8, {0x4c, 0x89, 0xbc, 0x88, 1, 0, 0, 0}},
        {MMIO_MODE_64,
         7,
         MMIO_OP_MOV,
         MMIO_LOAD,
         4,
         0,
         8,
         {0x8b, 0x04, 0x25, 0, 0, 0xe0, 0xfe}},                                             /* [abs32] */
        {MMIO_MODE_64, 5, MMIO_OP_MOV, MMIO_LOAD, 4, 4, 8, {0x65, 0x48, 0x40, 0x8b, 0x20}}, /* REX twice */
        {MMIO_MODE_64, 4, MMIO_OP_MOV, MMIO_LOAD, 2, 0, 8, {0x48, 0x66, 0x8b, 0x00}}, /* REX too early */
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct mmio_insn d;
        assert_int_equal(mmio_decode(known[i].bytes, sizeof(known[i].bytes), known[i].mode, &d), OK);
        assert_int_equal(d.len, known[i].len);
        assert_int_equal(d.op, known[i].op);
        assert_int_equal(d.dir, known[i].dir);
        assert_int_equal(d.size, known[i].size);
        assert_int_equal(d.reg, known[i].reg);
        assert_int_equal(d.addr_size, known[i].addr_size);
        for (unsigned n = 0; n < known[i].len; n++)
            assert_int_equal(mmio_decode(known[i].bytes, n, known[i].mode, &d), ERR_RANGE);
        assert_int_equal(mmio_decode(known[i].bytes, known[i].len, known[i].mode, &d), OK);
    }
}

static void test_mmio_refused(void **state) {
    (void)state;
    static const uint8_t refused[][15] = {
        {0x8b, 0xc0},       /* register operand */
        {0x0f, 0x28, 0x00}, /* movaps */
        {0xff, 0x30},       /* push [rax] */
        {0xc7, 0x08},
        {0xf7, 0x20},
        {0x0f, 0xba, 0x00},
        {0x0f, 0x0b}, /* nothing, mul, nothing, ud2 */
        {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x8b,
         0x40}, /* 16 octets */
        {0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e},
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct mmio_insn d = {.len = 77};
        assert_int_equal(mmio_decode(refused[i], 15, MMIO_MODE_64, &d), ERR_UNSUPP);
        assert_int_equal(d.len, 77);
    }
    struct mmio_insn d;
    assert_int_equal(mmio_decode((const uint8_t[]){0x63, 0x00}, 2, MMIO_MODE_32, &d), ERR_UNSUPP); /* ARPL */
}

/* The short cut for plain moves gives what the complete decoder gives. */
static void test_mmio_fast_path(void **state) {
    (void)state;
    static const uint8_t opcodes[] = {0x89, 0x8b, 0xc7};
    for (unsigned rex = 0x3f; rex < 0x50; rex++) {
        for (unsigned k = 0; k < ARRAY_LEN(opcodes); k++) {
            for (unsigned modrm = 0; modrm < 0xc0;
                 modrm += opcodes[k] == 0xc7 && (modrm & 7) == 7 ? 0x39 : 1) {
                uint8_t bytes[16] = {0};
                unsigned n = 0;
                struct mmio_insn fast, slow;
                if (rex >= 0x40)
                    bytes[n++] = (uint8_t)rex;
                bytes[n++] = opcodes[k];
                bytes[n++] = (uint8_t)modrm;
                for (unsigned i = n; i < 15; i++)
                    bytes[i] = (uint8_t)(modrm * 37 + i * 59);
                assert_int_equal(mmio_decode(bytes, sizeof(bytes), MMIO_MODE_64, &fast), OK);
                uint8_t other[16] = {0x3e}; /* a prefix without effect, which the short cut does not know */
                memcpy(other + 1, bytes, 15);
                assert_int_equal(mmio_decode(other, sizeof(other), MMIO_MODE_64, &slow), OK);
                slow.len--;
                assert_memory_equal(&fast, &slow, sizeof(fast));
            }
        }
    }
}

static int group_setup(void **state) {
    (void)state;
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return code == MAP_FAILED;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mmio_mov),           cmocka_unit_test(test_mmio_high_bytes),
        cmocka_unit_test(test_mmio_alu),           cmocka_unit_test(test_mmio_exchange),
        cmocka_unit_test(test_mmio_bits),          cmocka_unit_test(test_mmio_movnti),
        cmocka_unit_test(test_mmio_moffs),         cmocka_unit_test(test_mmio_strings),
        cmocka_unit_test(test_mmio_failed_access), cmocka_unit_test(test_mmio_modes),
        cmocka_unit_test(test_mmio_refused),       cmocka_unit_test(test_mmio_fast_path),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
