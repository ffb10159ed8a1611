/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's ELF file, as a part of the programs that run it */
	.section .rodata
	.balign 16
	.globl guest_image
guest_image:
	.incbin GUEST_ELF
	.globl guest_image_end
guest_image_end:
	.section .note.GNU-stack, "", @progbits
