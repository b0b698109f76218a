/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the page that tells this machine from another of its kind: what the firmware made of it. */
#pragma once

void explain_found(void);
