/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every map, declared once. They are pinned by name under /sys/fs/bpf/subzero (or the directory
 * that was configured) and outlive the daemon; their types are in include/subzero/abi.h.
 * W: who writes, R: who reads. "ingress" and "egress" are the two BPF programs.
 */
#ifndef SZ_BPF_MAPS_H
#define SZ_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "subzero/abi.h"

/* W: daemon (mapped memory), CLI (revoke_epoch, ban_count). R: all. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sz_config);
} sz_config SEC(".maps");

/* W: daemon. R: ingress, egress, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * SZ_SERVICES_MAX);
	__type(key, struct sz_service_key);
	__type(value, struct sz_service);
} sz_services SEC(".maps");

/* Entries: daemon. W: ingress, egress. R: ingress, egress, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * SZ_SERVICES_MAX);
	__type(key, struct sz_service_key);
	__type(value, struct sz_syn);
} sz_syn SEC(".maps");

/* W: daemon. R: ingress, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SZ_MAX_ROUTE_NODES);
	__type(key, struct sz_route_key);
	__type(value, struct sz_route_node);
} sz_routes SEC(".maps");

/* W: daemon; the CLI sets SZ_GRANT_REVOKED. R: ingress, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SZ_MAX_GRANTS);
	__type(key, struct sz_grant_key);
	__type(value, struct sz_grant);
} sz_grants SEC(".maps");

/*
 * LRU: a token that asks for much pushes out answers that are asked for again, never a grant; and
 * only verified tokens have any. W: daemon. R: ingress, CLI.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SZ_MAX_REQUESTS);
	__type(key, struct sz_request_key);
	__type(value, struct sz_request);
} sz_requests SEC(".maps");

/* Key: sz_grant.profile. LRU: only the clause of a refusal is lost. W: daemon. R: daemon, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SZ_MAX_PROFILES);
	__type(key, u64);
	__type(value, struct sz_profile);
} sz_profiles SEC(".maps");

/* W: daemon, CLI (revoked tokens). R: ingress. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SZ_MAX_DENIED);
	__type(key, struct sz_grant_key);
	__type(value, struct sz_denied);
} sz_denied SEC(".maps");

/* Connections without an admitted request. W: egress, ingress. R: CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SZ_MAX_HALF);
	__type(key, struct sz_flow_key);
	__type(value, struct sz_flow);
} sz_half SEC(".maps");

/* Connections with one: only they can push each other out. W: ingress, egress. R: CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SZ_MAX_FLOWS);
	__type(key, struct sz_flow_key);
	__type(value, struct sz_flow);
} sz_flows SEC(".maps");

/* W: daemon; ingress deletes what it used. R: ingress. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SZ_MAX_TICKETS);
	__type(key, struct sz_ticket_key);
	__type(value, struct sz_ticket);
} sz_tickets SEC(".maps");

/* W: ingress; the daemon sweeps what is left over. R: ingress. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SZ_MAX_SPILL);
	__type(key, struct sz_flow_key);
	__type(value, struct sz_spill);
} sz_spill SEC(".maps");

/* W: ingress; the daemon sweeps what is left over. R: ingress, daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SZ_MAX_CARRY);
	__type(key, struct sz_flow_key);
	__type(value, struct sz_carry);
} sz_carry SEC(".maps");

/* W: ingress. R: CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SZ_MAX_SOURCES);
	__type(key, struct sz_addr);
	__type(value, struct sz_source);
} sz_sources SEC(".maps");

/* W: daemon, CLI (mapped memory); ingress (tat, spare_tat, full_ns). R: all. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SZ_LIMITS_MAX);
	__type(key, u32);
	__type(value, struct sz_limit);
} sz_limits SEC(".maps");

/* W: ingress. R: daemon, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SZ_LIMITS_MAX);
	__type(key, u32);
	__type(value, struct sz_limit_count);
} sz_limit_counts SEC(".maps");

/* W: ingress; daemon, CLI (mapped memory) to reset. R: CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SZ_BUCKET_TABLES * (SZ_MAX_BUCKETS / SZ_BUCKET_WAYS));
	__type(key, u32);
	__type(value, struct sz_bucket_set);
} sz_buckets SEC(".maps");

/* W: daemon. R: ingress, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SZ_NETWORK_PREFIXES);
	__type(key, struct sz_network_key);
	__type(value, u32);
} sz_networks SEC(".maps");

/* W: ingress. R: daemon (audit summaries), CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, SZ_MAX_HITS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sz_hit_key);
	__type(value, u64);
} sz_hits SEC(".maps");

/* W: CLI, daemon. R: ingress. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SZ_MAX_BANS);
	__type(key, struct sz_ban_key);
	__type(value, struct sz_ban);
} sz_bans SEC(".maps");

/* W: daemon. R: ingress, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SZ_MAX_ALLOW);
	__type(key, struct sz_ban_key);
	__type(value, u32);
} sz_allow SEC(".maps");

/* W: CLI, daemon. R: daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SZ_MAX_REVOKED);
	__type(key, struct sz_id);
	__type(value, struct sz_revoked);
} sz_revoked SEC(".maps");

/* W: daemon. R: CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SZ_MAX_PRINCIPALS + SZ_MAX_ROUTE_NODES + SZ_SERVICES_MAX);
	__type(key, struct sz_name_key);
	__type(value, struct sz_name);
} sz_names SEC(".maps");

/* W: daemon. R: ingress. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SZ_ANSWERS_MAX);
	__type(key, u32);
	__type(value, struct sz_answer);
} sz_answers SEC(".maps");

/* Index: enum sz_reason. W: ingress, egress. R: daemon, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SZ_REASON_MAX);
	__type(key, u32);
	__type(value, u64);
} sz_counters SEC(".maps");

/* Denials that found sz_events full, by reason. W: ingress. R: daemon, CLI. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SZ_REASON_MAX);
	__type(key, u32);
	__type(value, u64);
} sz_lost SEC(".maps");

/* Frames held for a decision: struct sz_miss. W: ingress. R: daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SZ_MISS_RING);
} sz_misses SEC(".maps");

/* Denials for the audit log: struct sz_event. W: ingress. R: daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SZ_EVENT_RING);
} sz_events SEC(".maps");

#endif
