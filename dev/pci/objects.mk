# SPDX-License-Identifier: BSD-2-Clause
hot += dev/pci/bars.o
objects += dev/pci/dump.o
objects += dev/pci/function.o
objects += dev/pci/intx.o
objects += dev/pci/ivshmem.o
hot += dev/pci/msix.o
objects += dev/pci/pci.o
