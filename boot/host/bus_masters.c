/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/bus_masters.h"

#include "arch/x86/cpu.h"
#include "core/base/log.h"
#include "core/base/machine.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u

#define REG_ID       0x00
#define REG_COMMAND  0x04 /* status above: bits that are written as 1 are cleared there */
#define REG_CLASS    0x08 /* in its upper three bytes */
#define REG_HEADER   0x0c
#define COMMAND_MASK 0xffffu
#define BUS_MASTER   0x4u
#define MANY         0x00800000u /* of REG_HEADER: it has more functions than the first */
#define NOBODY       UINT32_MAX

#define CLASS_DISPLAY 0x03
#define CLASS_BRIDGE  0x06

#define BUSES     256
#define FUNCTIONS 8
#define MOST      128 /* that can be put back */

/* Bus, device and function, as CONFIG_ADDRESS has them. */
static uint32_t switched_off[MOST];
static unsigned count;

static uint32_t read_config(uint32_t function, unsigned reg)
{
    outl(CONFIG_ADDRESS, CONFIG_ENABLE | function | reg);
    return inl(CONFIG_DATA);
}

static void write_command(uint32_t function, uint32_t command)
{
    outl(CONFIG_ADDRESS, CONFIG_ENABLE | function | REG_COMMAND);
    outl(CONFIG_DATA, command & COMMAND_MASK);
}

static void look_at(uint32_t function)
{
    uint32_t command = read_config(function, REG_COMMAND), class = read_config(function, REG_CLASS) >> 8;

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

    if (read_config(device, REG_ID) == NOBODY)
        return;
    functions = read_config(device, REG_HEADER) & MANY ? FUNCTIONS : 1;
    for (uint32_t f = 0; f < functions; f++) {
        if (read_config(device | f << 8, REG_ID) != NOBODY)
            look_at(device | f << 8);
    }
}

/* Without the mechanism the ports read as they like: its address register keeps what is written to it. */
static bool has_config_space(void)
{
    uint32_t before = inl(CONFIG_ADDRESS);
    bool kept;

    outl(CONFIG_ADDRESS, CONFIG_ENABLE);
    kept = inl(CONFIG_ADDRESS) == CONFIG_ENABLE;
    outl(CONFIG_ADDRESS, before);
    return kept;
}

void bus_masters_switch_off(void)
{
    if (machine_option("keep-bus-masters") || !has_config_space())
        return;
    for (uint32_t bus = 0; bus < BUSES; bus++) {
        for (uint32_t device = 0; device < 32; device++)
            look_at_device(bus << 16 | device << 11);
    }
}

void bus_masters_put_back(void)
{
    while (count) {
        count--;
        write_command(switched_off[count], read_config(switched_off[count], REG_COMMAND) | BUS_MASTER);
    }
}
