/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor: does anything keep the daemon's event loop or its workers busy for so long that requests
 * wait? From the daemon's own status.
 */
#include "ctl/doctor.h"

#define ENOUGH   1000    /* turns of the loop that say something */
#define PAUSE_US 10000.0 /* one turn in a thousand may take so long */
#define QUEUE    64      /* pieces of work for each worker */

static json_int_t waiting(const json_t *workers, const char *class)
{
	return json_integer_value(json_object_get(json_object_get(workers, class), "waiting"));
}

void sz_doctor_loop(struct sz_doctor *d)
{
	const json_t *loop = json_object_get(d->says, "loop_pause_us");
	const json_t *workers = json_object_get(d->says, "workers");
	json_int_t threads = json_integer_value(json_object_get(workers, "threads"));
	json_int_t queued = waiting(workers, "urgent") + waiting(workers, "normal");
	double late = json_number_value(json_object_get(loop, "p99.9"));
	double longest = json_number_value(json_object_get(loop, "max"));

	if (!d->daemon || !loop || !workers)
		return;
	if (json_integer_value(json_object_get(loop, "count")) >= ENOUGH && late > PAUSE_US)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "loop",
			      "the machine may be too busy: see 'pressure', and give the daemon "
			      "CPUs of its own (CPUAffinity=, CPUWeight=)",
			      "one turn in a thousand of the event loop takes %.1f ms or more, the "
			      "longest %.1f ms",
			      late / 1e3, longest / 1e3);
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "loop", "",
			      "99.9 %% of its turns take at most %.2f ms, the longest %.1f ms",
			      late / 1e3, longest / 1e3);
	if (queued > QUEUE * threads)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "workers",
			      "more tokens come than are verified: raise workers up to the number "
			      "of CPUs, or see who floods: subzeroctl sources",
			      "%lld tokens wait for %lld workers", (long long)queued,
			      (long long)threads);
}
