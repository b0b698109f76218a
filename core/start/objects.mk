# SPDX-License-Identifier: BSD-2-Clause
objects += core/start/main.o
objects += core/start/parts.o
