# SPDX-License-Identifier: BSD-2-Clause
objects += boot/host/bus_masters.o
objects += boot/host/machine_setup.o
objects += boot/host/power.o
objects += boot/host/release.o
objects += boot/host/release_map.o
objects += boot/host/smp.o
objects += boot/host/soft_off.o
