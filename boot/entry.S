/* SPDX-License-Identifier: MIT */
/* entry_start - the kernel's first instruction. In: RDI = struct boot_info *, interrupts off, loader's page tables. */
    .section .text.entry, "ax", @progbits
    .globl entry_start
    .type entry_start, @function
entry_start:
    lea boot_stack_top(%rip), %rsp
    xor %ebp, %ebp
    push %rbp
    jmp kernel_main
    .size entry_start, . - entry_start

    /* One guard page below the stack; paging_init unmaps it. */
    .bss
    .balign 4096
    .globl boot_stack_guard, boot_stack_top
boot_stack_guard:
    .skip 4096
    .skip 65536
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
