/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * audit prove: inclusion and consistency proofs of RFC 6962 as JSON, with the checkpoint they lead
 * to; and their check, which needs neither log nor daemon. What is printed was checked before.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "ctl/ctl.h"

#define HASH      SZ_AUDIT_HASH_LEN
#define PROOF_MAX (8u << 20)

/* ---- hashes in JSON: base64, as in RFC 6962 section 4 ---------------------------------------- */

static json_t *hash_json(const u8 hash[HASH])
{
	char text[sodium_base64_ENCODED_LEN(HASH, sodium_base64_VARIANT_ORIGINAL)];

	return json_string(sodium_bin2base64(text, sizeof(text), hash, HASH,
					     sodium_base64_VARIANT_ORIGINAL));
}

static json_t *path_json(const u8 (*path)[HASH], unsigned n)
{
	json_t *list = json_array();
	unsigned i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, hash_json(path[i]));
	return list;
}

static bool hash_read(const json_t *v, u8 ret[HASH])
{
	return json_is_string(v) &&
	       sz_audit_base64(json_string_value(v), json_string_length(v), ret, HASH);
}

static bool path_read(const json_t *list, u8 (*ret)[HASH], size_t *ret_n)
{
	size_t i;

	*ret_n = json_array_size(list);
	if (!json_is_array(list) || *ret_n > SZ_AUDIT_PROOF_MAX)
		return false;
	for (i = 0; i < *ret_n; i++)
		if (!hash_read(json_array_get(list, i), ret[i]))
			return false;
	return true;
}

static bool size_read(const json_t *v, u64 *ret)
{
	*ret = (u64)json_integer_value(v);
	return json_is_integer(v) && json_integer_value(v) >= 0;
}

/* ---- making --------------------------------------------------------------------------------- */

/*
 * The tree to prove in: `size` where it is given, else that of the newest checkpoint that covers
 * record `seq`. *note is the checkpoint of exactly this size; empty where there is none.
 */
static int choose_tree(struct sz_ctl *c, u64 seq, u64 *size, struct sz_buf *note,
		       struct sz_audit_checkpoint *cp)
{
	struct sz_error e;
	int err = sz_audit_checkpoint_find(sz_ctl_audit_dir(c), seq, *size, note, cp, &e);

	if (err && (err != -ENOENT || !*size))
		return sz_ctl_fail("%s%s", e.msg,
				   err == -ENOENT ? "; 'subzeroctl flush' signs what there is"
						  : "");
	if (!err)
		*size = cp->size;
	return SZ_CTL_OK;
}

static int check_root(const struct sz_buf *note, const struct sz_audit_checkpoint *cp,
		      const u8 root[HASH])
{
	return !note->len || !memcmp(cp->root, root, HASH)
		       ? SZ_CTL_OK
		       : sz_ctl_fail("the records are not those of checkpoint %llu: run 'audit "
				     "verify'", (unsigned long long)cp->size);
}

static int prove_record(struct sz_ctl *c, u64 seq, u64 size)
{
	struct sz_audit_range ranges[SZ_AUDIT_PROOF_MAX];
	u8 path[SZ_AUDIT_PROOF_MAX][HASH], root[HASH], leaf[HASH];
	struct sz_buf note = {0}, line = {0};
	struct sz_audit_checkpoint cp;
	struct sz_error e;
	unsigned n;
	int ret;

	if (!seq || (size && seq > size))
		return sz_ctl_usage("--record is from 1 to --size");
	ret = choose_tree(c, seq, &size, &note, &cp);
	if (ret)
		goto out;
	n = sz_audit_inclusion(seq - 1, size, ranges);
	if (sz_audit_subtrees(sz_ctl_audit_dir(c), size, ranges, n, path, root, seq - 1, &line,
			      &e)) {
		ret = sz_ctl_fail("%s", e.msg);
		goto out;
	}
	ret = check_root(&note, &cp, root);
	if (ret)
		goto out;
	sz_audit_tree_leaf(line.data, line.len, leaf);
	if (!sz_audit_inclusion_ok(leaf, seq - 1, size, (const u8(*)[HASH])path, n, root)) {
		ret = sz_ctl_fail("the proof does not hold; was the log changed meanwhile?");
		goto out;
	}
	ret = sz_ctl_print_json(json_pack(
		"{s:s, s:I, s:I, s:o, s:o, s:o, s:s#, s:s?}", "proof", "inclusion", "leaf_index",
		(json_int_t)seq - 1, "tree_size", (json_int_t)size, "leaf_hash", hash_json(leaf),
		"root_hash", hash_json(root), "audit_path", path_json((const u8(*)[HASH])path, n),
		"record", line.data, (int)line.len, "checkpoint", note.len ? note.data : NULL));
out:
	sz_buf_done(&note);
	sz_buf_done(&line);
	return ret;
}

static int prove_growth(struct sz_ctl *c, u64 from, u64 to)
{
	struct sz_audit_range ranges[SZ_AUDIT_PROOF_MAX];
	u8 path[SZ_AUDIT_PROOF_MAX][HASH], root[HASH], old[1][HASH], all[HASH];
	struct sz_audit_range whole = {0, from};
	struct sz_buf note = {0};
	struct sz_audit_checkpoint cp;
	struct sz_error e;
	unsigned n;
	int ret;

	if (!from || (to && from > to))
		return sz_ctl_usage("--from is from 1 to --to");
	ret = choose_tree(c, from, &to, &note, &cp);
	if (ret)
		goto out;
	n = sz_audit_consistency(from, to, ranges);
	if (sz_audit_subtrees(sz_ctl_audit_dir(c), to, ranges, n, path, root, 0, NULL, &e) ||
	    sz_audit_subtrees(sz_ctl_audit_dir(c), from, &whole, 1, old, all, 0, NULL, &e)) {
		ret = sz_ctl_fail("%s", e.msg);
		goto out;
	}
	ret = check_root(&note, &cp, root);
	if (ret)
		goto out;
	if (!sz_audit_consistency_ok(from, old[0], to, root, (const u8(*)[HASH])path, n)) {
		ret = sz_ctl_fail("the proof does not hold; was the log changed meanwhile?");
		goto out;
	}
	ret = sz_ctl_print_json(json_pack(
		"{s:s, s:I, s:I, s:o, s:o, s:o, s:s?}", "proof", "consistency", "first",
		(json_int_t)from, "second", (json_int_t)to, "first_root", hash_json(old[0]),
		"second_root", hash_json(root), "consistency",
		path_json((const u8(*)[HASH])path, n), "checkpoint",
		note.len ? note.data : NULL));
out:
	sz_buf_done(&note);
	return ret;
}

/* ---- checking ------------------------------------------------------------------------------- */

/* NULL: the hashes hold; otherwise what does not. */
static const char *check_inclusion(const json_t *v, u64 *ret_size, u8 ret_root[HASH])
{
	u8 path[SZ_AUDIT_PROOF_MAX][HASH], leaf[HASH], said[HASH];
	const json_t *record = json_object_get(v, "record");
	u64 index;
	size_t n;

	if (!json_is_string(record) || !size_read(json_object_get(v, "leaf_index"), &index) ||
	    !size_read(json_object_get(v, "tree_size"), ret_size) ||
	    !hash_read(json_object_get(v, "leaf_hash"), said) ||
	    !hash_read(json_object_get(v, "root_hash"), ret_root) ||
	    !path_read(json_object_get(v, "audit_path"), path, &n))
		return "a member is missing or has another form";
	sz_audit_tree_leaf(json_string_value(record), json_string_length(record), leaf);
	if (memcmp(leaf, said, HASH))
		return "the record is not the one with this leaf_hash";
	return sz_audit_inclusion_ok(leaf, index, *ret_size, (const u8(*)[HASH])path, n, ret_root)
		       ? NULL
		       : "the audit path does not lead from the record to root_hash";
}

static const char *check_consistency(const json_t *v, u64 *ret_size, u8 ret_root[HASH])
{
	u8 path[SZ_AUDIT_PROOF_MAX][HASH], old[HASH];
	u64 from;
	size_t n;

	if (!size_read(json_object_get(v, "first"), &from) ||
	    !size_read(json_object_get(v, "second"), ret_size) ||
	    !hash_read(json_object_get(v, "first_root"), old) ||
	    !hash_read(json_object_get(v, "second_root"), ret_root) ||
	    !path_read(json_object_get(v, "consistency"), path, &n))
		return "a member is missing or has another form";
	return sz_audit_consistency_ok(from, old, *ret_size, ret_root, (const u8(*)[HASH])path, n)
		       ? NULL
		       : "the path does not lead from first_root to second_root";
}

static const char *check_checkpoint(const json_t *v, u64 size, const u8 root[HASH],
				    const struct sz_audit_vkey *key)
{
	const json_t *note = json_object_get(v, "checkpoint");
	struct sz_audit_checkpoint cp;

	if (!json_is_string(note))
		return key ? "there is no checkpoint in it" : NULL;
	if (sz_audit_checkpoint_parse(json_string_value(note), json_string_length(note), &cp) < 0)
		return "its checkpoint is none";
	if (cp.size != size || memcmp(cp.root, root, HASH))
		return "its checkpoint is of another tree";
	return key && !sz_audit_checkpoint_ok(&cp, key) ? "its checkpoint is not signed by this key"
							: NULL;
}

static int check(struct sz_ctl *c, const char *path)
{
	const char *key_arg = sz_ctl_value(&c->args, "key"), *kind, *wrong;
	struct sz_buf text = {0};
	struct sz_audit_vkey key;
	struct sz_error e;
	u8 root[HASH];
	json_t *v;
	u64 size;

	if (key_arg && sz_ctl_audit_key(key_arg, &key, &e))
		return sz_ctl_fail("%s", e.msg);
	if (sz_file_read(strcmp(path, "-") != 0 ? path : "/dev/stdin", PROOF_MAX, &text, &e))
		return sz_ctl_fail("%s", e.msg);
	v = sz_json_parse(text.data, text.len, &e);
	sz_buf_done(&text);
	if (!v)
		return sz_ctl_fail("%s: %s", path, e.msg);
	kind = json_string_value(json_object_get(v, "proof"));
	if (kind && !strcmp(kind, "inclusion"))
		wrong = check_inclusion(v, &size, root);
	else if (kind && !strcmp(kind, "consistency"))
		wrong = check_consistency(v, &size, root);
	else
		wrong = "\"proof\" is neither inclusion nor consistency";
	if (!wrong)
		wrong = check_checkpoint(v, size, root, key_arg ? &key : NULL);
	json_decref(v);
	if (c->json)
		sz_ctl_print_json(json_pack("{s:b, s:b, s:s?}", "ok", !wrong, "signed",
					    !wrong && key_arg, "error", wrong));
	else if (!wrong)
		printf("the proof holds%s\n",
		       key_arg ? ", and the key has signed where it leads to"
			       : "; who signed its checkpoint was not looked at: give --key");
	if (wrong)
		return c->json ? SZ_CTL_FAILED : sz_ctl_fail("%s: NO PROOF: %s", path, wrong);
	return SZ_CTL_OK;
}

int sz_ctl_cmd_audit_prove(struct sz_ctl *c)
{
	const char *record = sz_ctl_value(&c->args, "record"),
		   *size = sz_ctl_value(&c->args, "size");
	const char *from = sz_ctl_value(&c->args, "from"), *to = sz_ctl_value(&c->args, "to");
	const char *verify = sz_ctl_value(&c->args, "verify");
	u64 a = 0, b = 0;

	if (!!record + !!from + !!verify != 1)
		return sz_ctl_usage("audit prove needs one of --record, --from and --verify");
	if (verify)
		return check(c, verify);
	if ((record && to) || (from && size))
		return sz_ctl_usage("--size goes with --record, --to with --from");
	if (sz_ctl_parse_u64(record ? record : from, INT64_MAX, &a) ||
	    ((size || to) && sz_ctl_parse_u64(size ? size : to, INT64_MAX, &b)))
		return sz_ctl_usage("the number of a record or of records is needed");
	return record ? prove_record(c, a, b) : prove_growth(c, a, b);
}
