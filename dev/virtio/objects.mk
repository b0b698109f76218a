# SPDX-License-Identifier: BSD-2-Clause
hot += dev/virtio/packed.o
hot += dev/virtio/ring.o
hot += dev/virtio/split.o
