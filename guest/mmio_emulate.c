/* SPDX-License-Identifier: MIT */
/* mmio_emulate.c - performs a decoded instruction. */
#include "guest/mmio_decode.h"

#define RFLAGS_CF 0x001u
#define RFLAGS_PF 0x004u
#define RFLAGS_AF 0x010u
#define RFLAGS_ZF 0x040u
#define RFLAGS_SF 0x080u
#define RFLAGS_DF 0x400u
#define RFLAGS_OF 0x800u
#define RFLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

enum { RAX = 0, RCX = 1, RSI = 6, RDI = 7 };

struct machine {
    const struct mmio_insn *insn;
    uint64_t *regs, *rflags;
    const struct mmio_access *access;
};

static uint64_t size_mask(unsigned size) {
    return UINT64_MAX >> (64 - 8 * size);
}

static uint64_t read_reg(const uint64_t regs[16], unsigned reg, unsigned size, bool high) {
    return (high ? regs[reg] >> 8 : regs[reg]) & size_mask(size);
}

/* A 4-octet write clears the upper half, shorter ones leave the rest alone. */
static void write_reg(uint64_t regs[16], unsigned reg, unsigned size, bool high, uint64_t v) {
    uint64_t mask = size == 4 ? UINT64_MAX : size_mask(size);
    v &= size_mask(size);
    if (high)
        v <<= 8, mask <<= 8;
    regs[reg] = (regs[reg] & ~mask) | v;
}

static uint64_t source_value(const struct machine *m) {
    const struct mmio_insn *i = m->insn;
    return i->source == MMIO_SOURCE_REG ? read_reg(m->regs, i->reg, i->op_size, i->high)
                                        : i->imm & size_mask(i->size);
}

static result_t read_fault(const struct machine *m, uint64_t *v) {
    result_t r = m->access->read(m->access->ctx, MMIO_PLACE_FAULT, 0, m->insn->size, v);
    if (r == OK)
        *v &= size_mask(m->insn->size);
    return r;
}

static result_t write_fault(const struct machine *m, uint64_t v) {
    return m->access->write(m->access->ctx, MMIO_PLACE_FAULT, 0, m->insn->size, v & size_mask(m->insn->size));
}

static uint64_t result_flags(uint64_t r, unsigned size) {
    uint64_t f = 0;
    if ((r & size_mask(size)) == 0)
        f |= RFLAGS_ZF;
    if (r >> (8 * size - 1) & 1)
        f |= RFLAGS_SF;
    return __builtin_parity((unsigned)(r & 0xff)) ? f : f | RFLAGS_PF;
}

/* a + b + carry, or a - b - carry; all flags. */
static uint64_t add(uint64_t a, uint64_t b, unsigned carry, unsigned size, uint64_t *flags) {
    uint64_t r = (a + b + carry) & size_mask(size);
    bool out = carry ? r <= a : r < a;
    uint64_t overflow = (a ^ r) & (b ^ r);
    *flags = result_flags(r, size) | (out ? RFLAGS_CF : 0) | ((a ^ b ^ r) & RFLAGS_AF) |
             (overflow >> (8 * size - 1) & 1 ? RFLAGS_OF : 0);
    return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, unsigned borrow, unsigned size, uint64_t *flags) {
    uint64_t r = (a - b - borrow) & size_mask(size);
    bool out = a < b || (borrow && a == b);
    uint64_t overflow = (a ^ b) & (a ^ r);
    *flags = result_flags(r, size) | (out ? RFLAGS_CF : 0) | ((a ^ b ^ r) & RFLAGS_AF) |
             (overflow >> (8 * size - 1) & 1 ? RFLAGS_OF : 0);
    return r;
}

static uint64_t logic(uint64_t r, unsigned size, uint64_t *flags) {
    *flags = result_flags(r, size);
    return r;
}

/* One operation on a (first operand) and b; sets the arithmetic flags. */
static uint64_t alu(const struct machine *m, enum mmio_op op, uint64_t a, uint64_t b) {
    unsigned size = m->insn->size;
    uint64_t old = *m->rflags, f = old & RFLAGS_ARITH, r = 0;
    unsigned carry = old & RFLAGS_CF;
    switch (op) {
    case MMIO_OP_ADD: r = add(a, b, 0, size, &f); break;
    case MMIO_OP_ADC: r = add(a, b, carry, size, &f); break;
    case MMIO_OP_SUB:
    case MMIO_OP_CMP: r = subtract(a, b, 0, size, &f); break;
    case MMIO_OP_SBB: r = subtract(a, b, carry, size, &f); break;
    case MMIO_OP_OR: r = logic(a | b, size, &f); break;
    case MMIO_OP_AND:
    case MMIO_OP_TEST: r = logic(a & b, size, &f); break;
    case MMIO_OP_XOR: r = logic(a ^ b, size, &f); break;
    case MMIO_OP_NOT: r = ~a; break;
    case MMIO_OP_NEG: r = subtract(0, a, 0, size, &f); break;
    case MMIO_OP_INC: r = add(a, 1, 0, size, &f), f = (f & ~(uint64_t)RFLAGS_CF) | carry; break;
    case MMIO_OP_DEC: r = subtract(a, 1, 0, size, &f), f = (f & ~(uint64_t)RFLAGS_CF) | carry; break;
    default: break;
    }
    *m->rflags = (old & ~(uint64_t)RFLAGS_ARITH) | f;
    return r;
}

static result_t do_mov(const struct machine *m) {
    const struct mmio_insn *i = m->insn;
    if (i->mem_dst)
        return write_fault(m, source_value(m));
    uint64_t v;
    result_t r = read_fault(m, &v);
    if (r != OK)
        return r;
    if (i->sign) {
        unsigned shift = 64 - 8u * i->size;
        v = (uint64_t)((int64_t)(v << shift) >> shift);
    }
    write_reg(m->regs, i->reg, i->op_size, i->high, v);
    return OK;
}

static result_t do_alu(const struct machine *m) {
    const struct mmio_insn *i = m->insn;
    uint64_t mem, src = i->source == MMIO_SOURCE_NONE ? 0 : source_value(m), flags = *m->rflags;
    result_t r = read_fault(m, &mem);
    if (r != OK)
        return r;
    uint64_t v = i->mem_dst ? alu(m, i->op, mem, src) : alu(m, i->op, src, mem);
    if (i->dir == MMIO_MODIFY)
        r = write_fault(m, v);
    else if (i->op != MMIO_OP_CMP && i->op != MMIO_OP_TEST)
        write_reg(m->regs, i->reg, i->op_size, i->high, v);
    if (r != OK)
        *m->rflags = flags;
    return r;
}

static result_t do_bit(const struct machine *m) {
    const struct mmio_insn *i = m->insn;
    uint64_t mem, bit = BIT(source_value(m) & (8u * i->size - 1));
    result_t r = read_fault(m, &mem);
    uint64_t carry = r == OK && (mem & bit) != 0 ? RFLAGS_CF : 0;
    if (r == OK && i->op == MMIO_OP_BTS)
        r = write_fault(m, mem | bit);
    else if (r == OK && i->op == MMIO_OP_BTR)
        r = write_fault(m, mem & ~bit);
    else if (r == OK && i->op == MMIO_OP_BTC)
        r = write_fault(m, mem ^ bit);
    if (r == OK)
        *m->rflags = (*m->rflags & ~(uint64_t)RFLAGS_CF) | carry;
    return r;
}

/* XCHG, XADD, CMPXCHG: memory is written in any case; the register takes what memory had. */
static result_t do_exchange(const struct machine *m) {
    const struct mmio_insn *i = m->insn;
    uint64_t mem, src = source_value(m), flags = *m->rflags, next = src;
    result_t r = read_fault(m, &mem);
    if (r != OK)
        return r;
    if (i->op == MMIO_OP_XADD)
        next = alu(m, MMIO_OP_ADD, mem, src);
    if (i->op == MMIO_OP_CMPXCHG) {
        (void)alu(m, MMIO_OP_CMP, read_reg(m->regs, RAX, i->size, false), mem);
        next = *m->rflags & RFLAGS_ZF ? src : mem;
    }
    r = write_fault(m, next);
    if (r != OK)
        *m->rflags = flags;
    else if (i->op != MMIO_OP_CMPXCHG)
        write_reg(m->regs, i->reg, i->op_size, i->high, mem);
    else if ((*m->rflags & RFLAGS_ZF) == 0)
        write_reg(m->regs, RAX, i->size, false, mem);
    return r;
}

static result_t move_element(const struct machine *m) {
    const struct mmio_insn *i = m->insn;
    uint64_t v, source = read_reg(m->regs, RSI, i->addr_size, false),
                dest = read_reg(m->regs, RDI, i->addr_size, false);
    result_t r = m->access->read(m->access->ctx, MMIO_PLACE_SOURCE, source, i->size, &v);
    return r == OK ? m->access->write(m->access->ctx, MMIO_PLACE_DEST, dest, i->size, v & size_mask(i->size))
                   : r;
}

static void advance(const struct machine *m, unsigned reg, uint64_t by) {
    write_reg(m->regs, reg, m->insn->addr_size, false, m->regs[reg] + by);
}

static result_t do_string(const struct machine *m, bool *again) {
    const struct mmio_insn *i = m->insn;
    uint64_t step = *m->rflags & RFLAGS_DF ? (uint64_t)0 - i->size : i->size;
    result_t r;
    if (i->rep && read_reg(m->regs, RCX, i->addr_size, false) == 0)
        return OK;
    if (i->op == MMIO_OP_MOVS)
        r = move_element(m);
    else
        r = do_mov(m); /* memory and the accumulator */
    if (r != OK)
        return r;
    if (i->op != MMIO_OP_STOS)
        advance(m, RSI, step);
    if (i->op != MMIO_OP_LODS)
        advance(m, RDI, step);
    if (i->rep) {
        advance(m, RCX, UINT64_MAX);
        *again = read_reg(m->regs, RCX, i->addr_size, false) != 0;
    }
    return OK;
}

/* The plain moves of 4 octets, without the general machinery. */
static result_t move4(const struct mmio_insn *insn, uint64_t regs[16], const struct mmio_access *access) {
    uint64_t v;
    if (insn->mem_dst) {
        v = insn->source == MMIO_SOURCE_REG ? regs[insn->reg] : insn->imm;
        return access->write(access->ctx, MMIO_PLACE_FAULT, 0, 4, (uint32_t)v);
    }
    result_t r = access->read(access->ctx, MMIO_PLACE_FAULT, 0, 4, &v);
    if (r == OK)
        regs[insn->reg] = (uint32_t)v;
    return r;
}

result_t mmio_emulate(const struct mmio_insn *insn, uint64_t regs[16], uint64_t *rflags,
                      const struct mmio_access *access, bool *again) {
    *again = false;
    if (insn->op == MMIO_OP_MOV && insn->size == 4 && insn->op_size == 4)
        return move4(insn, regs, access);
    const struct machine m = {insn, regs, rflags, access};
    if (insn->op == MMIO_OP_MOV)
        return do_mov(&m);
    if (insn->op >= MMIO_OP_ADD && insn->op <= MMIO_OP_DEC)
        return do_alu(&m);
    if (insn->op >= MMIO_OP_BT && insn->op <= MMIO_OP_BTC)
        return do_bit(&m);
    if (insn->op >= MMIO_OP_XCHG && insn->op <= MMIO_OP_CMPXCHG)
        return do_exchange(&m);
    return insn->op >= MMIO_OP_MOVS && insn->op <= MMIO_OP_LODS ? do_string(&m, again) : fail(ERR_UNSUPP);
}
