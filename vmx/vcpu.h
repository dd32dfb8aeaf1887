/* SPDX-License-Identifier: MIT */
/* vcpu.h - one virtual CPU: its VMCS, the registers the VMCS does not hold, and running it.
 * - vcpu_create / vcpu_destroy.            - vcpu_run: enter the guest until the slice ends or it needs someone.
 * - vcpu_get_state / vcpu_set_state: all architectural state, for snapshots (vcpu_state.h).
 * - vcpu_inject_exception, vcpu_skip_instruction: for the upper layer's handlers.
 * - struct vcpu_ops: what the upper layer answers. Handlers run inside vcpu_run, between exit and entry.
 * Context: the CPU that runs the vCPU. A vCPU is loaded on at most one CPU: what exits leave in a CPU (VMCS cache, FPU, debug
 * and syscall registers) stays there until vcpu_put or until another vCPU is loaded. While the VM runs, only the vCPU's home
 * CPU loads it; while it does not, only CPU 0 (guest/vm_sched.h keeps that). Upward calls go through vcpu_ops only.
 * Source: SDM Vol. 3C, chapters 25 "VMX Non-Root Operation" to 27 "VM Exits". */
#ifndef VMX_VCPU_H
#define VMX_VCPU_H

#include "kernel/result.h"
#include "vmx/dirty.h"

/* General registers in the encoding order of instructions and exit qualifications. */
enum vcpu_reg {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, NR_REGS
};

struct vcpu;

#define VCPU_PENDING_IRQ 1u /* a maskable interrupt above the task priority */
#define VCPU_PENDING_NMI 2u
#define VCPU_PENDING_WAKE 4u /* HLT ends without an interrupt; taken by asking, so it is told to a halted vCPU only */

struct vcpu_ops {
    void (*cpuid)(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
    uint32_t (*pio_read)(void *ctx, uint16_t port, unsigned size);
    void (*pio_write)(void *ctx, uint16_t port, unsigned size, uint32_t value);
    /* INS/OUTS and MMIO: do it and advance RIP, or inject an exception. false: cannot be emulated, stop the VM. */
    bool (*pio_string)(void *ctx, struct vcpu *v, uint64_t qualification);
    bool (*mmio)(void *ctx, struct vcpu *v, gpa_t gpa, bool write);
    /* false: #GP(0) into the guest. */
    bool (*rdmsr)(void *ctx, uint32_t msr, uint64_t *value);
    bool (*wrmsr)(void *ctx, uint32_t msr, uint64_t value);
    void (*take_requests)(void *ctx); /* what other CPUs sent: interrupts, INIT, SIPI (vcpu_state.h carries the latter out) */
    /* VMCALL by the guest's kernel; a: RBX, RCX, RDX, RSI. wide: in 64-bit mode, else the values have 32 bits. */
    uint64_t (*hypercall)(void *ctx, uint64_t nr, const uint64_t a[4], bool wide);
    unsigned (*pending)(void *ctx);  /* VCPU_PENDING_*: what could be delivered */
    int (*irq_accept)(void *ctx);    /* acknowledge it: vector, or -1 after all */
    bool (*nmi_accept)(void *ctx);   /* take a pending NMI */
    uint8_t (*get_cr8)(void *ctx);
    void (*set_cr8)(void *ctx, uint8_t value);
    void (*run_timers)(void *ctx);             /* guest timers that are due */
    uint64_t (*next_timer_tsc)(void *ctx);     /* host TSC of the next one, UINT64_MAX: none */
    uint64_t (*xcr0_allowed)(void *ctx);       /* XCR0 bits that CPUID shows */
    uint64_t (*cr4_allowed)(void *ctx);        /* CR4 bits of the features that CPUID shows */
};

/* Why vcpu_run came back. */
enum vcpu_stop {
    VCPU_STOP_SLICE = 1, /* the time is up, a stop was requested, or this CPU is wanted (smp_is_kicked) */
    VCPU_STOP_YIELD,     /* it spins in a PAUSE loop */
    VCPU_STOP_HALTED,    /* HLT with nothing to deliver: run again when an interrupt is pending */
    VCPU_STOP_CRASHED    /* triple fault or something that cannot be emulated; v->crash says what */
};

#define VCPU_XSAVE_BYTES 4096
#define VCPU_NOT_LOADED (-1)
#define VCPU_NR_EXIT_REASONS 76u

enum vcpu_activity { VCPU_ACTIVE = 0, VCPU_HALTED, VCPU_WAIT_SIPI };

struct vcpu {
    /* Legend: [a] atomic, any CPU; [r] written by the CPU that runs it, read by any; the rest: the CPU that has it loaded. */
    uint64_t regs[NR_REGS]; /* first member: vcpu_enter.S knows; RSP is in the VMCS */
    uint64_t cr2;           /* valid while the vCPU is not loaded */
    const struct vcpu_ops *ops;
    void *ctx;
    hpa_t vmcs;
    struct ept *ept;
    struct dirty_log *dirty;
    int32_t loaded_cpu; /* [a] CPU whose registers hold it, or VCPU_NOT_LOADED */
    int32_t last_cpu;   /* where it was loaded last: translations of another CPU are stale */
    uint64_t flushed_generation; /* of ept->generation, when this CPU's translations were last invalidated */
    bool launched;
    uint8_t activity;   /* enum vcpu_activity */
    bool stop_request;  /* [a] leave vcpu_run at the next opportunity */
    bool recheck;       /* interrupts or timers may have changed since the last look */
    bool pml_on;
    bool event_queued;  /* the VMCS's entry-interruption field holds an event for the next entry */
    bool window_irq, window_nmi; /* window exiting is on */
    uint16_t vpid;
    uint8_t preemption_shift; /* the preemption timer counts at TSC >> this */
    uint64_t slice_end; /* host TSC */
    uint64_t *pml;      /* 512 guest-physical addresses */
    hpa_t msr_bitmap, io_bitmap; /* 4 KiB, and 8 KiB */
    uint64_t xcr0;
    uint64_t dr[4], dr6;
    uint64_t msr_star, msr_lstar, msr_cstar, msr_fmask, msr_kernel_gs_base, msr_tsc_aux;
    uint8_t *xsave;     /* VCPU_XSAVE_BYTES, 64-byte aligned; valid while the vCPU is not loaded */
    uint64_t nr_exits;        /* [r] */
    uint64_t exits_by[VCPU_NR_EXIT_REASONS]; /* [r] by basic reason; later ones count as the last */
    uint64_t tsc_offset;      /* guest TSC = host TSC + this */
    uint64_t last_exit_tsc;   /* host TSC when vcpu_run last came back */
    uint64_t first_entry_tsc; /* host TSC right before the first entry that succeeded, or when a halted vCPU first got the
                                 CPU and went on waiting; 0 until then */
    struct reason crash;
};

/* vmx_init - read capabilities and enter VMX operation on CPU 0. The reason is kept for vmx_status. */
result_t vmx_init(struct reason *why) MUST_CHECK;
/* vmx_init_cpu - VMX operation on another CPU: on it, while CPU 0 waits. ERR_UNSUPP: its capabilities differ from CPU 0's. */
result_t vmx_init_cpu(struct reason *why) MUST_CHECK;
/* vmx_status - OK, or why there is no VT-x here. */
result_t vmx_status(struct reason *why) MUST_CHECK;
const struct vmx_caps *vmx_get_caps(void);
/* vmx_get_ept_mem - tables from the frame allocator. */
const struct ept_mem *vmx_get_ept_mem(void);

/* vcpu_create - RIP and all else come from vcpu_set_state. v: zeroed by the caller. ERR_NOMEM frees what it took. */
result_t vcpu_create(struct vcpu *v, const struct vcpu_ops *ops, void *ctx, struct ept *ept, struct dirty_log *dirty) MUST_CHECK;
void vcpu_destroy(struct vcpu *v);
enum vcpu_stop vcpu_run(struct vcpu *v, uint64_t slice_end_tsc);
/* vcpu_set_tsc_offset - guest TSC = host TSC + offset, from the next entry on. */
void vcpu_set_tsc_offset(struct vcpu *v, uint64_t offset);
/* vcpu_set_pause_exiting - let a PAUSE loop end its stay (VCPU_STOP_YIELD): of use with several vCPUs. */
void vcpu_set_pause_exiting(struct vcpu *v, bool on);
/* vcpu_flush_ept - this CPU's translations through v's EPT, after leaves changed. Others are the caller's business. */
void vcpu_flush_ept(struct vcpu *v);
/* vcpu_is_here - is it loaded on this CPU?   vcpu_loaded_on - on which CPU, or VCPU_NOT_LOADED. */
bool vcpu_is_here(const struct vcpu *v);
/* vcpu_current - the one that is loaded on this CPU, or NULL. */
struct vcpu *vcpu_current(void);
static inline int32_t vcpu_loaded_on(const struct vcpu *v) {
    return __atomic_load_n(&v->loaded_cpu, __ATOMIC_SEQ_CST);
}
/* vcpu_request_stop - from any CPU; the caller kicks the CPU it runs on. */
static inline void vcpu_request_stop(struct vcpu *v) {
    __atomic_store_n(&v->stop_request, true, __ATOMIC_SEQ_CST);
}
/* vcpu_sync_dirty_log - switch the CPU's page-modification log on or off as v->dirty says; loading does it, too.
 * vcpu_pml_drain - that log into v->dirty.   Both: on the CPU where it is loaded. */
void vcpu_sync_dirty_log(struct vcpu *v);
void vcpu_pml_drain(struct vcpu *v);

/* vcpu_exit_name - of a basic exit reason; never NULL. */
const char *vcpu_exit_name(unsigned reason);

/* For handlers: the VMCS is current. */
void vcpu_skip_instruction(struct vcpu *v);
void vcpu_inject_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error);
/* vcpu_read_cr4 - as the guest reads it. */
uint64_t vcpu_read_cr4(struct vcpu *v);
/* vcpu_make_current - VMPTRLD, and guest registers that exits leave in the CPU (FPU, syscall MSRs) become this vCPU's. */
void vcpu_make_current(struct vcpu *v);
/* vcpu_put - the registers of the vCPU that is loaded on this CPU, if any, go to its record; none is loaded then. */
void vcpu_put(void);

#endif
