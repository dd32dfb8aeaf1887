/* SPDX-License-Identifier: MIT */
/* start.S - entries of a payload guest: bzImage header and 64-bit entry for Godwit, PVH entry for QEMU; exceptions.
 * Both entries end in guest_start(zero page or 0, PVH start info or 0) on the guest's own stack and GDT. */
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_LME 0x100

/* The setup header, by offset in the file. See guest/boot_params.h. */
    .section .header, "", @progbits
header:
    .org 0x1f1
    .byte 1                     /* setup_sects: two sectors in all */
    .word 0
    .long payload_paragraphs    /* syssize */
    .word 0, 0, 0
    .word 0xaa55
    .byte 0xeb, 0x66            /* the header ends at 0x268 */
    .ascii "HdrS"
    .word 0x020f
    .long 0
    .word 0
    .word version - header - 0x200
    .byte 0, 1                  /* loadflags: LOADED_HIGH */
    .word 0
    .long 0x100000
    .long 0, 0, 0
    .word 0
    .byte 0, 0
    .long 0
    .long 0x7fffffff            /* initrd_addr_max */
    .long 0x1000                /* kernel_alignment */
    .byte 0, 0                  /* not relocatable */
    .word 1                     /* xloadflags: 64-bit entry */
    .long 2047                  /* cmdline_size */
    .long 0
    .quad 0
    .long 0, 0
    .quad 0
    .quad 0x100000              /* pref_address */
    .long payload_memory        /* init_size */
    .long 0
    .org 0x280
version:
    .asciz "Godwit payload guest"
    .org 0x400

    .section .note.Xen, "a", @note
    .long 4, 8, 18              /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad entry_pvh

    .section .entry, "ax"
    .code32
    .global entry_pvh
entry_pvh:                      /* flat 32-bit, no paging, EBX = start info */
    cld
    mov $page_tables, %edi
    mov $(6 * 4096 / 4), %ecx
    xor %eax, %eax
    rep stosl
    mov $page_tables, %edi
    lea 0x1003(%edi), %eax
    mov %eax, (%edi)            /* PML4 -> PDPT */
    lea 0x2003(%edi), %eax
    mov $4, %ecx
    lea 0x1000(%edi), %edx
1:  mov %eax, (%edx)            /* PDPT -> 4 directories */
    add $8, %edx
    add $0x1000, %eax
    loop 1b
    mov $0x83, %eax
    mov $2048, %ecx
    lea 0x2000(%edi), %edx
2:  mov %eax, (%edx)            /* 2 MiB pages */
    add $8, %edx
    add $0x200000, %eax
    loop 2b
    mov %cr4, %eax
    or $CR4_PAE, %eax
    mov %eax, %cr4
    mov %edi, %cr3
    mov $EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x10, $pvh64
    .code64
pvh64:
    xor %edi, %edi
    mov %ebx, %esi
    jmp common

    .org 0x200
entry_bzimage:                  /* 64-bit, identity map, RSI = zero page */
    cld
    mov %rsi, %rdi
    xor %esi, %esi
common:
    lgdt gdt_pointer
    mov $0x18, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $stack_top, %esp
    push %rdi
    push %rsi
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    shr $3, %ecx
    rep stosq
    pop %rsi
    pop %rdi
    pushq $0x10                 /* our own code segment */
    pushq $1f
    lretq
1:  call guest_start
2:  hlt
    jmp 2b

/* One stub per vector; those without an error code push 0. */
    .text
    .align 16
    .global vector_stubs
vector_stubs:
    .set vector, 0
    .rept 256
    .align 16
    .if !((vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21))
    pushq $0
    .endif
    pushq $vector
    jmp vector_common
    .set vector, vector + 1
    .endr

vector_common:
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    mov 72(%rsp), %rdi          /* vector */
    mov 80(%rsp), %rsi          /* error code */
    mov 88(%rsp), %rdx          /* RIP */
    cld
    call guest_interrupt
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

    .data
    .align 16
gdt:
    .quad 0, 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
gdt_pointer:
    .word . - gdt - 1
    .quad gdt

    .section .noinit, "aw", @nobits
    .align 4096
page_tables:
    .skip 6 * 4096
stack:
    .skip 16384
stack_top:
