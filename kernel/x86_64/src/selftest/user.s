/* Pieces of user code; each starts at a label and traps soon. Copied to one page of user memory,
   so they must not refer to addresses. */
.section .rodata.selftest, "a", @progbits
.balign 16
.global selftest_code
selftest_code:

.macro PIECE name
.balign 16
.global selftest_\name
selftest_\name:
.endm

PIECE two_syscalls
    syscall
    syscall
    ud2
PIECE load                      /* from [rdi] */
    mov rax, [rdi]
    ud2
PIECE store                     /* to [rdi] */
    mov [rdi], rax
    ud2
PIECE jump                      /* to rdi */
    jmp rdi
PIECE halt
    hlt
PIECE int80
    int 0x80
    ud2
PIECE sysenter
    sysenter
    ud2
PIECE breakpoint
    int3
PIECE undefined
    ud2
PIECE divide
    xor ecx, ecx
    xor edx, edx
    mov eax, 1
    div ecx
PIECE disable_interrupts
    cli
PIECE write_port
    mov eax, 0x10
    mov edx, 0xf4
    out dx, eax
PIECE all_flags                 /* rdi: flags to set, before a system call */
    push rdi
    popfq
    syscall
    ud2
PIECE spin
    jmp selftest_spin
PIECE write_fs_base             /* rdi */
    wrfsbase rdi
    syscall
    ud2
PIECE load_selectors
    mov eax, 0x2b
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    syscall
    ud2
PIECE step                      /* traps after the first instruction with TF set */
    nop
    nop
    ud2
PIECE set_vector                /* xmm0 = rdi */
    movq xmm0, rdi
    syscall
    ud2
PIECE get_vector                /* rdi = xmm0 */
    movq rdi, xmm0
    syscall
    ud2

.global selftest_code_end
selftest_code_end:
.text
