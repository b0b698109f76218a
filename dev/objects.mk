objects += $(addprefix dev/,acpi_tables.o decode.o pc.o power.o rtc.o uart.o)
