/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial lines of the configuration (serial = NAME): between two VMs, or from one to the monitor. */
#pragma once

#include "core/vm/part.h"
#include "dev/virtio/serial.h"

/* The end of a VM that has one, while the VM is built. NULL: out of memory. */
struct serial_end *serial_attach(struct vm *vm);
/* Of a VM that is built; NULL: it has none. */
struct serial_end *serial_of(const struct vm *vm);

/* Of a part of a VM (core/vm/part.h): its guest has ended; it goes. */
void serial_rest(struct vm *vm);
void serial_detach(struct vm *vm);

/* What was said and heard there, in the log. */
void serial_print(const struct vm *vm);

/* The monitor's end of a VM's line; NULL: the line goes elsewhere, or there is none. */
struct serial_end *serial_of_monitor(const struct vm *vm);
