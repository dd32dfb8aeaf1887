/* SPDX-License-Identifier: MIT */
#include "guest/mmio_decode.h"

#include <string.h>

#define REX_B 0x1u
#define REX_X 0x2u
#define REX_R 0x4u
#define REX_W 0x8u

/* Which operands an opcode has. */
enum form {
    FORM_NONE = 0,
    FORM_M_R,      /* memory, register */
    FORM_R_M,      /* register, memory */
    FORM_M_IMM,    /* memory, immediate of the operand's size (4 octets for 8) */
    FORM_M_IMM8,   /* memory, one octet sign-extended */
    FORM_M,        /* memory alone */
    FORM_GROUP,    /* ModRM.reg selects; see group_row() */
    FORM_LOAD_MOFFS, FORM_STORE_MOFFS,
    FORM_STRING,
    FORM_PREFIX
};

struct row {
    uint8_t op;
    uint8_t form;
    uint8_t size; /* of the memory operand; 0: the operand size */
};

#define ALU(base, op) \
    [(base)] = {op, FORM_M_R, 1}, [(base) + 1] = {op, FORM_M_R, 0}, [(base) + 2] = {op, FORM_R_M, 1}, \
    [(base) + 3] = {op, FORM_R_M, 0}
#define PREFIX {0, FORM_PREFIX, 0}
#define GROUP(size) {0, FORM_GROUP, size}

static const struct row one_byte[256] = {
    ALU(0x00, MMIO_OP_ADD), ALU(0x08, MMIO_OP_OR), ALU(0x10, MMIO_OP_ADC), ALU(0x18, MMIO_OP_SBB),
    ALU(0x20, MMIO_OP_AND), ALU(0x28, MMIO_OP_SUB), ALU(0x30, MMIO_OP_XOR), ALU(0x38, MMIO_OP_CMP),
    [0x26] = PREFIX, [0x2e] = PREFIX, [0x36] = PREFIX, [0x3e] = PREFIX, [0x64] = PREFIX, [0x65] = PREFIX,
    [0x66] = PREFIX, [0x67] = PREFIX, [0xf0] = PREFIX, [0xf2] = PREFIX, [0xf3] = PREFIX,
    [0x63] = {MMIO_OP_MOV, FORM_R_M, 4}, /* MOVSXD */
    [0x80] = GROUP(1), [0x81] = GROUP(0), [0x83] = GROUP(0),
    [0x84] = {MMIO_OP_TEST, FORM_M_R, 1}, [0x85] = {MMIO_OP_TEST, FORM_M_R, 0},
    [0x86] = {MMIO_OP_XCHG, FORM_M_R, 1}, [0x87] = {MMIO_OP_XCHG, FORM_M_R, 0},
    [0x88] = {MMIO_OP_MOV, FORM_M_R, 1}, [0x89] = {MMIO_OP_MOV, FORM_M_R, 0},
    [0x8a] = {MMIO_OP_MOV, FORM_R_M, 1}, [0x8b] = {MMIO_OP_MOV, FORM_R_M, 0},
    [0xa0] = {MMIO_OP_MOV, FORM_LOAD_MOFFS, 1}, [0xa1] = {MMIO_OP_MOV, FORM_LOAD_MOFFS, 0},
    [0xa2] = {MMIO_OP_MOV, FORM_STORE_MOFFS, 1}, [0xa3] = {MMIO_OP_MOV, FORM_STORE_MOFFS, 0},
    [0xa4] = {MMIO_OP_MOVS, FORM_STRING, 1}, [0xa5] = {MMIO_OP_MOVS, FORM_STRING, 0},
    [0xaa] = {MMIO_OP_STOS, FORM_STRING, 1}, [0xab] = {MMIO_OP_STOS, FORM_STRING, 0},
    [0xac] = {MMIO_OP_LODS, FORM_STRING, 1}, [0xad] = {MMIO_OP_LODS, FORM_STRING, 0},
    [0xc6] = GROUP(1), [0xc7] = GROUP(0),
    [0xf6] = GROUP(1), [0xf7] = GROUP(0), [0xfe] = GROUP(1), [0xff] = GROUP(0),
};

static const struct row two_byte[256] = {
    [0xa3] = {MMIO_OP_BT, FORM_M_R, 0}, [0xab] = {MMIO_OP_BTS, FORM_M_R, 0},
    [0xb3] = {MMIO_OP_BTR, FORM_M_R, 0}, [0xbb] = {MMIO_OP_BTC, FORM_M_R, 0},
    [0xb0] = {MMIO_OP_CMPXCHG, FORM_M_R, 1}, [0xb1] = {MMIO_OP_CMPXCHG, FORM_M_R, 0},
    [0xb6] = {MMIO_OP_MOV, FORM_R_M, 1}, [0xb7] = {MMIO_OP_MOV, FORM_R_M, 2}, /* MOVZX */
    [0xbe] = {MMIO_OP_MOV, FORM_R_M, 1}, [0xbf] = {MMIO_OP_MOV, FORM_R_M, 2}, /* MOVSX */
    [0xba] = GROUP(0),
    [0xc0] = {MMIO_OP_XADD, FORM_M_R, 1}, [0xc1] = {MMIO_OP_XADD, FORM_M_R, 0},
    [0xc3] = {MMIO_OP_MOV, FORM_M_R, 0}, /* MOVNTI */
};

struct decoder {
    const uint8_t *p;
    unsigned n, pos;
    enum mmio_mode mode;
    bool size_prefix, addr_prefix, rep, has_rex;
    uint8_t rex, segment, opcode, modrm;
    bool two_byte;
};

/* Reads `size` octets as a sign-extended number; false when they are not there. */
static bool take(struct decoder *d, unsigned size, uint64_t *out) {
    uint64_t v = 0;
    if (size > d->n - d->pos)
        return false;
    memcpy(&v, d->p + d->pos, size);
    d->pos += size;
    unsigned shift = 64 - 8 * size;
    *out = (uint64_t)((int64_t)(v << shift) >> shift);
    return true;
}

static bool take_octet(struct decoder *d, uint8_t *out) {
    if (d->pos >= d->n)
        return false;
    *out = d->p[d->pos++];
    return true;
}

static void note_prefix(struct decoder *d, uint8_t b) {
    static const uint8_t segment[] = {[0x26] = MMIO_ES, [0x2e] = MMIO_CS, [0x36] = MMIO_SS,
                                      [0x3e] = MMIO_DS, [0x64] = MMIO_FS, [0x65] = MMIO_GS};
    if (b == 0x66)
        d->size_prefix = true;
    else if (b == 0x67)
        d->addr_prefix = true;
    else if (b == 0xf2 || b == 0xf3)
        d->rep = true;
    else if (b < ARRAY_LEN(segment) && !(d->mode == MMIO_MODE_64 && b < 0x64))
        d->segment = segment[b];
}

/* Prefixes and opcode; the row of the opcode, NULL when octets are missing. */
static const struct row *take_opcode(struct decoder *d) {
    uint8_t b;
    for (;;) {
        if (!take_octet(d, &b))
            return NULL;
        if (d->mode == MMIO_MODE_64 && (b & 0xf0) == 0x40) {
            d->has_rex = true;
            d->rex = b & 0xf;
        } else if (one_byte[b].form == FORM_PREFIX) {
            note_prefix(d, b);
            d->has_rex = false; /* REX counts only directly before the opcode */
            d->rex = 0;
        } else {
            break;
        }
    }
    d->two_byte = b == 0x0f;
    if (d->two_byte && !take_octet(d, &b))
        return NULL;
    d->opcode = b;
    return d->two_byte ? &two_byte[b] : &one_byte[b];
}

static uint8_t operand_size(const struct decoder *d) {
    if (d->rex & REX_W)
        return 8;
    return (d->mode == MMIO_MODE_16) != d->size_prefix ? 2 : 4;
}

static uint8_t address_size(const struct decoder *d) {
    if (d->mode == MMIO_MODE_64)
        return d->addr_prefix ? 4 : 8;
    return (d->mode == MMIO_MODE_16) != d->addr_prefix ? 2 : 4;
}

/* Octets of displacement behind ModRM (and SIB) in 16-bit and in wider addressing. */
static unsigned displacement16(uint8_t modrm) {
    unsigned mod = modrm >> 6;
    return mod == 1 ? 1 : mod == 2 || (modrm & 7) == 6 ? 2 : 0;
}

static unsigned displacement32(uint8_t modrm, uint8_t base) {
    unsigned mod = modrm >> 6;
    return mod == 1 ? 1 : mod == 2 || base == 5 ? 4 : 0;
}

/* ModRM with all that belongs to the memory operand. ERR_UNSUPP: the operand is a register. */
static result_t take_modrm(struct decoder *d) {
    uint8_t sib;
    uint64_t ignored;
    unsigned disp;
    if (!take_octet(d, &d->modrm))
        return fail(ERR_RANGE);
    if (d->modrm >> 6 == 3)
        return fail(ERR_UNSUPP);
    if (address_size(d) == 2) {
        disp = displacement16(d->modrm);
    } else {
        uint8_t base = d->modrm & 7;
        if (base == 4) {
            if (!take_octet(d, &sib))
                return fail(ERR_RANGE);
            base = sib & 7;
        }
        disp = displacement32(d->modrm, base);
    }
    return disp == 0 || take(d, disp, &ignored) ? OK : fail(ERR_RANGE);
}

/* The opcodes whose operation is in ModRM.reg. */
static struct row group_row(const struct decoder *d, struct row r) {
    unsigned reg = d->modrm >> 3 & 7;
    if (d->two_byte) { /* 0f ba */
        if (reg >= 4)
            r.op = (uint8_t)(MMIO_OP_BT + (reg - 4)), r.form = FORM_M_IMM8;
        return r;
    }
    switch (d->opcode) {
    case 0x80:
    case 0x81:
    case 0x83:
        r.op = (uint8_t)(MMIO_OP_ADD + reg);
        r.form = d->opcode == 0x83 ? FORM_M_IMM8 : FORM_M_IMM;
        break;
    case 0xc6:
    case 0xc7:
        if (reg == 0)
            r.op = MMIO_OP_MOV, r.form = FORM_M_IMM;
        break;
    case 0xf6:
    case 0xf7:
        if (reg < 2)
            r.op = MMIO_OP_TEST, r.form = FORM_M_IMM;
        else if (reg < 4)
            r.op = (uint8_t)(MMIO_OP_NOT + (reg - 2)), r.form = FORM_M;
        break;
    default: /* 0xfe, 0xff */
        if (reg < 2)
            r.op = (uint8_t)(MMIO_OP_INC + reg), r.form = FORM_M;
        break;
    }
    return r;
}

static enum mmio_dir direction(const struct mmio_insn *i) {
    if (i->op == MMIO_OP_CMP || i->op == MMIO_OP_TEST || i->op == MMIO_OP_BT || i->op == MMIO_OP_LODS)
        return MMIO_LOAD;
    if (i->op == MMIO_OP_STOS || (i->op == MMIO_OP_MOV && i->mem_dst))
        return MMIO_STORE;
    return i->mem_dst ? MMIO_MODIFY : MMIO_LOAD;
}

static void set_register(const struct decoder *d, struct mmio_insn *out, unsigned reg) {
    out->source = MMIO_SOURCE_REG;
    out->reg = (uint8_t)(reg | (d->rex & REX_R ? 8 : 0));
    if (out->op_size == 1 && !d->has_rex && reg >= 4) {
        out->high = true;
        out->reg = (uint8_t)(reg - 4);
    }
}

/* The operands behind the opcode (and ModRM, already taken). */
static result_t take_operands(struct decoder *d, const struct row *r, struct mmio_insn *out) {
    uint64_t ignored;
    switch (r->form) {
    case FORM_M_R:
    case FORM_R_M:
        out->mem_dst = r->form == FORM_M_R;
        set_register(d, out, d->modrm >> 3 & 7);
        return OK;
    case FORM_M_IMM:
    case FORM_M_IMM8:
        out->mem_dst = true;
        out->source = MMIO_SOURCE_IMM;
        return take(d, r->form == FORM_M_IMM8 ? 1 : MIN(out->size, 4), &out->imm) ? OK : fail(ERR_RANGE);
    case FORM_M:
        out->mem_dst = true;
        return OK;
    case FORM_LOAD_MOFFS:
    case FORM_STORE_MOFFS:
        out->mem_dst = r->form == FORM_STORE_MOFFS;
        out->source = MMIO_SOURCE_REG; /* the accumulator */
        return take(d, out->addr_size, &ignored) ? OK : fail(ERR_RANGE);
    case FORM_STRING:
        out->mem_dst = r->op != MMIO_OP_LODS;
        out->source = MMIO_SOURCE_REG;
        out->rep = d->rep;
        return OK;
    default:
        return fail(ERR_UNSUPP);
    }
}

/* MOVZX, MOVSX and MOVSXD: the register is wider than memory; everything else: equal. */
static bool is_extending(const struct decoder *d, const struct row *r) {
    if (!d->two_byte)
        return d->opcode == 0x63;
    return r->op == MMIO_OP_MOV && r->form == FORM_R_M;
}

static __attribute__((noinline)) result_t decode_any(const uint8_t *bytes, unsigned n, enum mmio_mode mode,
                                                     struct mmio_insn *out) {
    struct decoder d = {.p = bytes, .n = MIN(n, MMIO_INSN_MAX), .mode = mode, .segment = MMIO_DS};
    const struct row *found = take_opcode(&d);
    if (found == NULL)
        return n >= MMIO_INSN_MAX ? fail(ERR_UNSUPP) : fail(ERR_RANGE);
    if (found->form == FORM_NONE || (!d.two_byte && d.opcode == 0x63 && mode != MMIO_MODE_64))
        return fail(ERR_UNSUPP);
    struct row r = *found;
    result_t status = OK;
    if (r.form < FORM_LOAD_MOFFS)
        status = take_modrm(&d);
    if (status == OK && r.form == FORM_GROUP)
        r = group_row(&d, r);
    uint8_t op_size = operand_size(&d);
    bool extends = is_extending(&d, &r);
    struct mmio_insn i = {
        .op = r.op,
        .size = r.size != 0 ? MIN(r.size, op_size) : op_size,
        .op_size = extends || r.size == 0 ? op_size : r.size,
        .addr_size = address_size(&d),
        .segment = d.segment,
        .sign = extends && (d.opcode == 0x63 || d.opcode >= 0xbe),
    };
    if (status == OK)
        status = take_operands(&d, &r, &i);
    if (status == ERR_RANGE && n >= MMIO_INSN_MAX)
        return fail(ERR_UNSUPP); /* longer than any instruction */
    if (status != OK)
        return status;
    i.dir = (uint8_t)direction(&i);
    i.len = (uint8_t)d.pos;
    *out = i;
    return OK;
}

/* What plain moves have in common: copying it and setting four octets is quicker than setting each field. */
#define PLAIN_MOVE(direction, from, to_memory) \
    { \
        .op = MMIO_OP_MOV, .dir = direction, .addr_size = 8, .source = from, .segment = MMIO_DS, \
        .mem_dst = to_memory \
    }
static const struct mmio_insn plain_load = PLAIN_MOVE(MMIO_LOAD, MMIO_SOURCE_REG, false);
static const struct mmio_insn plain_store = PLAIN_MOVE(MMIO_STORE, MMIO_SOURCE_REG, true);
static const struct mmio_insn plain_immediate = PLAIN_MOVE(MMIO_STORE, MMIO_SOURCE_IMM, true);

#define FAST_OCTETS 12u /* REX, opcode, ModRM, SIB, displacement, immediate */

/* MOV between a 32- or 64-bit register and memory, and of an immediate to memory, in 64-bit code without
 * prefixes but REX: nearly all of what drivers do. All else goes through decode_any. */
result_t mmio_decode(const uint8_t *bytes, unsigned n, enum mmio_mode mode, struct mmio_insn *out) {
    if (mode != MMIO_MODE_64 || n < FAST_OCTETS)
        return decode_any(bytes, n, mode, out);
    unsigned rex = bytes[0], len = 3;
    const uint8_t *p = bytes + 1;
    if ((rex & 0xf0) != 0x40)
        rex = 0, len = 2, p = bytes;
    unsigned opcode = p[0], modrm = p[1], base = modrm & 7;
    if (((opcode | 2) != 0x8b && opcode != 0xc7) || modrm >= 0xc0 || (opcode == 0xc7 && (modrm & 0x38) != 0))
        return decode_any(bytes, n, mode, out);
    if (base == 4)
        base = p[2] & 7u, len++;
    if (modrm >= 0x80 || (modrm < 0x40 && base == 5))
        len += 4;
    else if (modrm >= 0x40)
        len++;
    if (opcode == 0xc7) {
        int32_t imm;
        memcpy(&imm, bytes + len, sizeof(imm));
        *out = plain_immediate;
        out->imm = (uint64_t)(int64_t)imm;
        len += 4;
    } else {
        *out = opcode == 0x8b ? plain_load : plain_store;
        out->reg = (uint8_t)((modrm >> 3 & 7) | (rex & REX_R) << 1);
    }
    out->len = (uint8_t)len;
    out->size = out->op_size = rex & REX_W ? 8 : 4;
    return OK;
}
