/* SPDX-License-Identifier: MIT */
/* uint64_t vcpu_enter(struct vcpu *v, bool launched): one VM entry and the exit that follows.
 * Returns 0 after an exit, 1 when VMLAUNCH/VMRESUME failed (VMfail). Guest general registers live in v->regs[];
 * the host's callee-saved registers and v live on the stack, which HOST_RSP points to.
 * Source: SDM Vol. 3C, 26.1 "Basic VM-Entry Checks", 27.5 "Loading Host State". */
#define HOST_RSP 0x6c14
    .text
    .balign 16
    .globl vcpu_enter, vcpu_exit_point
    .type vcpu_enter, @function
vcpu_enter:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi
    mov $HOST_RSP, %eax
    vmwrite %rsp, %rax
    mov %rdi, %rax
    test %sil, %sil
    mov 8(%rax), %rcx
    mov 16(%rax), %rdx
    mov 24(%rax), %rbx
    mov 40(%rax), %rbp
    mov 48(%rax), %rsi
    mov 56(%rax), %rdi
    mov 64(%rax), %r8
    mov 72(%rax), %r9
    mov 80(%rax), %r10
    mov 88(%rax), %r11
    mov 96(%rax), %r12
    mov 104(%rax), %r13
    mov 112(%rax), %r14
    mov 120(%rax), %r15
    mov (%rax), %rax
    jnz 1f
    vmlaunch
    jmp 2f
1:  vmresume
2:  pop %rdi
    mov $1, %eax
    jmp 3f

    .balign 16
vcpu_exit_point:
    xchg %rdi, (%rsp)           /* rdi = v, stack = guest rdi */
    mov %rax, (%rdi)
    mov %rcx, 8(%rdi)
    mov %rdx, 16(%rdi)
    mov %rbx, 24(%rdi)
    pop %rax
    mov %rbp, 40(%rdi)
    mov %rsi, 48(%rdi)
    mov %rax, 56(%rdi)
    mov %r8, 64(%rdi)
    mov %r9, 72(%rdi)
    mov %r10, 80(%rdi)
    mov %r11, 88(%rdi)
    mov %r12, 96(%rdi)
    mov %r13, 104(%rdi)
    mov %r14, 112(%rdi)
    mov %r15, 120(%rdi)
    xor %eax, %eax
3:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size vcpu_enter, . - vcpu_enter
    .section .note.GNU-stack, "", @progbits
