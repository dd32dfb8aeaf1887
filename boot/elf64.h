/* SPDX-License-Identifier: MIT */
/* elf64.h - the parts of ELF-64 that the loader reads. Source: System V ABI, 4 "Object Files", ELF-64 Object File Format. */
#ifndef BOOT_ELF64_H
#define BOOT_ELF64_H

#include "kernel/types.h"

#define ELF_MAGIC 0x464c457fu
#define ELF_EM_X86_64 62
#define ELF_PT_LOAD 1u
#define ELF_PF_X 1u
#define ELF_PF_W 2u

struct elf64_hdr {
    uint32_t magic;     /*  0 */
    uint8_t ident[12];  /*  4 */
    uint16_t type;      /* 16 */
    uint16_t machine;   /* 18 */
    uint32_t version;   /* 20 */
    uint64_t entry;     /* 24 */
    uint64_t phoff;     /* 32 */
    uint64_t shoff;     /* 40 */
    uint32_t flags;     /* 48 */
    uint16_t ehsize;    /* 52 */
    uint16_t phentsize; /* 54 */
    uint16_t phnum;     /* 56 */
    uint16_t shentsize; /* 58 */
    uint16_t shnum;     /* 60 */
    uint16_t shstrndx;  /* 62 */
};
_Static_assert(sizeof(struct elf64_hdr) == 64, "ELF header");

struct elf64_phdr {
    uint32_t type;   /*  0 */
    uint32_t flags;  /*  4 */
    uint64_t offset; /*  8 */
    uint64_t vaddr;  /* 16 */
    uint64_t paddr;  /* 24 */
    uint64_t filesz; /* 32 */
    uint64_t memsz;  /* 40 */
    uint64_t align;  /* 48 */
};
_Static_assert(sizeof(struct elf64_phdr) == 56, "program header");

#endif
