/* SPDX-License-Identifier: MIT */
/* loader_kernel.c - place the embedded kernel ELF, build its page tables, jump.
 *   PML4[0]    identity map of RAM, 2 MiB pages, for the jump only; the kernel drops it
 *   PML4[256]  direct map of RAM at DIRECT_MAP_BASE, read-write, never executable, 2 MiB pages
 *   PML4[511]  the kernel's segments at -2 GiB, 4 KiB pages, each R, RX or RW+NX
 * Source: SDM Vol. 3A, 4.5 "4-Level Paging and 5-Level Paging". */
#include "boot/loader.h"

#include <efi.h>
#include <efilib.h>

#include "boot/elf64.h"
#include "kernel/frames.h"

#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_PS BIT(7)
#define PTE_NX BIT(63)
#define PTE_ADDR 0x000ffffffffff000ull

#define MSR_EFER 0xc0000080u
#define EFER_NXE BIT(11)
#define CR0_WP BIT(16)
#define CR4_LA57 BIT(12)

extern const uint8_t kernel_image[], kernel_image_end[];
void loader_die(const CHAR16 *what) __attribute__((noreturn));

static uint64_t *new_table(void) {
    uint64_t *t = loader_alloc_pages(PAGE_SIZE);
    if (t == NULL)
        loader_die(L"no memory for page tables");
    return t;
}

static uint64_t *next_table(uint64_t *table, uint64_t index) {
    if ((table[index] & PTE_P) == 0)
        table[index] = (uint64_t)new_table() | PTE_P | PTE_W;
    return (uint64_t *)(table[index] & PTE_ADDR);
}

static void map_large(uint64_t *pml4, uint64_t va, hpa_t pa, uint64_t bits) {
    uint64_t *pdpt = next_table(pml4, (va >> 39) & 511);
    uint64_t *pd = next_table(pdpt, (va >> 30) & 511);
    pd[(va >> 21) & 511] = pa | PTE_P | PTE_PS | bits;
}

static void map_page(uint64_t *pml4, uint64_t va, hpa_t pa, uint64_t bits) {
    uint64_t *pdpt = next_table(pml4, (va >> 39) & 511);
    uint64_t *pd = next_table(pdpt, (va >> 30) & 511);
    uint64_t *pt = next_table(pd, (va >> 21) & 511);
    pt[(va >> 12) & 511] = pa | PTE_P | bits;
}

/* Is this page of the kernel image read-only for the kernel itself? Then its direct-map alias must be, too. */
static bool is_read_only(const struct boot_info *info, const struct elf64_hdr *eh, hpa_t pa, uint64_t first_va) {
    const struct elf64_phdr *ph = (const struct elf64_phdr *)(kernel_image + eh->phoff);
    if (pa < info->kernel_pa || pa >= info->kernel_pa + info->kernel_size)
        return false;
    uint64_t va = first_va + (pa - info->kernel_pa);
    for (int i = 0; i < eh->phnum; i++)
        if (ph[i].type == ELF_PT_LOAD && (ph[i].flags & ELF_PF_W) == 0 && va >= ph[i].vaddr && va < ph[i].vaddr + ph[i].memsz)
            return true;
    return false;
}

static void map_direct(uint64_t *pml4, const struct boot_info *info, const struct elf64_hdr *eh, hpa_t pa, uint64_t first_va) {
    if (pa + LARGE_SIZE <= info->kernel_pa || pa >= info->kernel_pa + info->kernel_size) {
        map_large(pml4, DIRECT_MAP_BASE + pa, pa, PTE_W | PTE_NX);
        return;
    }
    for (hpa_t p = pa; p < pa + LARGE_SIZE; p += PAGE_SIZE)
        map_page(pml4, DIRECT_MAP_BASE + p, p, (is_read_only(info, eh, p, first_va) ? 0 : PTE_W) | PTE_NX);
}

static void place_segment(uint64_t *pml4, const struct elf64_phdr *ph, hpa_t base, uint64_t first_va) {
    if (ph->vaddr % PAGE_SIZE != 0)
        loader_die(L"the embedded kernel is damaged");
    if ((ph->flags & (ELF_PF_W | ELF_PF_X)) == (ELF_PF_W | ELF_PF_X))
        loader_die(L"a kernel segment is writable and executable");
    uint64_t bits = ((ph->flags & ELF_PF_W) != 0 ? PTE_W : 0) | ((ph->flags & ELF_PF_X) != 0 ? 0 : PTE_NX);
    hpa_t pa = base + (ph->vaddr - first_va);
    CopyMem((void *)pa, (void *)(kernel_image + ph->offset), ph->filesz);
    for (uint64_t off = 0; off < ph->memsz; off += PAGE_SIZE)
        map_page(pml4, ph->vaddr + off, pa + off, bits);
}

uint64_t kernel_place(struct boot_info *info) {
    const struct elf64_hdr *eh = (const struct elf64_hdr *)kernel_image;
    const struct elf64_phdr *ph = (const struct elf64_phdr *)(kernel_image + eh->phoff);
    if (eh->magic != ELF_MAGIC || eh->machine != ELF_EM_X86_64)
        loader_die(L"the embedded kernel is damaged");
    uint64_t cr4;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    if ((cr4 & CR4_LA57) != 0)
        loader_die(L"the firmware runs with 5-level paging; switch it off in the firmware set-up");
    uint64_t first = UINT64_MAX, last = 0;
    for (int i = 0; i < eh->phnum; i++) {
        if (ph[i].type != ELF_PT_LOAD)
            continue;
        first = MIN(first, ph[i].vaddr);
        last = MAX(last, ph[i].vaddr + ph[i].memsz);
    }
    info->kernel_size = ALIGN_UP(last - first, PAGE_SIZE);
    info->kernel_pa = (hpa_t)loader_alloc_pages(info->kernel_size);
    if (info->kernel_pa == 0)
        loader_die(L"no memory for the kernel");
    uint64_t *pml4 = new_table();
    for (int i = 0; i < eh->phnum; i++)
        if (ph[i].type == ELF_PT_LOAD)
            place_segment(pml4, &ph[i], info->kernel_pa, first);
    for (hpa_t pa = 0; pa < info->direct_map_end; pa += LARGE_SIZE) {
        map_large(pml4, pa, pa, PTE_W);
        map_direct(pml4, info, eh, pa, first);
    }
    info->pml4 = (hpa_t)pml4;
    return eh->entry;
}

static uint64_t rdmsr(uint32_t msr) {
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return ((uint64_t)hi << 32) | lo;
}

static void wrmsr(uint32_t msr, uint64_t v) {
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

void kernel_enter(struct boot_info *info, uint64_t entry) {
    uint32_t lo, hi;
    __asm__ volatile("cli; rdtsc" : "=a"(lo), "=d"(hi));
    info->handover_tsc = ((uint64_t)hi << 32) | lo;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    uint64_t cr0;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0 | CR0_WP));
    /* The operands are pinned: nothing may live in a register that the sequence changes. */
    __asm__ volatile("mov %%rax, %%cr3\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "jmp *%%rcx"
                     :
                     : "a"(info->pml4), "c"(entry), "D"((uint64_t)info + DIRECT_MAP_BASE)
                     : "memory");
    __builtin_unreachable();
}
