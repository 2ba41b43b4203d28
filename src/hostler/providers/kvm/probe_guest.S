# The guest of probe_guest.py: 512 bytes that do what every system does first, and say so on the serial line.
# Real mode, protected mode with an iret, page tables, long mode with an iretq, a million turns, then the text.
# Assemble: as probe_guest.S -o p.o && ld -Ttext 0x7c00 --oformat binary -e _start p.o -o p.bin
.intel_syntax noprefix
.code16
.globl _start
_start:
 cli
 xor ax,ax
 mov ds,ax
 mov es,ax
 mov ss,ax
 mov sp,0x7c00
 mov di,0x1000
 xor eax,eax
 mov cx,0xc00
 cld
 rep stosd
 mov dword ptr [0x1000],0x2003
 mov dword ptr [0x2000],0x3003
 mov dword ptr [0x3000],0x83
 lgdt [gdtr]
 mov eax,cr0
 or al,1
 mov cr0,eax
 ljmp 0x08,pm
.code32
pm:
 mov ax,0x10
 mov ds,ax
 mov es,ax
 mov ss,ax
 mov esp,0x7c00
 pushfd
 push 0x08
 push offset after
 iretd
after:
 mov eax,cr4
 or al,0x20
 mov cr4,eax
 mov eax,0x1000
 mov cr3,eax
 mov ecx,0xC0000080
 rdmsr
 or ah,1
 wrmsr
 mov eax,cr0
 or eax,0x80000000
 mov cr0,eax
 ljmp 0x18,lm
.code64
lm:
 mov rax,rsp
 push 0x10
 push rax
 pushfq
 push 0x18
 push offset after64
 iretq
after64:
 mov ecx,1000000
1: dec ecx
 jnz 1b
 mov edx,0x3f8
 mov esi,offset msg
2: lodsb
 test al,al
 jz 3f
 out dx,al
 jmp 2b
3: hlt
 jmp 3b
msg: .asciz "HOSTLER GUEST RAN\n"
.balign 8
gdt: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
gdtr: .word 31
 .long gdt
.org 510
 .word 0xaa55
