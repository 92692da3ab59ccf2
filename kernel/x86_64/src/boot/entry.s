/* The way in: PVH starts the kernel in 32-bit protected mode without paging, ebx pointing at
   struct hvm_start_info (Xen docs/misc/pvh.pandoc). This stub makes provisional page tables, enters
   64-bit mode at the linked address and calls boot_main(ebx) on the boot stack.

   Provisional tables: the first 4 GiB at address 0, at the direct map and, the first of them, at
   the linked address. Boot code replaces them by tables with proper rights. */

.set KOFF, 0xffffffff80000000
.set TABLE, 0x3                 /* present, writable */
.set LARGE, 0x83                /* present, writable, 2 MiB page */

.section .note.pvh, "a", @note
.balign 4
    .long 4                     /* length of the name */
    .long 8                     /* length of the descriptor */
    .long 18                    /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad pvh_start - KOFF

.section .bss.page, "aw", @nobits
.balign 4096
boot_pml4:      .skip 4096
boot_pdpt_low:  .skip 4096
boot_pdpt_high: .skip 4096
boot_pd:        .skip 4 * 4096

.section .boot.text, "ax", @progbits
.balign 8
boot_gdt:
    .quad 0
    .quad 0x00209a0000000000    /* 64-bit code */
boot_gdt_pointer:
    .word boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt - KOFF

.code32
.global pvh_start
pvh_start:
    cli
    cld
    mov edi, offset boot_pd - KOFF
    mov eax, LARGE
    mov ecx, 4 * 512
2:  mov [edi], eax
    add eax, 0x200000
    add edi, 8
    dec ecx
    jnz 2b

    mov edi, offset boot_pdpt_low - KOFF
    mov eax, offset boot_pd - KOFF + TABLE
    mov [offset boot_pdpt_high - KOFF + 510 * 8], eax
    mov ecx, 4
2:  mov [edi], eax
    add eax, 4096
    add edi, 8
    dec ecx
    jnz 2b

    mov edi, offset boot_pml4 - KOFF
    mov eax, offset boot_pdpt_low - KOFF + TABLE
    mov [edi], eax
    mov [edi + 256 * 8], eax
    mov eax, offset boot_pdpt_high - KOFF + TABLE
    mov [edi + 511 * 8], eax

    mov eax, cr4
    or eax, 0x20                /* PAE */
    mov cr4, eax
    mov cr3, edi
    mov ecx, 0xc0000080         /* EFER */
    rdmsr
    or eax, 0x100               /* LME */
    wrmsr
    mov eax, cr0
    or eax, 0x80010001          /* PG WP PE */
    mov cr0, eax
    lgdt [offset boot_gdt_pointer - KOFF]
    .byte 0xea                  /* ljmp 0x08:boot_long */
    .long boot_long - KOFF
    .word 0x08

.code64
boot_long:
    movabs rax, offset boot_high
    jmp rax
boot_high:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    movabs rsp, offset KERNEL_STACKS + {stack_top}
    xor ebp, ebp
    mov edi, ebx
    push rbp                    /* return address and frame of nobody: ends backtraces */
    push rbp
    mov rbp, rsp
    call boot_main
    ud2
