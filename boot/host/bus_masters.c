/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/bus_masters.h"

#include "arch/x86/pci_config.h"
#include "core/base/log.h"
#include "core/base/machine.h"

#define COMMAND_MASK 0xffffu
#define BUS_MASTER   0x4u
#define MANY         0x00800000u /* of PCI_HEADER: it has more functions than the first */

#define CLASS_DISPLAY 0x03
#define CLASS_BRIDGE  0x06

#define BUSES     256
#define FUNCTIONS 8
#define MOST      128 /* that can be put back */

/* Bus, device and function, as CONFIG_ADDRESS has them. */
static uint32_t switched_off[MOST];
static unsigned count;

static void write_command(uint32_t function, uint32_t command)
{
    pci_write(function, PCI_COMMAND, command & COMMAND_MASK);
}

static void look_at(uint32_t function)
{
    uint32_t command = pci_read(function, PCI_COMMAND), class = pci_read(function, PCI_CLASS) >> 8;

    if (!(command & BUS_MASTER) || class >> 16 == CLASS_BRIDGE || class >> 16 == CLASS_DISPLAY)
        return;
    if (count == MOST) {
        log_error("PCI %02x:%02x.%x class %06x is a bus master and stays one: more than %u of them",
                  function >> 16, function >> 11 & 31, function >> 8 & 7, class, MOST);
        return;
    }
    write_command(function, command & ~BUS_MASTER);
    switched_off[count++] = function;
    log_info("PCI %02x:%02x.%x class %06x: left by the firmware as a bus master, switched off",
             function >> 16, function >> 11 & 31, function >> 8 & 7, class);
}

static void look_at_device(uint32_t device)
{
    unsigned functions;

    if (pci_read(device, PCI_ID) == PCI_NOBODY)
        return;
    functions = pci_read(device, PCI_HEADER) & MANY ? FUNCTIONS : 1;
    for (uint32_t f = 0; f < functions; f++) {
        if (pci_read(device | f << 8, PCI_ID) != PCI_NOBODY)
            look_at(device | f << 8);
    }
}

void bus_masters_switch_off(void)
{
    if (machine_option("keep-bus-masters") || !pci_present())
        return;
    for (uint32_t bus = 0; bus < BUSES; bus++) {
        for (uint32_t device = 0; device < 32; device++)
            look_at_device(pci_function(bus, device, 0));
    }
}

void bus_masters_put_back(void)
{
    while (count) {
        count--;
        write_command(switched_off[count], pci_read(switched_off[count], PCI_COMMAND) | BUS_MASTER);
    }
}
