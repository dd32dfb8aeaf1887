/* SPDX-License-Identifier: MIT */
/* vm_memory.c - a guest's RAM in 2 MiB frames under EPT, and its dirty log. */
#include <stdlib.h>

#include "guest/vm_priv.h"
#include "kernel/frames.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "vmx/vmx_caps.h"

static bool allocate_chunks(struct vm *vm) {
    for (uint64_t i = 0; i < vm->mem.nr_chunks; i++) {
        hpa_t pa = frames_alloc(FRAMES_MAX_ORDER);
        if (pa == 0)
            return false;
        vm->mem.chunk[i] = phys_to_virt(pa);
    }
    return true;
}

/* Map chunks, runs that are contiguous in host memory as one range so that 1 GiB leaves can form. */
static result_t map_chunks(struct vm *vm) {
    const struct gmem *g = &vm->mem;
    for (uint64_t i = 0; i < g->nr_chunks;) {
        uint64_t n = 1;
        gpa_t gpa = gmem_gpa(g, i * 512);
        while (i + n < g->nr_chunks && g->chunk[i + n] == g->chunk[i] + n * LARGE_SIZE &&
               gmem_gpa(g, (i + n) * 512) == gpa + n * LARGE_SIZE)
            n++;
        result_t r = ept_map_range(&vm->ept, gpa, virt_to_phys(g->chunk[i]), n * LARGE_SIZE);
        if (r != OK)
            return r;
        i += n;
    }
    return OK;
}

static result_t check_room(const struct vm_spec *spec, struct reason *why) {
    struct frames_stats stats = frames_stats();
    if (spec->memory_bytes == 0 || spec->memory_bytes % LARGE_SIZE != 0)
        return reason_set(why, ERR_INVAL, "VM %s: memory of %lu bytes is not a multiple of 2 MiB", spec->name,
                          (unsigned long)spec->memory_bytes);
    if (spec->memory_bytes > stats.free_large * LARGE_SIZE)
        return reason_set(why, ERR_NOMEM, "VM %s asks for %lu MiB of memory, %lu MiB are free on this host; stop another VM "
                          "or ask for less", spec->name, (unsigned long)(spec->memory_bytes / MIB),
                          (unsigned long)(stats.free_large * LARGE_SIZE / MIB));
    return OK;
}

result_t vm_memory_create(struct vm *vm, struct reason *why) {
    result_t r = check_room(&vm->spec, why);
    if (r != OK)
        return r;
    uint8_t **chunk = calloc(vm->spec.memory_bytes / LARGE_SIZE, sizeof *chunk);
    vm->hv_dirty = calloc(vm->spec.memory_bytes / PAGE_SIZE / 64, sizeof(uint64_t));
    if (chunk == NULL || vm->hv_dirty == NULL) {
        free(chunk);
        return reason_set(why, ERR_NOMEM, "VM %s: no memory for its page lists", vm->spec.name);
    }
    r = gmem_init(&vm->mem, vm->spec.memory_bytes, chunk);
    ASSERT(r == OK);
    const struct vmx_caps *caps = vmx_get_caps();
    r = ept_init(&vm->ept, vmx_get_ept_mem(), caps->ept_ad, caps->ept_1g);
    if (r == OK)
        r = allocate_chunks(vm) ? map_chunks(vm) : fail(ERR_NOMEM);
    if (r != OK)
        return reason_set(why, r, "VM %s: not enough memory for its RAM and page tables", vm->spec.name);
    return OK;
}

void vm_memory_destroy(struct vm *vm) {
    if (vm->dirty.mode != DIRTY_MODE_OFF)
        dirty_stop(&vm->dirty);
    dirty_release(&vm->dirty);
    ept_exit(&vm->ept);
    for (uint64_t i = 0; vm->mem.chunk != NULL && i < vm->mem.nr_chunks; i++)
        if (vm->mem.chunk[i] != NULL)
            frames_free(virt_to_phys(vm->mem.chunk[i]), FRAMES_MAX_ORDER);
    free(vm->mem.chunk);
    free(vm->hv_dirty);
    vm->mem.chunk = NULL;
    vm->hv_dirty = NULL;
}

struct gmem *vm_gmem(struct vm *vm) {
    return &vm->mem;
}

static enum dirty_method choose_method(const struct vm *vm, enum dirty_method m) {
    const struct vmx_caps *caps = vmx_get_caps();
    if (m == DIRTY_AUTO || m == DIRTY_INVALID)
        m = vm->spec.dirty == DIRTY_INVALID ? DIRTY_AUTO : vm->spec.dirty;
    if (m == DIRTY_AUTO)
        m = caps->pml ? DIRTY_PML : caps->ept_ad ? DIRTY_DBIT : DIRTY_WP;
    return m;
}

/* Every CPU forgets its translations: those with a vCPU of this VM now, the others when one is loaded there again. */
static void invalidate(struct vm *vm) {
    __atomic_fetch_add(&vm->ept.generation, 1, __ATOMIC_SEQ_CST);
    sched_on_loaded(vm, vcpu_flush_ept);
}

result_t vm_dirty_start(struct vm *vm, enum dirty_method m, struct reason *why) {
    static const enum dirty_mode modes[] = {
        [DIRTY_PML] = DIRTY_MODE_PML, [DIRTY_DBIT] = DIRTY_MODE_DBIT, [DIRTY_WP] = DIRTY_MODE_WP};
    const struct vmx_caps *caps = vmx_get_caps();
    m = choose_method(vm, m);
    if ((m == DIRTY_PML && !caps->pml) || (m == DIRTY_DBIT && !caps->ept_ad))
        return reason_set(why, ERR_UNSUPP, "dirty logging by %s was asked for, this CPU has no %s; use dirty=auto or dirty=wp",
                          dirty_method_str(m), m == DIRTY_PML ? "page-modification logging" : "EPT dirty bits");
    result_t r = dirty_start(&vm->dirty, &vm->ept, modes[m], vm->mem.low_bytes / PAGE_SIZE, vm->mem.nr_pages);
    if (r != OK) { /* leaves were split and joined again */
        invalidate(vm);
        dirty_release(&vm->dirty);
        return reason_set(why, r, "VM %s: dirty logging cannot start (%s)", vm->spec.name, result_str(r));
    }
    for (uint64_t w = 0; w < vm->mem.nr_pages / 64; w++)
        vm->hv_dirty[w] = 0;
    __atomic_store_n(&vm->mem.dirty, vm->hv_dirty, __ATOMIC_RELEASE);
    vm->dirty_method = m;
    sched_on_loaded(vm, vcpu_sync_dirty_log); /* before arming: a page whose flag is cleared must be logged when it is set */
    dirty_arm(&vm->dirty);
    invalidate(vm);
    return OK;
}

uint64_t vm_dirty_collect(struct vm *vm, uint64_t *bitmap) {
    sched_on_loaded(vm, vcpu_pml_drain);
    uint64_t fresh = dirty_collect(&vm->dirty, bitmap);
    invalidate(vm);
    for (uint64_t w = 0; w < vm->mem.nr_pages / 64; w++) {
        if (__atomic_load_n(&vm->hv_dirty[w], __ATOMIC_RELAXED) == 0)
            continue;
        uint64_t bits = __atomic_exchange_n(&vm->hv_dirty[w], 0, __ATOMIC_SEQ_CST);
        fresh += (uint64_t)__builtin_popcountll(bits & ~bitmap[w]);
        bitmap[w] |= bits;
    }
    return fresh;
}

uint64_t vm_dirty_cross_check(struct vm *vm, uint64_t *first) {
    ASSERT(vm->state != VM_RUNNING);
    sched_on_loaded(vm, vcpu_pml_drain);
    return dirty_cross_check(&vm->dirty, first);
}

void vm_dirty_stop(struct vm *vm) {
    if (vm->dirty.mode == DIRTY_MODE_OFF)
        return;
    __atomic_store_n(&vm->mem.dirty, NULL, __ATOMIC_RELEASE);
    dirty_stop(&vm->dirty);
    sched_on_loaded(vm, vcpu_sync_dirty_log);
    invalidate(vm); /* after this nobody walks a replaced table or is in a handler that has looked at the log */
    dirty_release(&vm->dirty);
    vm->dirty_method = DIRTY_INVALID;
}

enum dirty_method vm_dirty_active(const struct vm *vm) {
    return vm->dirty_method;
}
