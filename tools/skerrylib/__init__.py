# SPDX-License-Identifier: BSD-2-Clause
"""What tools/skerry and its neighbours share. Python 3.11, standard library only."""
