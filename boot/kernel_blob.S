/* SPDX-License-Identifier: MIT */
/* The kernel ELF as data inside the EFI file. */
    .section .rodata
    .balign 16
    .globl kernel_image, kernel_image_end
kernel_image:
    .incbin KERNEL_ELF
kernel_image_end:
    .section .note.GNU-stack, "", @progbits
