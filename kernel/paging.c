/* SPDX-License-Identifier: MIT */
#include "kernel/paging.h"

#include "kernel/cpu.h"
#include "kernel/frames.h"
#include "kernel/panic.h"

#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)
#define PTE_PWT BIT(3)
#define PTE_PCD BIT(4)
#define PTE_PS BIT(7)
#define PTE_NX BIT(63)
#define PTE_ADDR 0x000ffffffffff000ull

#define MMIO_BASE 0xffff808000000000ull  /* PML4 entry 257 */
#define STACK_BASE 0xffff810000000000ull /* PML4 entry 258 */

extern uint8_t kernel_start[];

static struct {
    uint64_t *pml4;
    hpa_t root, kernel_pa;
    uint64_t mmio_next, stack_next;
} paging;

static uint64_t *table_at(uint64_t entry) {
    return phys_to_virt(entry & PTE_ADDR);
}

/* The entry that maps va at the 4 KiB level; NULL when a table is missing and cannot (or must not) be made. */
static uint64_t *leaf_entry(uint64_t va, bool create) {
    uint64_t *table = paging.pml4;
    for (unsigned shift = 39; shift > PAGE_SHIFT; shift -= 9) {
        uint64_t *e = &table[(va >> shift) & 511];
        if ((*e & PTE_P) == 0) {
            hpa_t pa = create ? frames_alloc(0) : 0;
            if (pa == 0)
                return NULL;
            *e = pa | PTE_P | PTE_W;
        }
        if ((*e & PTE_PS) != 0)
            return NULL;
        table = table_at(*e);
    }
    return &table[(va >> PAGE_SHIFT) & 511];
}

static void unmap_guard(uint8_t *va) {
    uint64_t *e = leaf_entry((uint64_t)va, false);
    ASSERT(e != NULL);
    *e = 0;
    cpu_invlpg(va);
}

void paging_init(const struct boot_info *info) {
    paging.root = info->pml4;
    paging.pml4 = phys_to_virt(info->pml4);
    paging.kernel_pa = info->kernel_pa;
    paging.mmio_next = MMIO_BASE;
    paging.stack_next = STACK_BASE;
    paging.pml4[0] = 0;
    for (unsigned i = 0; cpu_stack_guard(i) != NULL; i++)
        unmap_guard(cpu_stack_guard(i));
    cpu_write_cr3(paging.root);
}

hpa_t paging_root(void) {
    return paging.root;
}

hpa_t paging_kernel_pa(const void *va) {
    return (hpa_t)((const uint8_t *)va - kernel_start) + paging.kernel_pa;
}

volatile void *mmio_map(hpa_t pa, size_t len) {
    hpa_t first = ALIGN_DOWN(pa, PAGE_SIZE);
    uint64_t va = paging.mmio_next;
    for (hpa_t p = first; p < pa + len; p += PAGE_SIZE) {
        uint64_t *e = leaf_entry(paging.mmio_next, true);
        if (e == NULL)
            return NULL;
        *e = p | PTE_P | PTE_W | PTE_NX | PTE_PCD | PTE_PWT;
        paging.mmio_next += PAGE_SIZE;
    }
    return (volatile void *)(va + (pa - first));
}

uint64_t paging_map_stack(uint64_t bytes) {
    uint64_t va = paging.stack_next + PAGE_SIZE, top = va + bytes;
    for (; va < top; va += PAGE_SIZE) {
        uint64_t *e = leaf_entry(va, true);
        hpa_t pa = e != NULL ? frames_alloc(0) : 0;
        if (pa == 0)
            return 0;
        *e = pa | PTE_P | PTE_W | PTE_NX;
    }
    paging.stack_next = top;
    return top;
}

bool paging_is_stack(uint64_t va) {
    if (va < STACK_BASE || va >= paging.stack_next)
        return false;
    const uint64_t *e = leaf_entry(va, false);
    return e != NULL && (*e & PTE_P) != 0;
}

static void audit_table(const uint64_t *table, unsigned shift, uint64_t rights, struct paging_audit *out) {
    out->table_pages++;
    for (unsigned i = 0; i < 512; i++) {
        uint64_t e = table[i];
        if ((e & PTE_P) == 0)
            continue;
        /* W and U are the AND of all levels, NX the OR: keep "executable" as the AND of !NX. */
        uint64_t here = (e & (PTE_W | PTE_U)) | ((e & PTE_NX) != 0 ? 0 : PTE_NX);
        here &= rights;
        if (shift > PAGE_SHIFT && (e & PTE_PS) == 0) {
            audit_table(table_at(e), shift - 9, here, out);
            continue;
        }
        out->leaves++;
        out->write_exec += (here & PTE_W) != 0 && (here & PTE_NX) != 0;
        out->user += (here & PTE_U) != 0;
        out->exec_bytes += (here & PTE_NX) != 0 ? BIT(shift) : 0;
    }
}

void paging_audit(struct paging_audit *out) {
    *out = (struct paging_audit){0};
    audit_table(paging.pml4, 39, PTE_W | PTE_U | PTE_NX, out);
}
