# SPDX-License-Identifier: BSD-2-Clause
objects += boot/start/main.o
objects += boot/start/parts.o
