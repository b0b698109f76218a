objects += hypercall/hypercall.o
