# SPDX-License-Identifier: BSD-2-Clause
objects += $(addprefix sched/,fair.o sched.o)
