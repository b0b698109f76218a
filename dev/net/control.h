/* SPDX-License-Identifier: BSD-2-Clause */
/* The control queue of a network card (virtio 1.2, "Control Virtqueue"). */
#pragma once

#include "dev/net/card.h"

/* One request, which its device carries out at once. */
void control_serve(struct net_card *card, struct ring *r, struct ring_chain *c);
