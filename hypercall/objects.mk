# SPDX-License-Identifier: BSD-2-Clause
objects += $(addprefix hypercall/,hypercall.o kvm.o kvm_calls.o kvm_clock.o kvm_steal.o skerry_calls.o)
