/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of a guest that cannot be found by probing: soft-off, serial port, clock. */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "SKERRY", "SKERRY  ", 1)
{
    /* SLP_TYP for dev/power.h */
    Name (\_S5, Package () { 5, 0, 0, 0 })

    Scope (\_SB)
    {
        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_STA, 0x0F)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 1, 8)
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 4 }
            })
        }

        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_STA, 0x0F)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 1, 2)
            })
        }
    }
}
