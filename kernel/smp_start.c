/* SPDX-License-Identifier: MIT */
/* smp_start.c - starting the other CPUs, one after the other, by CPU 0.
 *
 *   CPU 0                                   the other
 *   record, stacks, trampoline arguments
 *   INIT (all at once), 10 ms, SIPI ------> real mode -> long mode -> smp_cpu_main
 *   no sign after 1 ms: SIPI again          own tables, local APIC, hooks->cpu_up
 *   measures with it -----------------------TSC: aligned
 *   gives it a number: "go" --------------> its loop
 * A CPU that shows no sign in 200 ms gets INIT again, so that it does not start later into a page that others use. */
#include <string.h>

#include "kernel/acpi.h"
#include "kernel/cpu.h"
#include "kernel/frames.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/lapic.h"
#include "kernel/log.h"
#include "kernel/loop.h"
#include "kernel/paging.h"
#include "kernel/panic.h"
#include "kernel/smp.h"
#include "kernel/time.h"
#include "kernel/tsc_sync.h"

#define STACK_BYTES (32ul * KIB)
#define LOW_PAGES 4u /* trampoline, PML4, page-directory-pointer table, page directory */
#define INIT_DELAY_US 10000u
#define SIPI_WAIT_US 1000u
#define UP_LIMIT_US 200000u

struct trampoline_args {
    uint16_t gdt_limit; /* 0 */
    uint32_t gdt_base;  /* 2 */
    uint16_t rsvd0;     /* 6 */
    uint32_t far32;     /* 8 */
    uint16_t far32_selector, rsvd1;
    uint32_t far64;     /* 16 */
    uint16_t far64_selector, rsvd2;
    uint64_t low_cr3;   /* 24 */
    uint64_t kernel_cr3;
    uint64_t stack;
    uint64_t argument;
    uint64_t entry;
} PACKED;
_Static_assert(sizeof(struct trampoline_args) == 64, "smp_trampoline.S lays it out");

enum start_sign { SIGN_NONE = 0, SIGN_UP, SIGN_GO, SIGN_LEAVE };

struct cpu_start {
    struct cpu *cpu;
    uint64_t ist[CPU_NR_IST];
    uint64_t pat;
    uint32_t sign; /* [a] enum start_sign: the CPU writes UP, CPU 0 then GO or LEAVE */
    struct tsc_sync tsc;
};

extern const uint8_t smp_trampoline[], smp_trampoline_args[], smp_trampoline_end[];
extern const uint8_t smp_entry[];
void smp_cpu_main(struct cpu_start *start) NORETURN;

static const struct smp_hooks *hooks;
static uint32_t nr_absent;

uint32_t smp_nr_absent(void) {
    return nr_absent;
}

/* The first instruction in C of a CPU that came up. */
void smp_cpu_main(struct cpu_start *start) {
    cpu_init_tables(start->cpu, start->ist);
    cpu_wrmsr(MSR_IA32_PAT, start->pat);
    lapic_init_cpu();
    hooks->cpu_up(start->cpu);
    __atomic_store_n(&start->sign, SIGN_UP, __ATOMIC_RELEASE); /* partner: wait_for_sign */
    tsc_sync_answer(&start->tsc);
    uint32_t sign;
    while ((sign = __atomic_load_n(&start->sign, __ATOMIC_ACQUIRE)) == SIGN_UP) /* partner: the release in judge */
        cpu_pause();
    if (sign == SIGN_GO)
        loop_run();
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* A run of pages below 1 MiB that the firmware left free; 0: none. Page 0 is left alone. */
static hpa_t find_low_pages(const struct boot_info *info) {
    for (uint64_t i = 0; i < info->nr_mem && i < BOOT_MAX_MEM; i++) {
        hpa_t start = MAX(info->mem[i].start, (hpa_t)PAGE_SIZE), end = MIN(info->mem[i].end, (hpa_t)(640 * KIB));
        if (info->mem[i].type == BOOT_MEM_USABLE && end > start && end - start >= LOW_PAGES * PAGE_SIZE)
            return end - LOW_PAGES * PAGE_SIZE;
    }
    return 0;
}

/* Long mode is entered below 4 GiB: page tables of its own that have the low 2 MiB where they are, and all of the kernel. */
static struct trampoline_args *prepare_trampoline(hpa_t low) {
    uint8_t *page = phys_to_virt(low);
    memset(page, 0, LOW_PAGES * PAGE_SIZE);
    memcpy(page, smp_trampoline, (size_t)(smp_trampoline_end - smp_trampoline));
    uint64_t *pml4 = phys_to_virt(low + PAGE_SIZE), *pdpt = phys_to_virt(low + 2 * PAGE_SIZE);
    uint64_t *pd = phys_to_virt(low + 3 * PAGE_SIZE);
    memcpy(pml4 + 256, (const uint64_t *)phys_to_virt(paging_root()) + 256, PAGE_SIZE / 2);
    enum { PRESENT_WRITABLE = 3, LARGE = 0x80 };
    pml4[0] = (low + 2 * PAGE_SIZE) | PRESENT_WRITABLE;
    pdpt[0] = (low + 3 * PAGE_SIZE) | PRESENT_WRITABLE;
    pd[0] = PRESENT_WRITABLE | LARGE;
    struct trampoline_args *args = (void *)(page + (smp_trampoline_args - smp_trampoline));
    args->gdt_base += (uint32_t)low;
    args->far32 += (uint32_t)low;
    args->far64 += (uint32_t)low;
    args->low_cr3 = low + PAGE_SIZE;
    args->kernel_cr3 = paging_root();
    args->entry = (uint64_t)smp_entry;
    return args;
}

static bool prepare_start(struct cpu_start *start, struct trampoline_args *args, uint32_t apic_id) {
    enum { RECORD_ORDER = 2 };
    _Static_assert(sizeof(struct cpu) <= PAGE_SIZE << RECORD_ORDER, "a CPU's record");
    hpa_t record = frames_alloc(RECORD_ORDER);
    if (record == 0)
        return false;
    *start = (struct cpu_start){.cpu = phys_to_virt(record), .pat = cpu_rdmsr(MSR_IA32_PAT)};
    start->cpu->apic_id = apic_id;
    for (unsigned i = 0; i < CPU_NR_IST; i++) {
        start->ist[i] = paging_map_stack(CPU_IST_STACK_BYTES);
        if (start->ist[i] == 0)
            return false;
    }
    args->stack = paging_map_stack(STACK_BYTES);
    args->argument = (uint64_t)start;
    return args->stack != 0;
}

static bool wait_for_sign(const struct cpu_start *start, uint32_t limit_us) {
    uint64_t end = cpu_rdtsc() + time_ns_to_tsc(limit_us * NSEC_PER_USEC);
    while (__atomic_load_n(&start->sign, __ATOMIC_ACQUIRE) == SIGN_NONE) {
        if (cpu_rdtsc() > end)
            return false;
        cpu_pause();
    }
    return true;
}

/* A CPU whose clock differs is of no use: guests and time-outs rely on one time. */
static void judge(struct cpu_start *start) {
    struct tsc_verdict v = tsc_sync_measure(&start->tsc);
    if (!v.aligned) {
        log_warn("smp: CPU with APIC ID %u is left out: its TSC is off by %ld ticks and could not be set", start->cpu->apic_id,
                 (long)v.offset);
        nr_absent++;
        __atomic_store_n(&start->sign, SIGN_LEAVE, __ATOMIC_RELEASE);
        return;
    }
    percpu_add(start->cpu);
    log_info("smp: CPU %u is up (APIC ID %u), TSC %s, measured to +-%lu ticks", start->cpu->id, start->cpu->apic_id,
             v.adjusted ? "set to CPU 0's" : "as CPU 0's", (unsigned long)v.error);
    hooks->cpu_counted(start->cpu);
    __atomic_store_n(&start->sign, SIGN_GO, __ATOMIC_RELEASE);
}

static void start_cpu(struct trampoline_args *args, hpa_t low, uint32_t apic_id) {
    /* Never freed: a CPU may still read its record after it was given up. */
    enum { START_ORDER = 0 };
    _Static_assert(sizeof(struct cpu_start) <= PAGE_SIZE << START_ORDER, "start record");
    hpa_t page = frames_alloc(START_ORDER);
    struct cpu_start *start = page != 0 ? phys_to_virt(page) : NULL;
    if (start == NULL || !prepare_start(start, args, apic_id)) {
        log_warn("smp: CPU with APIC ID %u is left out: no memory for its stacks", apic_id);
        nr_absent++;
        return;
    }
    lapic_send_sipi(apic_id, (uint8_t)(low >> PAGE_SHIFT));
    if (!wait_for_sign(start, SIPI_WAIT_US)) {
        lapic_send_sipi(apic_id, (uint8_t)(low >> PAGE_SHIFT));
        if (!wait_for_sign(start, UP_LIMIT_US)) {
            lapic_send_init(apic_id);
            nr_absent++;
            log_warn("smp: CPU with APIC ID %u is left out: it did not answer INIT and two SIPIs within %u ms", apic_id,
                     UP_LIMIT_US / 1000);
            return;
        }
    }
    judge(start);
}

void smp_init(const struct boot_info *info, const struct smp_hooks *h) {
    const struct acpi_info *acpi = acpi_get();
    hooks = h;
    this_cpu()->apic_id = lapic_id();
    if (acpi->nr_cpus <= 1)
        return;
    hpa_t low = find_low_pages(info);
    if (low == 0) {
        nr_absent = acpi->nr_cpus - 1;
        log_warn("smp: %u CPUs stay unused: the firmware left no %u free pages below 640 KiB to start them from", nr_absent,
                 LOW_PAGES);
        return;
    }
    struct trampoline_args *args = prepare_trampoline(low);
    for (unsigned i = 0; i < acpi->nr_cpus; i++)
        if (acpi->apic_id[i] != this_cpu()->apic_id)
            lapic_send_init(acpi->apic_id[i]);
    time_delay_us(INIT_DELAY_US);
    for (unsigned i = 0; i < acpi->nr_cpus; i++)
        if (acpi->apic_id[i] != this_cpu()->apic_id)
            start_cpu(args, low, acpi->apic_id[i]);
    log_info("smp: %u CPUs in use, %u of the firmware's tables not", cpu_nr(), nr_absent);
}
