/* SPDX-License-Identifier: MIT */
/* smp_trampoline.S - the first instructions of a CPU that was sent a SIPI: real mode to long mode, then smp_entry.
 * smp_start.c copies [smp_trampoline, smp_trampoline_end) to a page below 1 MiB and fills in struct trampoline_args, which is
 * the data at the end. All addresses are relative to the page: CS is its segment, EBX its linear address.
 * Source: SDM Vol. 3A, 9.9 "Mode Switching", 9.8.5 "Initializing IA-32e Mode". */
#define AT(label) ((label) - smp_trampoline)
#define CR4_PAE 0x20
#define CR0_PE_ET_NE_WP_PG 0x80010031
#define EFER 0xc0000080
#define EFER_LME_NXE 0x900
    .section .rodata
    .balign 16
    .globl smp_trampoline, smp_trampoline_args, smp_trampoline_end
smp_trampoline:
    .code16
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    xor %ebx, %ebx
    mov %cs, %bx
    shl $4, %ebx
    lgdtl AT(gdt_pointer)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl *AT(far32)

    .code32
protected:
    mov $0x10, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov AT(low_cr3)(%ebx), %eax
    mov %eax, %cr3
    mov $EFER, %ecx
    rdmsr
    or $EFER_LME_NXE, %eax
    wrmsr
    mov $CR0_PE_ET_NE_WP_PG, %eax
    mov %eax, %cr0
    ljmpl *AT(far64)(%ebx)

    .code64
long_mode:
    mov AT(stack)(%rbx), %rsp
    mov AT(argument)(%rbx), %rdi
    mov AT(kernel_cr3)(%rbx), %rcx
    mov AT(entry)(%rbx), %rax
    xor %ebp, %ebp
    jmp *%rax

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* 08: 32-bit code */
    .quad 0x00cf93000000ffff /* 10: data */
    .quad 0x00af9b000000ffff /* 18: 64-bit code */
smp_trampoline_args: /* struct trampoline_args */
gdt_pointer:
    .word 31
    .long AT(gdt)       /* + page */
    .word 0
far32:
    .long AT(protected) /* + page */
    .word 0x08, 0
far64:
    .long AT(long_mode) /* + page */
    .word 0x18, 0
low_cr3:
    .quad 0
kernel_cr3:
    .quad 0
stack:
    .quad 0
argument:
    .quad 0
entry:
    .quad 0
smp_trampoline_end:

    /* In: RDI = struct cpu_start *, RCX = the kernel's page tables. The trampoline's identity map ends here. */
    .text
    .globl smp_entry
smp_entry:
    mov %rcx, %cr3
    push %rbp
    jmp smp_cpu_main
    .section .note.GNU-stack, "", @progbits
