/* SPDX-License-Identifier: BSD-2-Clause */
/* Feature bits of a network device (virtio 1.2, "Network Device", "Feature bits"). HOST: what the driver may
 * leave undone in what it sends; GUEST: what it takes undone. */
#pragma once

#include "arch/x86/types.h"

#define NET_F_CSUM                BIT(0)
#define NET_F_GUEST_CSUM          BIT(1)
#define NET_F_CTRL_GUEST_OFFLOADS BIT(2)
#define NET_F_MTU                 BIT(3)
#define NET_F_MAC                 BIT(5)
#define NET_F_GUEST_TSO4          BIT(7)
#define NET_F_GUEST_TSO6          BIT(8)
#define NET_F_GUEST_ECN           BIT(9)
#define NET_F_HOST_TSO4           BIT(11)
#define NET_F_HOST_TSO6           BIT(12)
#define NET_F_HOST_ECN            BIT(13)
#define NET_F_MRG_RXBUF           BIT(15)
#define NET_F_STATUS              BIT(16)
#define NET_F_CTRL_VQ             BIT(17)
#define NET_F_CTRL_RX             BIT(18)
#define NET_F_CTRL_VLAN           BIT(19)
#define NET_F_CTRL_RX_EXTRA       BIT(20)
#define NET_F_GUEST_ANNOUNCE      BIT(21)
#define NET_F_MQ                  BIT(22)
#define NET_F_CTRL_MAC_ADDR       BIT(23)
#define NET_F_NOTF_COAL           BIT(53)
#define NET_F_GUEST_USO4          BIT(54)
#define NET_F_GUEST_USO6          BIT(55)
#define NET_F_HOST_USO            BIT(56)
#define NET_F_SPEED_DUPLEX        BIT(63)
