/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every metric, once. The endpoint's HELP and TYPE lines are made from this list, and a test
 * compares docs/metrics.md, the dashboard and the alert rules with it.
 *
 * SZ_METRIC(ID, TYPE, name, labels, help): labels are separated by commas, "" for none.
 */
#ifndef SZ_METRICS_LIST_H
#define SZ_METRICS_LIST_H

#define SZ_METRICS(X)                                                                              \
	X(BUILD_INFO, GAUGE, "subzero_build_info", "version,abi",                                  \
	  "Always 1; the labels say what runs.")                                                   \
	/* what the kernel decided */                                                              \
	X(VERDICTS, COUNTER, "subzero_verdicts_total", "reason",                                   \
	  "Frames and requests by what became of them, since the maps were made.")                 \
	X(ADMITTED, COUNTER, "subzero_requests_admitted_total", "service,route",                   \
	  "Requests admitted, since the maps were made. Sampled every few seconds.")               \
	X(DENIALS, COUNTER, "subzero_denials_total", "service,reason",                             \
	  "Refusals that the daemon has recorded since it started.")                               \
	X(MONITORED, COUNTER, "subzero_monitored_denials_total", "service,reason",                 \
	  "What monitor mode would have refused, as recorded since the daemon started.")           \
	X(LOST, COUNTER, "subzero_events_lost_total", "reason",                                    \
	  "Refusals without a record of their own, since the maps were made: "                     \
	  "beyond `audit.denials`, or the ring to the daemon was full.")                           \
	X(LIMIT_ADMITTED, COUNTER, "subzero_limit_admitted_total", "limit",                        \
	  "What a rate limit let pass, since the limit was made.")                                 \
	X(LIMIT_REFUSED, COUNTER, "subzero_limit_refused_total", "limit",                          \
	  "What it refused.")                                                                      \
	X(LIMIT_WOULD, COUNTER, "subzero_limit_would_refuse_total", "limit",                       \
	  "What it would have refused but for its dry run.")                                       \
	X(LIMIT_SPARE, COUNTER, "subzero_limit_spare_total", "limit",                              \
	  "Requests that found no room for a bucket and asked the spare one.")                     \
	X(SHED, COUNTER, "subzero_questions_shed_total", "priority",                               \
	  "Questions refused because the verifier was busy (or that would have been), "            \
	  "since the maps were made.")                                                             \
	X(OPEN, GAUGE, "subzero_questions_open", "",                                               \
	  "Questions that the kernel has asked and the verifier works on.")                        \
	X(OPEN_LIMIT, GAUGE, "subzero_questions_open_limit", "",                                   \
	  "How many may be, as it adapts to the verifier; 0: no limit.")                           \
	X(ANSWER_TIME, GAUGE, "subzero_questions_answer_seconds", "",                              \
	  "From question to answer, on average in the last window that had answers.")              \
	/* the daemon's part */                                                                    \
	X(MISSES, COUNTER, "subzero_misses_total", "",                                             \
	  "Frames that the kernel has handed to the daemon.")                                      \
	X(TOKENS, COUNTER, "subzero_tokens_verified_total", "result",                              \
	  "Tokens that were verified, by result: good or bad.")                                    \
	X(TICKETS, COUNTER, "subzero_tickets_total", "",                                           \
	  "One-time verdicts that were written.")                                                  \
	X(REINJECTED, COUNTER, "subzero_frames_reinjected_total", "result",                        \
	  "Held frames put back, by result: ok or failed.")                                        \
	X(EXPIRED, COUNTER, "subzero_pending_expired_total", "",                                   \
	  "Incomplete requests that were given up.")                                               \
	X(DROPPED, COUNTER, "subzero_pending_dropped_total", "",                                   \
	  "Frames and connections beyond what may wait for a decision.")                           \
	X(MISS_TIME, HISTOGRAM, "subzero_miss_duration_seconds", "",                               \
	  "From a frame's arrival in the kernel to its return.")                                   \
	X(VERIFY_TIME, HISTOGRAM, "subzero_verify_duration_seconds", "",                           \
	  "Verification of one token by a worker, without its policy.")                            \
	X(POLICY_TIME, HISTOGRAM, "subzero_policy_duration_seconds", "",                           \
	  "Policy of all routes of a service for one good token.")                                 \
	X(REINJECT_TIME, HISTOGRAM, "subzero_reinject_duration_seconds", "",                       \
	  "Putting one held frame back.")                                                          \
	X(PENDING, GAUGE, "subzero_pending_connections", "",                                       \
	  "Connections that wait for a decision.")                                                 \
	X(PROOFS, GAUGE, "subzero_dpop_proofs", "",                                                \
	  "DPoP proofs that are remembered so that none counts twice.")                            \
	X(PROOFS_LIMIT, GAUGE, "subzero_dpop_proofs_limit", "",                                    \
	  "How many may be; further ones are refused.")                                            \
	X(KNOWN_TOKENS, COUNTER, "subzero_dpop_known_tokens_total", "",                            \
	  "Requests by DPoP whose token was not verified anew, only their proof.")                 \
	X(PENDING_LIMIT, GAUGE, "subzero_pending_connections_limit", "",                           \
	  "How many may wait.")                                                                    \
	X(HELD, GAUGE, "subzero_held_bytes", "", "Frames held for them.")                          \
	X(HELD_LIMIT, GAUGE, "subzero_held_limit_bytes", "", "How much may be held.")              \
	X(JOBS, GAUGE, "subzero_verifications_in_flight", "",                                      \
	  "Tokens that are being verified or wait for a worker.")                                  \
	X(COALESCED, COUNTER, "subzero_verifications_shared_total", "",                            \
	  "Requests whose token was being verified already, and that joined in.")                  \
	/* the loop, its workers and its timers */                                                 \
	X(LOOP_PAUSE, HISTOGRAM, "subzero_loop_pause_seconds", "",                                 \
	  "How long the event loop was busy each time before it looked for news again.")           \
	X(POOL_WAITING, GAUGE, "subzero_pool_waiting", "class",                                    \
	  "Work in the queues of the workers: urgent, normal or later.")                           \
	X(POOL_WORK, COUNTER, "subzero_pool_work_total", "class", "Work that was handed to them.") \
	X(POOL_WAIT, HISTOGRAM, "subzero_pool_wait_seconds", "class",                              \
	  "From then until a worker began with it.")                                               \
	X(POOL_STOLEN, COUNTER, "subzero_pool_stolen_total", "",                                   \
	  "Work that a worker took from another one's queue.")                                     \
	X(POOL_BATCHES, COUNTER, "subzero_pool_batches_total", "",                                 \
	  "Times that a worker handed results back, one or more at once.")                         \
	X(POOL_BATCH, GAUGE, "subzero_pool_batch_limit", "",                                       \
	  "How many results a worker gathers at present before it does, the most of all.")         \
	X(POOL_BUSY, COUNTER, "subzero_pool_busy_seconds_total", "worker",                         \
	  "Time that a worker was busy.")                                                          \
	X(TIMERS, GAUGE, "subzero_timers", "", "What has an end in the timing wheel.")             \
	X(ENDED, COUNTER, "subzero_ended_total", "kind",                                           \
	  "What its end has removed: grants, bans, requests, denied, revoked or proofs.")          \
	/* tables */                                                                               \
	X(MAP_ENTRIES, GAUGE, "subzero_map_entries", "map",                                        \
	  "Entries of a kernel map. Sampled every few seconds.")                                   \
	X(MAP_CAPACITY, GAUGE, "subzero_map_capacity", "map", "Entries it has room for.")          \
	X(GRANTS, GAUGE, "subzero_grants", "state",                                                \
	  "Known tokens: active, expired, void (of an older policy or key set) or revoked.")       \
	X(SAMPLE_AGE, GAUGE, "subzero_sample_age_seconds", "",                                     \
	  "Age of the sampled figures.")                                                           \
	/* relationships */                                                                        \
	X(STORE_TUPLES, GAUGE, "subzero_store_tuples", "store,id",                                 \
	  "Tuples of a store of relationships.")                                                   \
	X(STORE_GEN, COUNTER, "subzero_store_writes_total", "store,id",                            \
	  "Its generation: writes of tuples and models since it was made.")                        \
	X(STORE_WRITTEN, GAUGE, "subzero_store_last_write_timestamp_seconds", "store,id",          \
	  "When tuples were last written to it, in seconds since 1970.")                           \
	X(STORE_BYTES, GAUGE, "subzero_store_file_bytes", "",                                      \
	  "Size of the file of all stores that is in use.")                                        \
	/* policy and keys */                                                                      \
	X(ISSUER_KEYS, GAUGE, "subzero_issuer_keys", "issuer",                                     \
	  "Keys that tokens of an issuer may be signed with.")                                     \
	X(KEY_AGE, GAUGE, "subzero_issuer_key_age_seconds", "issuer",                              \
	  "Time since the issuer's key set last changed.")                                         \
	X(KEYS_USABLE, GAUGE, "subzero_issuer_keys_usable", "issuer",                              \
	  "Of keys that are fetched: 1, or 0 where there are none or they are too old.")           \
	X(KEY_FETCH_AGE, GAUGE, "subzero_issuer_key_fetch_age_seconds", "issuer",                  \
	  "Time since they were last fetched with success.")                                       \
	X(KEY_FETCHES, COUNTER, "subzero_key_fetches_total", "issuer,result",                      \
	  "Looks at an issuer's key set over the network, by result: ok or failed.")               \
	X(UNKNOWN_KIDS, COUNTER, "subzero_unknown_key_tokens_total", "issuer",                     \
	  "Tokens that named a key which was not in the set, and asked for a look.")               \
	X(KEY_WAITING, GAUGE, "subzero_key_waiting_tokens", "issuer",                              \
	  "Tokens that wait for such a look.")                                                     \
	X(INTROSPECTIONS, COUNTER, "subzero_introspections_total", "issuer,result",                \
	  "Questions about opaque tokens: active, inactive, failed, refused or recent.")           \
	X(BREAKER, GAUGE, "subzero_introspection_breaker", "issuer",                               \
	  "Circuit breaker: 0 closed, 1 open, 2 half-open.")                                       \
	X(POLICY_GEN, GAUGE, "subzero_policy_generation", "",                                      \
	  "Goes up with each change of policy, which voids all grants.")                           \
	X(KEY_GEN, GAUGE, "subzero_key_generation", "",                                            \
	  "Goes up with each change of keys or of the clock, likewise.")                           \
	X(RELOADS, COUNTER, "subzero_reloads_total", "result",                                     \
	  "Reloads of the configuration, by result: ok or failed.")                                \
	/* audit log and life signs */                                                             \
	X(AUDIT_RECORDS, COUNTER, "subzero_audit_records_total", "",                               \
	  "Records of the audit log, since the log began.")                                        \
	X(AUDIT_UNSYNCED, GAUGE, "subzero_audit_unsynced_records", "",                             \
	  "Records that are not on disk yet.")                                                     \
	X(AUDIT_LAG, GAUGE, "subzero_audit_lag_seconds", "",                                       \
	  "How long the oldest of them has waited, to a quarter of a second.")                     \
	X(AUDIT_SEGMENTS, GAUGE, "subzero_audit_segments", "",                                     \
	  "Segments of the audit log on disk.")                                                    \
	X(AUDIT_BYTES, GAUGE, "subzero_audit_bytes", "",                                           \
	  "What they and the checkpoints take on disk.")                                           \
	X(AUDIT_REMOVED, COUNTER, "subzero_audit_removed_records_total", "",                       \
	  "Records that retention has removed, since the log began.")                              \
	X(AUDIT_RETENTION, GAUGE, "subzero_audit_retention_ok", "",                                \
	  "0 where old segments should go and could not be removed.")                              \
	X(FORWARDED, COUNTER, "subzero_audit_forwarded_total", "target,result",                    \
	  "Records told to journald or syslog, by result: ok or dropped.")                         \
	X(TRACE_SPANS, COUNTER, "subzero_trace_spans_total", "result",                             \
	  "Spans of traces, by result: ok (the collector has them) or failed.")                    \
	X(TRACE_DROPPED, COUNTER, "subzero_trace_requests_dropped_total", "",                      \
	  "Requests that were to be traced and found the queue full.")                             \
	X(TRACE_EXPORTS, COUNTER, "subzero_trace_exports_total", "result",                         \
	  "Requests to the collector, by result: ok or failed.")                                   \
	X(TRACE_WAITING, GAUGE, "subzero_trace_waiting_spans", "",                                 \
	  "Spans that wait for the collector.")                                                    \
	X(HEARTBEAT_AGE, GAUGE, "subzero_heartbeat_age_seconds", "",                               \
	  "Time since the daemon last told the kernel that it lives.")                             \
	X(HEARTBEAT_TTL, GAUGE, "subzero_heartbeat_ttl_seconds", "",                               \
	  "How long the kernel believes it.")                                                      \
	/* the process and its machine */                                                          \
	X(CPU, COUNTER, "process_cpu_seconds_total", "", "CPU time of the daemon.")                \
	X(THREAD_CPU, COUNTER, "subzero_thread_cpu_seconds_total", "thread",                       \
	  "CPU time by thread: loop, worker0 and so on, io for the kernel's own.")                 \
	X(THREAD_WAIT, COUNTER, "subzero_thread_wait_seconds_total", "thread",                     \
	  "Time in which a thread could have run and had no CPU.")                                 \
	X(THREAD_FAULTS, COUNTER, "subzero_thread_major_faults_total", "thread",                   \
	  "Pages of memory that a thread had to wait for from the disk.")                          \
	X(RESIDENT, GAUGE, "process_resident_memory_bytes", "", "Memory of the daemon in RAM.")    \
	X(VIRTUAL, GAUGE, "process_virtual_memory_bytes", "", "Its address space in use.")         \
	X(OPEN_FDS, GAUGE, "process_open_fds", "", "Its open file descriptors.")                   \
	X(MAX_FDS, GAUGE, "process_max_fds", "", "How many it may open.")                          \
	X(START_TIME, GAUGE, "process_start_time_seconds", "",                                     \
	  "When it started, in seconds since 1970.")                                               \
	X(PRESSURE, GAUGE, "subzero_pressure_some_ratio", "resource",                              \
	  "Share of the last 10 s in which some task waited for it: cpu, memory or io.")           \
	X(PRESSURE_FULL, GAUGE, "subzero_pressure_full_ratio", "resource",                         \
	  "Share of the last 10 s in which all tasks waited for it.")                              \
	X(PRESSURE_TIME, COUNTER, "subzero_pressure_some_seconds_total", "resource",               \
	  "Time in which some task waited for it, since boot.")

#endif
