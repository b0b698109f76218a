/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/firmware.h"

#include "arch/x86/string.h"
#include "core/vm/guest.h"
#include "dev/power.h"
#include "dev/uart.h"

#define RESET_VECTOR UINT64_C(0xffff0) /* FFFF:0000 */
#define SEGMENT      UINT64_C(0xf0000) /* of the handlers below */
#define HANDLERS     UINT64_C(0xfff53) /* where PCs have an IRET for interrupts of nobody */
#define BASE_KIB     (IMAGE_EBDA / KIB)

_Static_assert(IMAGE_EBDA % KIB == 0 && IMAGE_EBDA + KIB == 640 * KIB,
               "one KiB, the last below video memory");

/* --- memory --- */

/*
 * What stands at the reset vector. Linux on hardware-reduced ACPI without UEFI reboots by jumping there in
 * real mode: mov dx, 0cf9h; mov al, 6; out dx, al; hlt; jmp to the hlt.
 */
static const uint8_t reset_code[] = {0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4, 0xeb, 0xfd};

_Static_assert(POWER_PORT_RESET == 0xcf9 && POWER_RESET_VALUE == 6, "as the code has it");
_Static_assert(RESET_VECTOR + sizeof(reset_code) <= MIB, "it fits");

/*
 * Interrupts of real mode. There are no BIOS services: who calls one all the same, as Xen does, hears that it
 * is not supported (carry, AH = 86h), but for the two that need nothing but the data area. Others return.
 */
enum { NOTHING = 0, UNSUPPORTED = 1, GET_EQUIPMENT = 7, GET_MEMORY = 17 };

static const uint8_t handlers[] = {
    0xcf,                               /* NOTHING: iret */
    0xb4, 0x86, 0xf9, 0xca, 0x02, 0x00, /* mov ah, 86h; stc; retf 2 */
    0x1e, 0x31, 0xc0, 0x8e, 0xd8, 0xa1,
    0x10, 0x04, 0x1f, 0xcf, /* push ds; ds = 0; mov ax, [410h]; pop ds; iret */
    0x1e, 0x31, 0xc0, 0x8e, 0xd8, 0xa1,
    0x13, 0x04, 0x1f, 0xcf, /* so, [413h] */
};

_Static_assert(sizeof(handlers) == GET_MEMORY + 10 && HANDLERS + sizeof(handlers) <= RESET_VECTOR,
               "one each");

#define VECTORS          256
#define FIRST_SERVICE    0x10
#define LAST_SERVICE     0x1a
#define EQUIPMENT_CALL   0x11
#define MEMORY_SIZE_CALL 0x12

static unsigned handler_of(unsigned vector)
{
    if (vector == EQUIPMENT_CALL)
        return GET_EQUIPMENT;
    if (vector == MEMORY_SIZE_CALL)
        return GET_MEMORY;
    return vector >= FIRST_SERVICE && vector <= LAST_SERVICE ? UNSUPPORTED : NOTHING;
}

/* The interrupt vector table at 0: offset and segment of each. */
static bool write_vectors(struct vm *vm)
{
    uint8_t *table = guest_map(vm, gpa(0), VECTORS * 4);

    for (unsigned i = 0; table && i < VECTORS; i++) {
        store_le(table + 4 * i, HANDLERS - SEGMENT + handler_of(i), 2);
        store_le(table + 4 * i + 2, SEGMENT >> 4, 2);
    }
    return table;
}

/* BIOS data area (IBM PC AT technical reference, "BIOS data areas"), little-endian words. */
static const uint8_t com1[] = {UART_BASE & 0xff, UART_BASE >> 8};
static const uint8_t ebda_segment[] = {IMAGE_EBDA >> 4 & 0xff, IMAGE_EBDA >> 12};
static const uint8_t equipment[] = {0x02, 0x02}; /* an FPU, one serial port; neither video nor disks */
static const uint8_t base_memory[] = {BASE_KIB & 0xff, BASE_KIB >> 8};
static const uint8_t ebda_size[] = {1}; /* KiB */

static const struct left {
    uint64_t at;
    const uint8_t *bytes;
    size_t size;
} leaves[] = {
    {0x400, com1, sizeof(com1)},
    {0x40e, ebda_segment, sizeof(ebda_segment)},
    {0x410, equipment, sizeof(equipment)},
    {0x413, base_memory, sizeof(base_memory)},
    {IMAGE_EBDA, ebda_size, sizeof(ebda_size)},
    {HANDLERS, handlers, sizeof(handlers)},
    {RESET_VECTOR, reset_code, sizeof(reset_code)},
};

bool firmware_write(struct vm *vm)
{
    for (const struct left *l = leaves; l < leaves + ARRAY_SIZE(leaves); l++) {
        void *to = guest_map(vm, gpa(l->at), l->size); /* the guest may have closed it */

        if (!to)
            return false;
        memcpy(to, l->bytes, l->size);
    }
    return write_vectors(vm);
}

/* --- CMOS --- */

enum {
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE = 0x15,       /* KiB below 1 MiB */
    CMOS_EXTENDED = 0x17,   /* KiB from 1 MiB up, as far as 16 bits say it */
    CMOS_CHECKSUM = 0x2e,   /* of 10h to 2Dh, high byte first */
    CMOS_EXTENDED_2 = 0x30, /* as CMOS_EXTENDED */
    CMOS_ABOVE_16M = 0x34,  /* in 64 KiB, up to the hole for devices */
    CMOS_ABOVE_4G = 0x5b,   /* in 64 KiB; three bytes */
};

static void put_checksum(uint8_t *cmos)
{
    unsigned sum = 0;

    for (unsigned i = 0x10; i < CMOS_CHECKSUM; i++)
        sum += cmos[i];
    cmos[CMOS_CHECKSUM] = (uint8_t)(sum >> 8);
    cmos[CMOS_CHECKSUM + 1] = (uint8_t)sum;
}

static uint64_t beyond(uint64_t size, uint64_t from)
{
    return size > from ? size - from : 0;
}

void firmware_fill_cmos(uint8_t cmos[FIRMWARE_CMOS_SIZE], uint64_t memory)
{
    uint64_t low = MIN(memory, GUEST_HOLE), extended = MIN(beyond(low, MIB) / KIB, UINT16_MAX);

    cmos[CMOS_EQUIPMENT] = equipment[0];
    store_le(cmos + CMOS_BASE, BASE_KIB, 2);
    store_le(cmos + CMOS_EXTENDED, extended, 2);
    store_le(cmos + CMOS_EXTENDED_2, extended, 2);
    store_le(cmos + CMOS_ABOVE_16M, beyond(low, 16 * MIB) / (64 * KIB), 2);
    store_le(cmos + CMOS_ABOVE_4G, beyond(memory, GUEST_HOLE) / (64 * KIB), 3);
    put_checksum(cmos);
}
