# SPDX-License-Identifier: BSD-2-Clause
objects += core/life/audit.o
objects += core/life/breakpoint.o
objects += core/life/life.o
objects += core/life/place.o
objects += core/life/vm_build.o
