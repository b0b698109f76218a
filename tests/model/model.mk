# SPDX-License-Identifier: BSD-2-Clause
# The model of the mailbox, checked by Spin: `make model`.

BUILD ?= build

.PHONY: model
model:
	$(if $(filter 1,$(V)),,@)tests/model/run $(BUILD)
