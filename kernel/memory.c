/* SPDX-License-Identifier: MIT */
#include "kernel/memory.h"

#include "kernel/frames_init.h"
#include "kernel/heap.h"
#include "kernel/paging.h"
#include "kernel/panic.h"

#define LOW_MIB MIB          /* left alone: SMP start-up code and firmware oddities live there */
#define HEAP_BASE_BYTES (24ul * MIB)
#define HEAP_RAM_SHARE 256 /* plus this fraction of RAM: bitmaps and page digests of guests */

static struct {
    uint64_t image_bytes, table_bytes;
} own;

/* Cut `bytes` from the end of the highest usable range that is large enough. */
static hpa_t carve(struct boot_mem *mem, uint64_t nr_mem, uint64_t bytes) {
    for (uint64_t i = nr_mem; i-- > 0;) {
        if (mem[i].type != BOOT_MEM_USABLE || mem[i].end - mem[i].start < bytes || mem[i].start < LOW_MIB)
            continue;
        mem[i].end = ALIGN_DOWN(mem[i].end - bytes, PAGE_SIZE);
        return mem[i].end;
    }
    panic("no %lu KiB of contiguous RAM for the hypervisor's own use; the machine needs at least 128 MiB",
          (unsigned long)(bytes / KIB));
}

void memory_init(const struct boot_info *info) {
    static struct boot_mem mem[BOOT_MAX_MEM];
    uint64_t nr_mem = MIN(info->nr_mem, (uint64_t)BOOT_MAX_MEM);
    uint64_t ram = 0;
    for (uint64_t i = 0; i < nr_mem; i++) {
        mem[i] = info->mem[i];
        mem[i].end = MIN(mem[i].end, info->direct_map_end);
        mem[i].start = MIN(mem[i].start, mem[i].end);
        if (mem[i].type == BOOT_MEM_USABLE && mem[i].end > mem[i].start)
            ram += mem[i].end - mem[i].start;
    }
    paging_init(info);
    uint64_t heap_bytes = ALIGN_UP(HEAP_BASE_BYTES + ram / HEAP_RAM_SHARE, PAGE_SIZE);
    heap_init(phys_to_virt(carve(mem, nr_mem, heap_bytes)), heap_bytes);
    uint64_t table_bytes = frames_table_bytes(info->direct_map_end);
    frames_init(phys_to_virt(carve(mem, nr_mem, table_bytes)), info->direct_map_end);
    for (uint64_t i = 0; i < nr_mem; i++)
        if (mem[i].type == BOOT_MEM_USABLE && mem[i].end > LOW_MIB)
            frames_add(MAX(mem[i].start, LOW_MIB), mem[i].end);
    own.image_bytes = info->kernel_size;
    own.table_bytes = table_bytes + info->direct_map_end / LARGE_SIZE * 16;
}

uint64_t memory_own_bytes(void) {
    return own.image_bytes + own.table_bytes + heap_used_bytes();
}
