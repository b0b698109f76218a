# SPDX-License-Identifier: BSD-2-Clause
hot += core/vm/guest.o
objects += core/vm/backend.o
objects += core/vm/channel.o
objects += core/vm/shared_memory.o
objects += core/vm/shared_pages.o
objects += core/vm/vm.o
