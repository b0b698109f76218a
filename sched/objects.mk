# SPDX-License-Identifier: BSD-2-Clause
objects += sched/sched.o
