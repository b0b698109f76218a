objects += boot/multiboot2.o boot/entry.o boot/trampoline.o
