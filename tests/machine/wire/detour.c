/* SPDX-License-Identifier: MIT */
/* Finding and replacing functions of the emulator's binary: see detour.h. */
#define _GNU_SOURCE
#include "detour.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096ul

void *detour_find(const char *symbol)
{
    void *address = dlsym(RTLD_DEFAULT, symbol);

    if (!address) {
        fprintf(stderr, "wire: this emulator exports no %s; the bench knows Bochs 3.1 of Debian\n", symbol);
        exit(3);
    }
    return address;
}

void detour_replace(void *from, const void *to)
{
    uint8_t jump[12] = { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0 };  /* mov $to, %rax; jmp *%rax */
    uintptr_t page = (uintptr_t)from & ~(PAGE_BYTES - 1);

    memcpy(jump + 2, &to, sizeof(to));
    if (mprotect((void *)page, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        perror("wire: mprotect");
        exit(3);
    }
    memcpy(from, jump, sizeof(jump));
    mprotect((void *)page, 2 * PAGE_BYTES, PROT_READ | PROT_EXEC);
}

void *detour_wrap(void *from, const void *to, const uint8_t *head, size_t head_len)
{
    static const uint8_t jump[6] = { 0xff, 0x25, 0, 0, 0, 0 };              /* jmp *0(%rip); the address follows */
    const uint8_t *back = (const uint8_t *)from + head_len;
    uint8_t *entry;

    if (memcmp(from, head, head_len)) {
        fprintf(stderr, "wire: a function of this emulator looks unfamiliar; the bench knows Bochs 3.1 of Debian\n");
        exit(3);
    }
    entry = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (entry == MAP_FAILED) {
        perror("wire: mmap");
        exit(3);
    }
    memcpy(entry, head, head_len);
    memcpy(entry + head_len, jump, sizeof(jump));
    memcpy(entry + head_len + sizeof(jump), &back, sizeof(back));
    mprotect(entry, PAGE_BYTES, PROT_READ | PROT_EXEC);
    detour_replace(from, to);
    return entry;
}
