/* SPDX-License-Identifier: BSD-2-Clause */
/* A runner over /dev/kvm for two virtual CPUs: says how many exits KVM counts while one sends IPIs to the
 * other. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY    0x10000u
#define LOADED_AT 0x1000u
#define IPIS_AT   0x1020u
#define GDT_AT    (0x2000u - 24)
#define X2APIC    0xc00u /* in IA32_APIC_BASE: enabled, x2APIC mode */
#define BSP       0x100u
#define APIC_BASE 0xfee00000u
#define PORT_BAD  0x20
#define LEAVES    128

extern const unsigned char guest[], guest_end[];
__asm__(".section .rodata; .globl guest, guest_end; guest: .incbin \"" GUEST "\"; guest_end: .text");

struct cpu {
    int fd;
    unsigned number;
    struct kvm_run *run;
};

static int kvm, vm;
static unsigned char *memory;
static const char *title;
static struct cpu cpus[2];

static void fail(const char *what)
{
    printf("witness: [%s] FAIL %s\n", title, what);
    exit(1);
}

static int ask(int fd, unsigned long request, void *argument, const char *what)
{
    int result = ioctl(fd, request, argument);

    if (result < 0)
        fail(what);
    return result;
}

/* KVM's own count, over all virtual CPUs of this VM. */
static unsigned long counter(const char *name)
{
    char path[128];
    unsigned long value = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/%s", (int)getpid(), vm, name);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%lu", &value) != 1)
        fail(path);
    fclose(file);
    return value;
}

static void flat(struct kvm_segment *s, unsigned selector, unsigned type)
{
    *s = (struct kvm_segment){.limit = 0xffffffff,
                              .selector = (__u16)selector,
                              .type = (__u8)type,
                              .present = 1,
                              .db = 1,
                              .s = 1,
                              .g = 1};
}

static void set_cpuid(struct cpu *cpu)
{
    struct kvm_cpuid2 *leaves = calloc(1, sizeof(*leaves) + LEAVES * sizeof(leaves->entries[0]));

    leaves->nent = LEAVES;
    ask(kvm, KVM_GET_SUPPORTED_CPUID, leaves, "KVM_GET_SUPPORTED_CPUID");
    ask(cpu->fd, KVM_SET_CPUID2, leaves, "KVM_SET_CPUID2");
    free(leaves);
}

static void create(struct cpu *cpu, unsigned number, int run_size)
{
    struct kvm_mp_state runnable = {KVM_MP_STATE_RUNNABLE};
    struct kvm_sregs sregs;
    struct kvm_regs regs = {.rip = LOADED_AT + 0x10 * number, .rflags = 2};

    cpu->number = number;
    cpu->fd = ask(vm, KVM_CREATE_VCPU, (void *)(unsigned long)number, "KVM_CREATE_VCPU");
    cpu->run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
    set_cpuid(cpu);
    ask(cpu->fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
    flat(&sregs.cs, 8, 11);
    flat(&sregs.ds, 16, 3);
    sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
    sregs.gdt = (struct kvm_dtable){.base = GDT_AT, .limit = 23};
    sregs.cr0 |= 1;
    sregs.apic_base = APIC_BASE | X2APIC | (number ? 0 : BSP);
    ask(cpu->fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
    ask(cpu->fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
    ask(cpu->fd, KVM_SET_MP_STATE, &runnable, "KVM_SET_MP_STATE");
}

/* The first CPU tells the begin and the end by port writes; the second runs until the process ends. */
static void *run(void *argument)
{
    static const char *const names[] = {"exits", "irq_exits", "halt_exits"};
    unsigned long before[3] = {0}, after[3];
    struct cpu *cpu = argument;
    unsigned writes = 0;

    while (ioctl(cpu->fd, KVM_RUN, 0) == 0 && cpu->run->exit_reason == KVM_EXIT_IO) {
        if (cpu->run->io.port == PORT_BAD) {
            struct kvm_regs regs;
            unsigned *stack;

            ask(cpu->fd, KVM_GET_REGS, &regs, "KVM_GET_REGS");
            stack = (unsigned *)(memory + regs.rsp);
            printf("witness: [%s] FAIL CPU %u: vector %llx, stack %x %x %x %x\n", title, cpu->number,
                   regs.rax, stack[0], stack[1], stack[2], stack[3]);
            fflush(stdout);
            _exit(1);
        }
        for (unsigned i = 0; i < 3; i++)
            after[i] = counter(names[i]);
        if (writes++ == 0) {
            memcpy(before, after, sizeof(before));
            continue;
        }
        printf("witness: [%s] %u IPIs, %lu exits, %lu by interrupts\n", title,
               *(const unsigned *)(guest + IPIS_AT - LOADED_AT), after[0] - before[0], after[1] - before[1]);
        fflush(stdout);
        _exit(0);
    }
    printf("witness: [%s] FAIL CPU %u: exit %u\n", title, cpu->number, cpu->run->exit_reason);
    fflush(stdout);
    _exit(1);
}

int main(int count, char **words)
{
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY};
    pthread_t thread;
    int run_size;

    title = count > 1 ? words[1] : "";
    kvm = open("/dev/kvm", O_RDWR);
    if (kvm < 0)
        fail("/dev/kvm");
    run_size = ask(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
    vm = ask(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
    ask(vm, KVM_SET_TSS_ADDR, (void *)0xfffbd000ul, "KVM_SET_TSS_ADDR");
    ask(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
    memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(memory + LOADED_AT, guest, (size_t)(guest_end - guest));
    region.userspace_addr = (unsigned long)memory;
    ask(vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
    for (unsigned i = 0; i < 2; i++)
        create(&cpus[i], i, run_size);
    pthread_create(&thread, NULL, run, &cpus[1]);
    run(&cpus[0]);
    return 0;
}
