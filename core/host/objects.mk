# SPDX-License-Identifier: BSD-2-Clause
objects += core/host/machine_setup.o
objects += core/host/power.o
objects += core/host/release.o
objects += core/host/release_map.o
objects += core/host/smp.o
