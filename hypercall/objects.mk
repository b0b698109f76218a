# SPDX-License-Identifier: BSD-2-Clause
objects += hypercall/hypercall.o
