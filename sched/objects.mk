# SPDX-License-Identifier: BSD-2-Clause
objects += $(addprefix sched/,balance.o fair.o sched.o)
