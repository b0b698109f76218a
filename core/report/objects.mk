# SPDX-License-Identifier: BSD-2-Clause
objects += core/report/explain.o
objects += core/report/explain_found.o
objects += core/report/report.o
objects += core/report/trace_show.o
