/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * doctor: how busy the daemon's threads are and what they wait for, by two looks at /proc half a
 * second apart; and whether what it tells others arrives. Called by doctor.c.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/doctor.h"
#include "telemetry/telemetry.h"

#define WAIT_MS     500
#define BUSY_WARN   90 /* percent of a CPU */
#define STARVE_WARN 30 /* percent of the time without one */
#define FAULTS_WARN 20 /* pages from the disk in a second */

/* ---- threads -------------------------------------------------------------------------------- */

struct load {
	struct sz_process a, b;
	u64 ns; /* between the two */
};

static unsigned share(u64 before, u64 after, u64 of)
{
	u64 part = after > before ? (after - before) * 100 / of : 0;

	return part > 100 ? 100 : (unsigned)part;
}

static unsigned busy(const struct load *l, size_t i)
{
	return share(l->a.thread[i].cpu_ns, l->b.thread[i].cpu_ns, l->ns);
}

static unsigned starved(const struct load *l, size_t i)
{
	return share(l->a.thread[i].wait_ns, l->b.thread[i].wait_ns, l->ns);
}

static const char *name_of(size_t i, char name[24])
{
	snprintf(name, 24, i ? "worker%zu cpu" : "loop cpu", i - 1);
	return name;
}

static bool look_at_busy(struct sz_doctor *d, const struct load *l)
{
	unsigned least = 100;
	size_t i;

	for (i = 1; i < l->b.n_threads; i++)
		least = busy(l, i) < least ? busy(l, i) : least;
	if (busy(l, 0) >= BUSY_WARN)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "loop cpu",
			      "let fewer requests reach the daemon: tokens that live longer, fewer "
			      "routes with decide: each, a lower audit.denials; see 'miss' in "
			      "subzeroctl counters",
			      "the daemon's loop uses %u%% of a CPU, and can use only one",
			      busy(l, 0));
	if (l->b.n_threads > 1 && least >= BUSY_WARN)
		sz_doctor_say(d, SZ_DOCTOR_WARN, "workers cpu",
			      "give it more CPUs and raise workers; or tokens that are cheaper to "
			      "verify or live longer",
			      "each of the %zu workers uses %u%% of a CPU or more: new tokens wait",
			      l->b.n_threads - 1, least);
	return busy(l, 0) >= BUSY_WARN || (l->b.n_threads > 1 && least >= BUSY_WARN);
}

static bool look_at_waiting(struct sz_doctor *d, const struct load *l)
{
	bool found = false;
	char name[24];
	size_t i;

	for (i = 0; i < l->b.n_threads; i++) {
		u64 faults = l->b.thread[i].major_faults - l->a.thread[i].major_faults;

		if (starved(l, i) >= STARVE_WARN)
			sz_doctor_say(d, SZ_DOCTOR_WARN, name_of(i, name),
				      "other programs take its CPUs: raise CPUWeight= in the unit, "
				      "lower workers to the CPUs it has, or move them elsewhere",
				      "was ready and without a CPU for %u%% of the time",
				      starved(l, i));
		if (faults * 1000 / WAIT_MS >= FAULTS_WARN)
			sz_doctor_say(d, SZ_DOCTOR_WARN, name_of(i, name),
				      "too little memory: free some, or set MemoryMin= in the unit",
				      "waits for memory from the disk: %llu pages in half a second",
				      (unsigned long long)faults);
		found |= starved(l, i) >= STARVE_WARN || faults * 1000 / WAIT_MS >= FAULTS_WARN;
	}
	return found;
}

/* Pressure inside the daemon's own control group: its limits, not the machine. */
static bool look_at_group(struct sz_doctor *d, int pid)
{
	static const struct {
		const char *resource, *todo;
		double warn;
	} rows[] = {
		{"cpu", "raise CPUQuota= or CPUWeight= of its unit", 0.5},
		{"memory", "raise MemoryHigh= or MemoryMax= of its unit", 0.1},
		{"io", "its disk is slow or limited: see IOWeight= and where audit.dir lies", 0.5},
	};
	struct sz_buf group = {0};
	struct sz_pressure p;
	struct sz_error e;
	bool found = false;
	char path[64], check[64];
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (sz_file_read(path, 65536, &group, &e))
		return false;
	for (i = 0; i < SZ_ARRAY_LEN(rows); i++) {
		if (sz_pressure_read_group(group.data ? group.data : "", rows[i].resource, &p) ||
		    p.ratio < rows[i].warn)
			continue;
		snprintf(check, sizeof(check), "unit %s", rows[i].resource);
		sz_doctor_say(d, SZ_DOCTOR_WARN, check, rows[i].todo,
			      "tasks of the daemon's control group waited for it in %.0f%% of the "
			      "last 10 s, all of them in %.0f%%", p.ratio * 100, p.full * 100);
		found = true;
	}
	sz_buf_done(&group);
	return found;
}

void sz_doctor_load(struct sz_doctor *d)
{
	const struct timespec wait = {.tv_nsec = WAIT_MS * 1000000};
	int pid = (int)json_integer_value(json_object_get(d->says, "pid"));
	char memory[SZ_CTL_TEXT_MAX];
	unsigned most = 0;
	bool found;
	struct load l;
	size_t i;
	u64 began;

	/* A daemon in another PID namespace is not seen here. */
	if (!d->daemon || pid <= 0 || sz_process_read_pid(pid, &l.a))
		return;
	began = sz_boot_ns();
	nanosleep(&wait, NULL);
	if (sz_process_read_pid(pid, &l.b) || l.b.n_threads != l.a.n_threads)
		return;
	l.ns = sz_boot_ns() - began;
	found = look_at_busy(d, &l);
	found |= look_at_waiting(d, &l);
	found |= look_at_group(d, pid);
	for (i = 1; i < l.b.n_threads; i++)
		most = busy(&l, i) > most ? busy(&l, i) : most;
	if (!found)
		sz_doctor_say(d, SZ_DOCTOR_OK, "load", "",
			      "the loop uses %u%% of a CPU, the busiest of %zu workers %u%%; %s of "
			      "memory",
			      busy(&l, 0), l.b.n_threads ? l.b.n_threads - 1 : 0, most,
			      sz_ctl_bytes(l.b.resident_bytes, memory));
}

/* ---- what is told to others ----------------------------------------------------------------- */

static s64 number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static void look_at_forward(struct sz_doctor *d, const char *target, const json_t *f)
{
	char check[64];

	snprintf(check, sizeof(check), "audit to %s", target);
	if (json_is_false(json_object_get(f, "connected")) && number(f, "waiting_bytes"))
		sz_doctor_say(d, SZ_DOCTOR_WARN, check,
			      "is it running, and its socket the one in audit.forward?",
			      "does not take records: %lld bytes wait, %lld records were dropped",
			      (long long)number(f, "waiting_bytes"),
			      (long long)number(f, "dropped"));
	else if (number(f, "dropped"))
		sz_doctor_say(d, SZ_DOCTOR_WARN, check,
			      "it is too slow for what is told: raise severity in audit.forward; "
			      "the log itself has them all",
			      "%lld records were dropped since the start",
			      (long long)number(f, "dropped"));
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, check, "", "%lld records told",
			      (long long)number(f, "sent"));
}

void sz_doctor_evidence(struct sz_doctor *d)
{
	const json_t *audit = json_object_get(d->says, "audit"), *f;
	const json_t *traces = json_object_get(d->says, "traces");
	const char *target;

	if (!d->daemon)
		return;
	if (json_is_true(json_object_get(audit, "retention_failing")))
		sz_doctor_say(d, SZ_DOCTOR_WARN, "audit retention",
			      "the daemon's log says which file: put a missing segment back, or "
			      "correct the permissions",
			      "old segments should go and could not be removed");
	json_object_foreach(json_object_get(audit, "forward"), target, f)
		look_at_forward(d, target, f);
	if (!json_is_object(traces))
		return;
	if (number(traces, "dropped") || number(traces, "failed"))
		sz_doctor_say(d, SZ_DOCTOR_WARN, "traces",
			      "is the collector up, and tracing.endpoint right? else lower "
			      "sampling, or raise queue",
			      "%lld requests found no room, %lld spans were given up",
			      (long long)number(traces, "dropped"),
			      (long long)number(traces, "failed"));
	else
		sz_doctor_say(d, SZ_DOCTOR_OK, "traces", "", "%lld spans told",
			      (long long)number(traces, "sent"));
}
