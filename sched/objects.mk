objects += sched/sched.o
