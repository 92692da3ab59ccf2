/* Traps. Every vector has a stub of 16 bytes that pushes an error code (if the processor did not)
   and its number; then all registers are saved in the order of `Frame`.

   From user code the processor stores the frame at the end of the CPU's record (RSP0 of the task
   state segment), so the saved frame *is* `Cpu::frame`; the stub then takes up the kernel stack
   where `enter_user` left it and returns from that function. From the kernel the frame is on the
   current stack, and `kernel_trap` gets it.

   GS: the user's base stays in place while the kernel runs, which uses no GS but for the three
   instructions below between the two swapgs. */

.macro SAVE
    push r15
    push r14
    push r13
    push r12
    push r11
    push r10
    push r9
    push r8
    push rbp
    push rdi
    push rsi
    push rdx
    push rcx
    push rbx
    push rax
.endm

.macro RESTORE
    pop rax
    pop rbx
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    pop rbp
    pop r8
    pop r9
    pop r10
    pop r11
    pop r12
    pop r13
    pop r14
    pop r15
.endm

.macro STUBS target
.set vector, 0
.rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
        push 0
    .endif
    push vector
    jmp \target
    .set vector, vector + 1
.endr
.endm

.section .text.trap, "ax", @progbits
.balign 16
.global trap_stubs
trap_stubs:
    STUBS trap_entry
.balign 16
.global fatal_stubs
fatal_stubs:
    STUBS fatal_entry

trap_entry:
    SAVE
    push 2                      /* clears what user code may have set: AC (SMAP), DF, NT */
    popfq
    test byte ptr [rsp + {frame_cs}], 3
    jz from_kernel
leave_user:
    mov rsp, [rsp + {kernel_rsp}]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

from_kernel:
    mov rdi, rsp
    mov rbx, rsp
    and rsp, -16
    call {kernel_trap}
    mov rsp, rbx
    RESTORE
    add rsp, 16
    iretq

/* Double fault, NMI, machine check: never returns, wherever it came from. */
fatal_entry:
    SAVE
    push 2
    popfq
    mov rdi, rsp
    and rsp, -16
    call {fatal_trap}
    ud2

.balign 16
.global syscall_entry
syscall_entry:
    swapgs
    mov gs:[{scratch}], rsp
    mov rsp, gs:[{frame_top}]
    push {user_data}
    push qword ptr gs:[{scratch}]
    swapgs
    push r11
    push {user_code}
    push rcx
    push 0
    push {syscall_vector}
    SAVE
    jmp leave_user

/* fn enter_user(cpu: *mut Cpu): runs user code until the next trap. */
.balign 16
.global enter_user
enter_user:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rdi + {kernel_rsp}], rsp
    cmp byte ptr [rdi + {fast_return}], 0
    mov rsp, rdi
    jne 2f
    RESTORE
    add rsp, 16
    iretq
2:  RESTORE
    mov rsp, [rsp + 5 * 8]
    sysretq
