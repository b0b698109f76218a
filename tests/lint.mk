# SPDX-License-Identifier: BSD-2-Clause
# `make lint`: formatting, static analysis, headers that compile alone, licences.

BUILD ?= build

.PHONY: lint
lint:
	$(if $(filter 1,$(V)),,@)tests/lint $(BUILD)
