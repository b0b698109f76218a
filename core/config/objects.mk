# SPDX-License-Identifier: BSD-2-Clause
objects += core/config/config.o
objects += core/config/config_keys.o
objects += core/config/config_net.o
objects += core/config/config_shared.o
objects += core/config/refuse.o
