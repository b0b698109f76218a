/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/bit_names.h"

#include "core/base/format.h"
#include "core/base/panic.h"

/* SDM volume 1, "EFLAGS register"; volume 3, "Control registers" and "Extended feature enable register". "":
 * always set, or shown as a number (IOPL). */
static const char *const names[][64] = {
    [FLAGS_RFLAGS] = {[0] = "CF",
                      [1] = "",
                      [2] = "PF",
                      [4] = "AF",
                      [6] = "ZF",
                      [7] = "SF",
                      [8] = "TF",
                      [9] = "IF",
                      [10] = "DF",
                      [11] = "OF",
                      [12] = "",
                      [13] = "",
                      [14] = "NT",
                      [16] = "RF",
                      [17] = "VM",
                      [18] = "AC",
                      [19] = "VIF",
                      [20] = "VIP",
                      [21] = "ID"},
    [FLAGS_CR0] = {[0] = "PE",
                   [1] = "MP",
                   [2] = "EM",
                   [3] = "TS",
                   [4] = "ET",
                   [5] = "NE",
                   [16] = "WP",
                   [18] = "AM",
                   [29] = "NW",
                   [30] = "CD",
                   [31] = "PG"},
    [FLAGS_CR4] = {[0] = "VME",         [1] = "PVI",    [2] = "TSD",      [3] = "DE",    [4] = "PSE",
                   [5] = "PAE",         [6] = "MCE",    [7] = "PGE",      [8] = "PCE",   [9] = "OSFXSR",
                   [10] = "OSXMMEXCPT", [11] = "UMIP",  [12] = "LA57",    [13] = "VMXE", [14] = "SMXE",
                   [16] = "FSGSBASE",   [17] = "PCIDE", [18] = "OSXSAVE", [19] = "KL",   [20] = "SMEP",
                   [21] = "SMAP",       [22] = "PKE",   [23] = "CET",     [24] = "PKS",  [25] = "UINTR"},
    [FLAGS_EFER] = {[0] = "SCE", [8] = "LME", [10] = "LMA", [11] = "NXE"},
};

_Static_assert(ARRAY_SIZE(names) == FLAG_REGISTERS, "each has its names");

const char *bit_names(enum flag_register which, uint64_t value, char text[BIT_NAMES])
{
    size_t used = 0;

    ASSERT(which < FLAG_REGISTERS);
    text[0] = 0;
    for (unsigned bit = 64; bit-- > 0;) {
        const char *name = names[which][bit], *space = used ? " " : "";

        if (!(value & BIT(bit)) || (name && !*name) || used >= BIT_NAMES)
            continue;
        if (name)
            used += (size_t)format(text + used, BIT_NAMES - used, "%s%s", space, name);
        else
            used += (size_t)format(text + used, BIT_NAMES - used, "%sbit %u", space, bit);
    }
    return text;
}
