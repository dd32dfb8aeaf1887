/* SPDX-License-Identifier: MIT */
#include "tests/unit/fake_mmu.h"

#include <string.h>

#define PML_FULL 0xffffu

void mmu_init(struct mmu *m, const struct ept *ept, struct dirty_log *log) {
    memset(m, 0, sizeof *m);
    m->ept = ept;
    m->log = log;
}

void mmu_pml_enable(struct mmu *m, bool on) {
    m->pml_on = on;
    m->pml_index = MMU_PML_ENTRIES - 1;
}

void mmu_flush(struct mmu *m) {
    memset(m->tlb, 0, sizeof m->tlb);
}

/* The index points to the next free entry and counts down. */
void mmu_pml_drain(struct mmu *m) {
    for (uint16_t i = (uint16_t)(m->pml_index + 1); i < MMU_PML_ENTRIES; i++)
        dirty_note(m->log, m->pml[i]);
    m->pml_index = MMU_PML_ENTRIES - 1;
}

static struct mmu_slot *slot_of(struct mmu *m, gpa_t gpa) {
    return &m->tlb[(gpa >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ull >> 52];
}

/* The leaf of gpa; accessed flags are set on the way. NULL: not mapped. */
static uint64_t *walk(struct mmu *m, gpa_t gpa) {
    m->walks++;
    uint64_t *table = m->ept->mem->to_virt(m->ept->root);
    for (unsigned shift = 39;; shift -= 9) {
        uint64_t *entry = &table[gpa >> shift & 511];
        if ((*entry & EPT_RWX) == 0)
            return NULL;
        if (m->ept->ad)
            *entry |= EPT_A;
        if (shift == PAGE_SHIFT || (*entry & EPT_LARGE) != 0)
            return entry;
        table = m->ept->mem->to_virt(*entry & EPT_ADDR);
    }
}

bool mmu_read(struct mmu *m, gpa_t gpa) {
    struct mmu_slot *slot = slot_of(m, gpa);
    gpa_t page = ALIGN_DOWN(gpa, PAGE_SIZE);
    if (slot->page == page + 1)
        return true;
    const uint64_t *leaf = walk(m, gpa);
    if (leaf == NULL || (*leaf & EPT_R) == 0)
        return false;
    *slot = (struct mmu_slot){page + 1, (*leaf & EPT_W) != 0, (*leaf & EPT_D) != 0};
    return true;
}

/* The write sets the dirty flag of a leaf: log it first, or leave for a full log. */
static void set_dirty(struct mmu *m, uint64_t *leaf, gpa_t page) {
    if (!m->ept->ad || (*leaf & EPT_D) != 0)
        return;
    if (m->pml_on && m->pml_index == PML_FULL) {
        m->pml_exits++;
        mmu_pml_drain(m);
    }
    if (m->pml_on)
        m->pml[m->pml_index--] = page;
    *leaf |= EPT_D;
}

bool mmu_write(struct mmu *m, gpa_t gpa) {
    struct mmu_slot *slot = slot_of(m, gpa);
    gpa_t page = ALIGN_DOWN(gpa, PAGE_SIZE);
    if (slot->page == page + 1 && slot->writable && (slot->dirty || !m->ept->ad))
        return true; /* the tables are not looked at: the point of the TLB here */
    uint64_t *leaf = walk(m, gpa);
    if (leaf == NULL)
        return false;
    if ((*leaf & EPT_W) == 0) {
        m->faults++;
        slot->page = 0; /* an EPT violation drops the translation */
        return dirty_write_fault(m->log, gpa) && mmu_write(m, gpa);
    }
    set_dirty(m, leaf, page);
    *slot = (struct mmu_slot){page + 1, true, true};
    return true;
}
