# SPDX-License-Identifier: BSD-2-Clause
objects += dev/virtio/common.o
hot += dev/virtio/packed.o
hot += dev/virtio/ring.o
hot += dev/virtio/split.o
hot += dev/virtio/virtio.o
