/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two guests that share memory by a PCI device, without Skerry's own calls: 1 MiB with a checksum goes to the
 * other and back, doorbells say when; the second memory is read-only for the one with the word "reader". It
 * writes there all the same, moves and switches off the first one, and rings at nobody.
 */
#include "lib/guest.h"
#include "lib/virtio.h"

#define DEVICE   0x0d /* the next one: the memory with other rights */
#define WORDS    (1u << 18)
#define MOVED    0xdc000000u
#define READY    0x5ca1ab1eu
#define DONE     0x0b5e55edu
#define VECTOR   0x51 /* of the APIC, for entry 0; the next for entry 1 */
#define PATIENCE 2000000000u

enum { COMMAND = 4, BAR0 = 0x10, BAR1 = 0x14, BAR2 = 0x18, CAPABILITIES = 0x34 };
enum { MEMORY_ON = 2, MASTER = 4, MSIX_ON = 0x80000000u };
enum { POSITION = 8, DOORBELL = 0xc };

const char guest_name[] = "ivshmem";

struct shared {
    volatile uint32_t reader, seal, sum, done;
    volatile uint32_t data[WORDS];
};

static volatile uint32_t doorbells[2];

static void on_bell_0(struct trap_frame *frame)
{
    (void)frame;
    doorbells[0]++;
    apic_write(APIC_EOI, 0);
}

static void on_bell_1(struct trap_frame *frame)
{
    (void)frame;
    doorbells[1]++;
    apic_write(APIC_EOI, 0);
}

static uint32_t bar(unsigned slot, unsigned offset)
{
    return pci_get(slot, offset) & ~15u;
}

static volatile uint32_t *memory(unsigned slot)
{
    return (volatile uint32_t *)bar(slot, BAR2);
}

static void set_entry(unsigned entry, uint8_t vector)
{
    uint32_t at = bar(DEVICE, BAR1) + entry * 16;

    mmio_write(at, 0xfee00000u);
    mmio_write(at + 4, 0);
    mmio_write(at + 8, vector);
    mmio_write(at + 12, 0);
}

static void set_up(void)
{
    unsigned msix = pci_get(DEVICE, CAPABILITIES) & 0xff;

    pci_set(DEVICE, COMMAND, MEMORY_ON | MASTER);
    pci_set(DEVICE + 1, COMMAND, MEMORY_ON);
    set_entry(0, VECTOR);
    set_entry(1, VECTOR + 1);
    on_interrupt(VECTOR, on_bell_0);
    on_interrupt(VECTOR + 1, on_bell_1);
    pci_set(DEVICE, msix, MSIX_ON);
    apic_enable();
    interrupts_on();
}

static void ring(uint32_t peer, uint32_t vector)
{
    mmio_write(bar(DEVICE, BAR0) + DOORBELL, peer << 16 | vector);
}

static uint32_t sum_of(const struct shared *s)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < WORDS; i++)
        sum = (sum << 1 | sum >> 31) ^ s->data[i];
    return sum;
}

static void seal(struct shared *s)
{
    s->sum = sum_of(s);
    s->seal = READY;
}

/* False: not so within some seconds. */
static bool wait_word(const volatile uint32_t *word, uint32_t value)
{
    for (unsigned i = 0; i < PATIENCE / 64; i++) {
        if (*word == value)
            return true;
        __asm__ volatile("pause");
    }
    return false;
}

static void fill(struct shared *s)
{
    for (unsigned i = 0; i < WORDS; i++)
        s->data[i] = i * 2654435761u;
}

static void invert(struct shared *s)
{
    for (unsigned i = 0; i < WORDS; i++)
        s->data[i] = ~s->data[i];
}

/* --- the one that writes --- */

static void be_writer(struct shared *s)
{
    volatile uint32_t *other = memory(DEVICE + 1);

    other[3] = READY;
    fill(s);
    seal(s);
    check(wait_word(&s->reader, READY), "the other one is there");
    ring(1, 0);
    wait_change(&doorbells[1], 0);
    check(s->data[77] == ~(77 * 2654435761u) && sum_of(s) == s->sum, "1 MiB came back as the other says");
    check(wait_word(&s->done, DONE), "the other one has ended");
    check(other[3] == READY && other[4] == 0 && other[8] == 0, "what the reader wrote is not there");
    check(doorbells[0] == 0 && doorbells[1] == 1, "no doorbell that nobody rang");
}

/* --- the one that reads --- */

static void write_all_the_same(volatile uint32_t *other)
{
    uint32_t *to = (uint32_t *)&other[8], n = 4;

    other[3] = 0;
    __asm__ volatile("addl $1, %0" : "+m"(other[4]) : : "cc");
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(0xffffffffu) : "memory");
    check(other[3] == READY && other[4] == 0 && other[8] == 0 && other[11] == 0, "read-only memory stays");
}

static void move(const struct shared *s)
{
    const struct shared *moved = (const struct shared *)MOVED;
    uint32_t home = pci_get(DEVICE, BAR2);

    pci_set(DEVICE, BAR2, MOVED);
    check(moved->sum == sum_of(moved) && s->sum == 0xffffffff, "it moves");
    pci_set(DEVICE, COMMAND, 0);
    check(moved->sum == 0xffffffff, "it is switched off");
    pci_set(DEVICE, BAR2, home);
    pci_set(DEVICE, COMMAND, MEMORY_ON | MASTER);
    check(s->sum == sum_of(s) && moved->sum == 0xffffffff, "it comes back");
}

static void be_reader(struct shared *s)
{
    s->reader = READY;
    wait_change(&doorbells[0], 0);
    check(s->seal == READY && sum_of(s) == s->sum, "1 MiB came with its checksum");
    invert(s);
    seal(s);
    ring(0, 1);
    write_all_the_same(memory(DEVICE + 1));
    move(s);
    ring(2, 0);
    ring(0, 8);
    ring(0xffff, 0xffff);
    s->done = DONE;
}

/* Until its VM is stopped. */
static NORETURN void leave_a_mark(void)
{
    volatile uint32_t *other = memory(DEVICE + 1);

    say("the first word is %x", (unsigned)other[3]);
    other[3] = READY;
    for (;;)
        ring(1, 7); /* nobody has a vector there */
}

void guest_main(const struct boot_info *info)
{
    bool reader = boot_word(info, "reader");

    check(pci_get(DEVICE, 0) == 0x11101af4 && pci_get(DEVICE, 8) == 0x05000001, "an ivshmem of revision 1");
    set_up();
    check(mmio_read(bar(DEVICE, BAR0) + POSITION) == reader, "its number");
    if (boot_word(info, "early"))
        leave_a_mark();
    if (reader)
        be_reader((struct shared *)memory(DEVICE));
    else
        be_writer((struct shared *)memory(DEVICE));
    finish();
}
