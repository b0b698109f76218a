/* SPDX-License-Identifier: BSD-2-Clause */
/* For virtio.c and common.c alone. */
#pragma once

#include "dev/virtio/virtio.h"

/* It needs a reset, for this reason; its driver hears of it. */
void virtio_break(struct virtio_device *d, const char *why);

/* DRIVER_OK has come. */
void virtio_start(struct virtio_device *d);

/* It is at rest, and as it was before it was set up. */
void virtio_stop_queue(struct virtio_queue *q);

/* Its configuration has changed by itself. */
void virtio_tell_config(struct virtio_device *d);
