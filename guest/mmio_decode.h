/* SPDX-License-Identifier: MIT */
/* mmio_decode.h - the guest instruction that touched a device register: what it is, and doing it.
 * - mmio_decode: instruction octets to struct mmio_insn. - mmio_emulate: perform it on registers and
 * callbacks.
 *
 * Known, in 16-, 32- and 64-bit code: MOV (registers, immediate, moffs), MOVZX, MOVSX, MOVSXD, MOVNTI, XCHG,
 * XADD, CMPXCHG, ADD OR ADC SBB AND SUB XOR CMP TEST NOT NEG INC DEC, BT BTS BTR BTC, MOVS STOS LODS with and
 * without REP.
 * The memory operand's address is not computed: the VM exit tells it. MOVS has two, see enum mmio_place.
 * Source: Intel SDM Vol. 2A chapter 2 "Instruction Format" and appendix A "Opcode Map". Pure. */
#ifndef GUEST_MMIO_DECODE_H
#define GUEST_MMIO_DECODE_H

#include "kernel/result.h"

#define MMIO_INSN_MAX 15u /* octets of the longest x86 instruction */

/* Size of code, from CS: L set: 64; D set: 32; else, and in real mode: 16. */
enum mmio_mode { MMIO_MODE_16 = 2, MMIO_MODE_32 = 4, MMIO_MODE_64 = 8 };

enum mmio_op {
    MMIO_OP_INVALID = 0,
    MMIO_OP_MOV, /* with zero or sign extension when op_size > size */
    MMIO_OP_ADD, /* this and the next seven in the order of their encoding */
    MMIO_OP_OR,
    MMIO_OP_ADC,
    MMIO_OP_SBB,
    MMIO_OP_AND,
    MMIO_OP_SUB,
    MMIO_OP_XOR,
    MMIO_OP_CMP,
    MMIO_OP_TEST,
    MMIO_OP_NOT,
    MMIO_OP_NEG,
    MMIO_OP_INC,
    MMIO_OP_DEC,
    MMIO_OP_BT, /* this and the next three in the order of their encoding */
    MMIO_OP_BTS,
    MMIO_OP_BTR,
    MMIO_OP_BTC,
    MMIO_OP_XCHG,
    MMIO_OP_XADD,
    MMIO_OP_CMPXCHG,
    MMIO_OP_MOVS,
    MMIO_OP_STOS,
    MMIO_OP_LODS
};

enum mmio_dir { MMIO_LOAD = 1, MMIO_STORE, MMIO_MODIFY }; /* memory is read, written, read and written */
enum mmio_source {
    MMIO_SOURCE_NONE = 0,
    MMIO_SOURCE_REG,
    MMIO_SOURCE_IMM
}; /* the operand that is not memory */
enum mmio_segment { MMIO_ES = 0, MMIO_CS, MMIO_SS, MMIO_DS, MMIO_FS, MMIO_GS };

struct mmio_insn {
    uint8_t len;       /* octets of the instruction */
    uint8_t op;        /* enum mmio_op */
    uint8_t dir;       /* enum mmio_dir */
    uint8_t size;      /* octets accessed in memory: 1, 2, 4, 8 */
    uint8_t op_size;   /* octets of the register operand; larger than size when a load extends */
    uint8_t addr_size; /* 2, 4, 8 */
    uint8_t source;    /* enum mmio_source */
    uint8_t reg;       /* 0 = RAX .. 15 = R15, encoding order (RAX RCX RDX RBX RSP RBP RSI RDI R8 ..) */
    uint8_t segment;   /* enum mmio_segment: of MOVS and LODS sources */
    bool high;         /* the register is AH, CH, DH or BH (reg is RAX, RCX, RDX or RBX) */
    bool sign;         /* the load extends by sign */
    bool mem_dst;      /* the result goes to memory, else to the register */
    bool rep;          /* string instruction that repeats RCX times */
    uint8_t rsvd[3];   /* zero, so that two can be compared octet by octet */
    uint64_t imm;      /* sign-extended to 64 bits */
};

/* mmio_decode - bytes: n octets from the instruction's start on, up to MMIO_INSN_MAX are looked at.
 * ERR_RANGE: the instruction is longer than n. ERR_UNSUPP: none of the list above, or without memory operand.
 * */
result_t mmio_decode(const uint8_t *bytes, unsigned n, enum mmio_mode mode, struct mmio_insn *out) MUST_CHECK;

/* Where an access goes. MMIO_PLACE_FAULT: the address of the VM exit. The other two are MOVS' operands, to be
 * translated by the callback: source is insn->segment:offset, destination is ES:offset. */
enum mmio_place { MMIO_PLACE_FAULT = 1, MMIO_PLACE_SOURCE, MMIO_PLACE_DEST };

struct mmio_access {
    void *ctx;
    /* size: 1, 2, 4, 8. Anything but OK ends the instruction without effect (after a read) and is passed on.
     * */
    result_t (*read)(void *ctx, enum mmio_place place, uint64_t offset, unsigned size, uint64_t *value);
    result_t (*write)(void *ctx, enum mmio_place place, uint64_t offset, unsigned size, uint64_t value);
};

/* mmio_emulate - one instruction, or one element of a repeated string instruction, which leaves *again true
 * when there are more: then RIP must stay; else the caller adds insn->len to it. regs: general registers in
 * encoding order. */
result_t mmio_emulate(const struct mmio_insn *insn, uint64_t regs[16], uint64_t *rflags,
                      const struct mmio_access *access, bool *again) MUST_CHECK;

#endif
