objects += $(addprefix apic/,vlapic.o vioapic.o)
