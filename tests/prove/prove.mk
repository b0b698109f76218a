# SPDX-License-Identifier: BSD-2-Clause
# Proofs that code has no runtime errors, by Frama-C's Eva: `make prove`.

.PHONY: prove
prove:
	$(Q)tests/prove/run $(BUILD)
