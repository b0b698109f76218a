/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An alignment check whose delivery raises an alignment check (CVE-2015-5307): ring 3, CR0.AM, EFLAGS.AC, an
 * odd stack, and a gate for #AC that stays in ring 3.
 */
#include "lib/guest.h"

#define CR0_AM    BIT(18)
#define USER_CODE 0x1bu
#define GATE_32   0xee00u /* present, DPL 3, interrupt gate */
#define AC        17

const char guest_name[] = "ac-loop";

static uint8_t stack[4096] ALIGNED(16);
static uint64_t gates[256] ALIGNED(8);

void ac_user(void);
void ac_handler(void);
__asm__(".text\n"
        "ac_handler:\n\tjmp ac_handler\n"
        "ac_user:\n\tmov $0x23, %ax\n\tmov %ax, %ds\n\tmov %ax, %es\n"
        "\tpushf\n\torl $0x40000, (%esp)\n\tpopf\n"
        "\tlea stack + 2049, %esp\n\tpush %eax\n\tjmp .\n");

void guest_main(const struct boot_info *info)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {sizeof(gates) - 1, (uint32_t)gates};
    uint32_t handler = (uint32_t)ac_handler;

    (void)info;
    say("now");
    uart_drain();
    gates[AC] = (handler & 0xffff) | USER_CODE << 16 | (uint64_t)(GATE_32 | (handler & 0xffff0000u)) << 32;
    __asm__ volatile("lidt %0" : : "m"(pointer));
    write_cr0(read_cr0() | CR0_AM);
    __asm__ volatile("push $0x23\n\tpush %0\n\tpush $2\n\tpush $0x1b\n\tpush %1\n\tiret"
                     :
                     : "r"(stack + 2048), "r"(ac_user));
    __builtin_unreachable();
}
