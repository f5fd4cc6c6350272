/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The timing wheel against a plain array, by steps of eight bytes: set, cancel, go on, go back. */
#include <stdint.h>

#include "wheel_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct check c;
	u64 start = 0;
	size_t i;

	if (n >= 8)
		memcpy(&start, data, 8);
	check_begin(&c, start);
	for (i = 8; i + 8 <= n && i < 8 * 512; i += 8)
		check_step(&c, data + i);
	check_end(&c);
	return 0;
}
