# SPDX-License-Identifier: BSD-2-Clause
hot += hypercall/hypercall.o
hot += hypercall/kvm.o
hot += hypercall/kvm_calls.o
hot += hypercall/kvm_clock.o
hot += hypercall/kvm_steal.o
hot += hypercall/skerry_calls.o
