# SPDX-License-Identifier: BSD-2-Clause
objects += core/vm/channel.o
hot += core/vm/guest.o
objects += core/vm/shared_pages.o
objects += core/vm/statistics.o
objects += core/vm/vm.o
