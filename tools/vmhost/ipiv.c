/* SPDX-License-Identifier: BSD-2-Clause */
/* IPI virtualization, by the manual's chapter on APIC virtualization. The program has nothing of it. */
#include "vmhost.h"

#define PIN_POSTED         (1u << 7)
#define PRIMARY_TERTIARY   (1u << 17)
#define PRIMARY_TPR_SHADOW (1u << 21)
#define TERTIARY_IPIV      (1u << 4)

#define FIELD_LAST_INDEX 0x0008
#define FIELD_TABLE      0x2042
#define FIELD_TABLE_HIGH 0x2043

#define ICR_LOW    0x300u
#define ICR_HIGH   0x310u
#define X2APIC_ICR 0x830

/* What software must leave 0 in the ICR, by the mode; and what makes it other than a fixed, edge, unicast
 * IPI. */
#define X2APIC_RESERVED 0xfff32000u
#define XAPIC_RESERVED  0xfff33000u
#define SHORTHAND       0x000c0000u
#define NOT_SIMPLE      (SHORTHAND | 1u << 15 | 1u << 12 | 1u << 11 | 7u << 8)

#define ENTRY_VALID   1u
#define PHYSICAL_BITS 40
#define PHYSICAL_END  (1ull << PHYSICAL_BITS)

#define CONTROL_QWORD 32 /* of the descriptor: what is not the 256 requests */
#define CONTROL_ON    (1ull << 0)
#define CONTROL_SN    (1ull << 1)

#define ICR_ASSERT        (1u << 14)
#define REASON_APIC_WRITE 56
#define VECTOR_GP         13
#define FIRST_VECTOR      16

static bool offered(struct cpu *cpu)
{
    return *cpu_word(cpu, ALLOWED_TERTIARY) & TERTIARY_IPIV;
}

static bool active(struct cpu *cpu)
{
    return *cpu_in_guest(cpu) && (*cpu_tertiary_controls(cpu) & TERTIARY_IPIV);
}

/* Where interrupts can be posted, IPIs can be virtualized. */
void ipiv_offer(struct cpu *cpu)
{
    if (!(*cpu_word(cpu, ALLOWED_PIN) & PIN_POSTED))
        return;
    *cpu_word(cpu, ALLOWED_PRIMARY) |= PRIMARY_TERTIARY;
    *cpu_word(cpu, ALLOWED_TERTIARY) |= TERTIARY_IPIV;
}

/* Asked once for each field when the layout of a VMCS is decided; the layout has room for all. */
bool hook_vmcs_field_supported(struct cpu *cpu, uint32_t field)
{
    if (field == FIELD_LAST_INDEX || field == FIELD_TABLE || field == FIELD_TABLE_HIGH)
        return offered(cpu);
    return cpu_vmcs_field_supported(cpu, field);
}

bool ipiv_controls_valid(struct cpu *cpu)
{
    uint64_t table;

    if (!(*cpu_tertiary_controls(cpu) & TERTIARY_IPIV))
        return true;
    if (!(*cpu_primary_controls(cpu) & PRIMARY_TPR_SHADOW)) {
        log_error(cpu, "VMFAIL: IPI virtualization without TPR shadow");
        return false;
    }
    table = cpu_vmread64(cpu, FIELD_TABLE);
    if ((table & 7) || table + 8ull * cpu_vmread16(cpu, FIELD_LAST_INDEX) + 7 >= PHYSICAL_END) {
        log_error(cpu, "VMFAIL: IPI virtualization: malformed PID-pointer table address %llx",
                  (unsigned long long)table);
        return false;
    }
    return true;
}

/* As if the vector of the descriptor were written to the physical APIC's ICR, in the mode which that is in.
 */
static void notify(struct cpu *cpu, uint64_t control)
{
    uint32_t vector = (control >> 16) & 0xff, destination = (uint32_t)(control >> 32);

    if (!cpu_in_x2apic_mode(cpu))
        destination = (destination >> 8) & 0xff;
    apic_send_ipi(*cpu_apic(cpu), destination, ICR_ASSERT | vector);
}

/* Posts vector to the virtual CPU of that APIC ID. False: the write must exit. */
static bool post(struct cpu *cpu, unsigned vector, uint32_t target)
{
    uint64_t entry, descriptor, word, control;

    if (vector < FIRST_VECTOR || target > cpu_vmread16(cpu, FIELD_LAST_INDEX))
        return false;
    entry = physical_read(cpu, cpu_vmread64(cpu, FIELD_TABLE) + 8ull * target);
    if (entry >= PHYSICAL_END || (entry & 0x3f) != ENTRY_VALID)
        return false;
    descriptor = entry & ~0x3full;
    word = descriptor + vector / 64 * 8;
    physical_write(cpu, word, physical_read(cpu, word) | 1ull << vector % 64);
    control = physical_read(cpu, descriptor + CONTROL_QWORD);
    if (!(control & (CONTROL_ON | CONTROL_SN))) {
        physical_write(cpu, descriptor + CONTROL_QWORD, control | CONTROL_ON);
        notify(cpu, control);
    }
    return true;
}

/*
 * A write to the APIC-access page. With IPI virtualization, writes of the ICR are virtualized whatever the
 * other controls are; all else is as the program has it.
 */
void hook_apic_page_write(struct cpu *cpu, uint64_t address, uint32_t size, void *data)
{
    uint32_t offset = address & 0xfff;
    bool other = *cpu_pending(cpu) & (EVENT_VTPR | EVENT_VEOI | EVENT_APIC_PAGE);

    if (!active(cpu) || other || size != 4 || (offset != ICR_LOW && offset != ICR_HIGH)) {
        cpu_apic_page_write(cpu, address, size, data);
        return;
    }
    *cpu_apic_page_offset(cpu) = offset;
    cpu_write_apic_page(cpu, offset, 4, data);
    *cpu_pending(cpu) |= EVENT_APIC_PAGE;
    *cpu_async(cpu) |= ASYNC_EVENT;
}

/* After the instruction that wrote: what the write does. */
void hook_apic_access_trap(struct cpu *cpu)
{
    bool icr = !(*cpu_pending(cpu) & (EVENT_VTPR | EVENT_VEOI)) && *cpu_apic_page_offset(cpu) == ICR_LOW;

    if (active(cpu) && icr) {
        uint32_t low = cpu_read_apic_page(cpu, ICR_LOW);

        if (!(low & (XAPIC_RESERVED | NOT_SIMPLE)) &&
            post(cpu, low & 0xff, cpu_read_apic_page(cpu, ICR_HIGH) >> 24)) {
            *cpu_pending(cpu) &= ~EVENT_APIC_PAGE;
            return;
        }
    }
    cpu_apic_access_trap(cpu); /* self-IPIs, and the exit with 300h; does not come back */
}

/* A write of 800h to 8FFh while x2APIC mode is virtualized and the bitmaps let it through. */
bool hook_x2apic_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    uint32_t low = (uint32_t)value;

    if (!active(cpu) || msr != X2APIC_ICR)
        return cpu_x2apic_write(cpu, msr, value);
    if (low & X2APIC_RESERVED)
        cpu_exception(cpu, VECTOR_GP, 0); /* does not come back */
    cpu_write_apic_page(cpu, ICR_LOW, 8, &value);
    if (!(low & NOT_SIMPLE) && post(cpu, low & 0xff, (uint32_t)(value >> 32)))
        return true;
    cpu_vmexit(cpu, REASON_APIC_WRITE, ICR_LOW);
    longjmp(main_loop, 1);
}
