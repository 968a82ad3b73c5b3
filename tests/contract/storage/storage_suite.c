#include "storage_suite.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"

const char *contract_case;
const struct storage_subject *storage_subject;
struct place at;

void open_place(void)
{
	memset(&at, 0, sizeof(at));
	assert_ok(storage_subject->open(&at.st, &at.err));
	ck_assert_ptr_nonnull(at.st);
}

void close_place(void)
{
	scp__storage_close(at.st);
	if (storage_subject->clean)
		storage_subject->clean();
}

void add_storage_suites(SRunner *runner)
{
	srunner_add_suite(runner, objects_suite());
	srunner_add_suite(runner, listings_suite());
	srunner_add_suite(runner, manners_suite());
}

void put(const char *key, const char *text)
{
	assert_ok(scp__storage_put_bytes(at.st, key, text, strlen(text), &at.err));
}

char *get(const char *key)
{
	void *data;
	size_t len;

	assert_ok(scp__storage_get_bytes(at.st, key, 1 << 20, &data, &len, &at.err));
	return data;
}

void assert_holds(const char *key, const char *text)
{
	char *found = get(key);

	ck_assert_str_eq(found, text);
	free(found);
}

static scp_status note(void *user, const scp_object *object, scp_error *err)
{
	(void)err;
	return scp__buf_printf(user, "%s%s\n", object->key, object->directory ? "/" : "");
}

char *list(const char *prefix, const char *after, const scp_list_options *options, char next[1401])
{
	scp__buf text;

	scp__buf_init(&text, 64 << 20);
	assert_ok(scp__storage_list(at.st, prefix, after, options, note, &text, next, 1401, &at.err));
	return scp__buf_detach(&text);
}

void assert_list(const char *prefix, const char *after, const scp_list_options *options, const char *wanted)
{
	char next[1401], *text = list(prefix, after, options, next);

	ck_assert_str_eq(text, wanted);
	free(text);
}

void fill(char *data, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (char)((offset + i) * 2654435761u >> 13);
}

scp_status put_large(scp_storage *st, const char *key, uint64_t size, size_t step, scp_object *out, scp_error *err)
{
	scp_object_writer *w = NULL;
	char *data = malloc(step);
	scp_status rc = scp__storage_put_open(st, key, NULL, &w, err);

	for (uint64_t done = 0; !rc && done < size; done += step) {
		size_t n = size - done < step ? (size_t)(size - done) : step;

		fill(data, n, done);
		rc = scp__storage_put_write(st, w, data, n, err);
	}
	if (!rc)
		rc = scp__storage_put_commit(st, w, out, err);
	if (!rc && out)
		out->key = NULL;
	scp__storage_put_close(st, w);
	free(data);
	return rc;
}

scp_status check_large(scp_storage *st, const char *key, uint64_t size, size_t step, scp_error *err)
{
	scp_object_reader *r = NULL;
	char *data = malloc(step), *wanted = malloc(step);
	size_t len = 1;
	uint64_t done = 0;
	scp_status rc = scp__storage_get_open(st, key, 0, 0, &r, NULL, err);

	for (; !rc && len; done += len) {
		rc = scp__storage_get_read(st, r, data, step, &len, err);
		fill(wanted, len, done);
		if (!rc)
			ck_assert_msg(!memcmp(data, wanted, len), "%s: other bytes below %llu", key,
			    (unsigned long long)(done + len));
	}
	if (!rc)
		ck_assert_uint_eq(done, size);
	scp__storage_get_close(st, r);
	free(data);
	free(wanted);
	return rc;
}
