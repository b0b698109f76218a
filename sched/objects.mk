# SPDX-License-Identifier: BSD-2-Clause
hot += sched/balance.o
hot += sched/fair.o
objects += sched/lend.o
hot += sched/sched.o
hot += sched/vm_run.o
