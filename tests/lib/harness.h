/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The test harness: one C file is one test program; TEST(name) registers a test, main() is here.
 * Output is TAP 14 with a plan. A test that made no assertion fails. EXPECT_* record a failure and
 * go on, ASSERT_* end the test. Both print what was expected and what was found.
 */
#ifndef SZ_TESTS_HARNESS_H
#define SZ_TESTS_HARNESS_H

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*fn)(void);
	struct test_case *next;
};

static struct test_case *test_first;
static struct test_case **test_last __attribute__((unused)) = &test_first;
static int test_asserted, test_failed;
static const char *test_skip;
static jmp_buf test_exit;

#define TEST(name)                                                                                 \
	static void test_##name(void);                                                             \
	static struct test_case test_case_##name = {#name, test_##name, NULL};                     \
	__attribute__((constructor)) static void test_add_##name(void)                             \
	{                                                                                          \
		*test_last = &test_case_##name;                                                    \
		test_last = &test_case_##name.next;                                                \
	}                                                                                          \
	static void test_##name(void)

/* Ends the test as skipped, with the reason a person can act on. */
#define SKIP(why)                                                                                  \
	do {                                                                                       \
		test_skip = (why);                                                                 \
		longjmp(test_exit, 1);                                                             \
	} while (0)

#define TEST_FAIL_(fmt, ...)                                                                       \
	do {                                                                                       \
		test_failed++;                                                                     \
		printf("# %s:%d: " fmt "\n", __FILE__, __LINE__, __VA_ARGS__);                     \
	} while (0)

#define EXPECT_TRUE(x)                                                                             \
	({                                                                                         \
		bool ok_ = (x);                                                                    \
		test_asserted++;                                                                   \
		if (!ok_)                                                                          \
			TEST_FAIL_("expected %s", #x);                                             \
		ok_;                                                                               \
	})
#define EXPECT_EQ(actual, expected)                                                                \
	({                                                                                         \
		long long a_ = (long long)(actual), e_ = (long long)(expected);                    \
		test_asserted++;                                                                   \
		if (a_ != e_)                                                                      \
			TEST_FAIL_("%s is %lld (0x%llx), expected %s = %lld (0x%llx)", #actual,    \
				   a_, (unsigned long long)a_, #expected, e_,                      \
				   (unsigned long long)e_);                                        \
		a_ == e_;                                                                          \
	})
#define EXPECT_STREQ(actual, expected)                                                             \
	({                                                                                         \
		const char *a_ = (actual), *e_ = (expected);                                       \
		bool ok_ = a_ && e_ && !strcmp(a_, e_);                                            \
		test_asserted++;                                                                   \
		if (!ok_)                                                                          \
			TEST_FAIL_("%s is \"%s\", expected \"%s\"", #actual, a_ ? a_ : "(null)",   \
				   e_ ? e_ : "(null)");                                            \
		ok_;                                                                               \
	})
#define EXPECT_CONTAINS(actual, part)                                                              \
	({                                                                                         \
		const char *a_ = (actual), *p_ = (part);                                           \
		bool ok_ = a_ && strstr(a_, p_);                                                   \
		test_asserted++;                                                                   \
		if (!ok_)                                                                          \
			TEST_FAIL_("%s is \"%s\", expected it to contain \"%s\"", #actual,         \
				   a_ ? a_ : "(null)", p_);                                        \
		ok_;                                                                               \
	})
#define EXPECT_MEMEQ(actual, expected, n)                                                          \
	({                                                                                         \
		const unsigned char *a_ = (const void *)(actual), *e_ = (const void *)(expected);  \
		size_t n_ = (n), i_ = 0;                                                           \
		test_asserted++;                                                                   \
		while (i_ < n_ && a_[i_] == e_[i_])                                                \
			i_++;                                                                      \
		if (i_ < n_)                                                                       \
			TEST_FAIL_("%s differs from %s at byte %zu: %02x, expected %02x", #actual, \
				   #expected, i_, a_[i_], e_[i_]);                                 \
		i_ == n_;                                                                          \
	})
#define ASSERT_(e)                                                                                 \
	do {                                                                                       \
		if (!(e))                                                                          \
			longjmp(test_exit, 1);                                                     \
	} while (0)
#define ASSERT_TRUE(x)        ASSERT_(EXPECT_TRUE(x))
#define ASSERT_EQ(a, e)       ASSERT_(EXPECT_EQ(a, e))
#define ASSERT_STREQ(a, e)    ASSERT_(EXPECT_STREQ(a, e))
#define ASSERT_MEMEQ(a, e, n) ASSERT_(EXPECT_MEMEQ(a, e, n))

/* A frame of its own, so that longjmp clobbers nothing of main(). */
__attribute__((noinline, unused)) static void test_run(void (*fn)(void))
{
	if (!setjmp(test_exit))
		fn();
}

#ifndef HARNESS_NO_MAIN /* a program of another kind that uses the scenes */
int main(int argc, char **argv)
{
	struct test_case *t;
	int n = 0, i = 0, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (t = test_first; t; t = t->next)
		if (argc < 2 || strstr(t->name, argv[1]))
			n++;
	printf("TAP version 14\n1..%d\n", n);
	for (t = test_first; t; t = t->next) {
		if (argc > 1 && !strstr(t->name, argv[1]))
			continue;
		test_asserted = test_failed = 0;
		test_skip = NULL;
		test_run(t->fn);
		if (!test_skip && !test_asserted)
			TEST_FAIL_("%s made no assertion", t->name);
		if (test_failed)
			test_skip = NULL;
		bad += test_failed > 0;
		printf("%sok %d - %s%s%s\n", test_failed ? "not " : "", ++i, t->name,
		       test_skip ? " # SKIP " : "", test_skip ? test_skip : "");
	}
	return bad || !n;
}
#endif

#endif
