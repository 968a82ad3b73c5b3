/* What takes long: a large object, many keys. Memory stays bounded. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "suite.h"

static const struct storage_subject *const subjects[] = { &localfs_subject, &s3_subject };
static const char *const names[] = { "localfs", "s3" };

#define GIB (UINT64_C(1) << 30)
#define KEYS 10000
#define THREADS 8
#define ROOM_KIB (24 * 1024)

static double seconds_since(int64_t begin_us)
{
	return (double)(scp__mono_us() - begin_us) / 1e6;
}

START_TEST(a_gibibyte_goes_and_comes_in_bounded_memory)
{
	long before;
	int64_t begin;
	scp_object put;

	storage_subject = subjects[_i];
	open_place();
	before = rss_kib();
	begin = scp__mono_us();
	assert_ok(put_large(at.st, "big", GIB, 1 << 20, &put, &at.err));
	printf("%s: 1 GiB put in %.1f s\n", names[_i], seconds_since(begin));
	begin = scp__mono_us();
	assert_ok(check_large(at.st, "big", GIB, 1 << 20, &at.err));
	printf("%s: 1 GiB got in %.1f s, %ld KiB more memory\n", names[_i], seconds_since(begin), rss_kib() - before);
	ck_assert_int_lt(rss_kib() - before, ROOM_KIB);
	assert_ok(scp__storage_remove_prefix(at.st, "big", &at.err));
	close_place();
}
END_TEST

static atomic_int next_key, bad_keys;

static void name_key(char key[64], int i)
{
	snprintf(key, 64, i % 100 ? "many/file-%05d.txt" : "many/dir-%05d/leaf", i);
}

static void *put_some(void *arg)
{
	scp_put_options options = *PUT_OPTIONS(.unchecked = true);
	scp_object_writer *w;
	char key[64];
	int i;

	while ((i = atomic_fetch_add(&next_key, 1)) < KEYS) {
		name_key(key, i);
		if (scp__storage_put_open(at.st, key, &options, &w, NULL) ||
		    scp__storage_put_write(at.st, w, key, strlen(key), NULL) ||
		    scp__storage_put_commit(at.st, w, NULL, NULL))
			atomic_fetch_add(&bad_keys, 1);
		scp__storage_put_close(at.st, w);
	}
	return arg;
}

static scp_status count_in_order(void *user, const scp_object *object, scp_error *err)
{
	char *last = user;

	(void)err;
	ck_assert_msg(strcmp(last, object->key) < 0, "%s before %s", last, object->key);
	snprintf(last, 64, "%s", object->key);
	atomic_fetch_add(&next_key, 1);
	return SCP_OK;
}

static void assert_listed(bool recursive)
{
	char next[1401] = "", after[1401], last[64] = "";
	int64_t begin = scp__mono_us();
	int pages = 0;

	atomic_store(&next_key, 0);
	do {
		memcpy(after, next, sizeof(after));
		assert_ok(scp__storage_list(at.st, "many", after, LIST_OPTIONS(.recursive = recursive, .limit = 3000),
		    count_in_order, last, next, sizeof(next), &at.err));
		pages++;
	} while (next[0]);
	ck_assert_int_eq(atomic_load(&next_key), KEYS);
	ck_assert_int_eq(pages, 4);
	printf("%s: %s in %.2f s\n", names[storage_subject == &s3_subject],
	    recursive ? "all listed" : "one level listed", seconds_since(begin));
}

START_TEST(ten_thousand_keys_are_put_listed_and_removed)
{
	pthread_t threads[THREADS];
	int64_t begin = scp__mono_us();
	long before;

	storage_subject = subjects[_i];
	open_place();
	before = rss_kib();
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, put_some, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(atomic_load(&bad_keys), 0);
	printf("%s: %d keys put in %.1f s\n", names[_i], KEYS, seconds_since(begin));
	assert_listed(true);
	assert_listed(false);
	begin = scp__mono_us();
	assert_ok(scp__storage_remove_prefix(at.st, "many", &at.err));
	printf("%s: removed in %.1f s, %ld KiB more memory\n", names[storage_subject == &s3_subject],
	    seconds_since(begin), rss_kib() - before);
	ck_assert_int_lt(rss_kib() - before, ROOM_KIB);
	assert_list("many", "", LIST_OPTIONS(.recursive = true), "");
	close_place();
}
END_TEST

Suite *large_suite(void)
{
	Suite *suite = suite_create("storage contract: large");
	TCase *size = tcase_create("size"), *keys = tcase_create("keys");

	setlinebuf(stdout);
	tcase_set_timeout(size, 1000);
	tcase_add_loop_test(size, a_gibibyte_goes_and_comes_in_bounded_memory, 0, 2);
	suite_add_tcase(suite, size);
	tcase_set_timeout(keys, 1500);
	tcase_add_loop_test(keys, ten_thousand_keys_are_put_listed_and_removed, 0, 2);
	suite_add_tcase(suite, keys);
	return suite;
}
