# SPDX-License-Identifier: BSD-2-Clause
objects += core/monitor/line_edit.o
objects += core/monitor/monitor.o
objects += core/monitor/monitor_commands.o
objects += core/monitor/monitor_debug.o
objects += core/monitor/monitor_net.o
objects += core/monitor/monitor_serial.o
objects += core/monitor/monitor_trace.o
