#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "fs.h"
#include "id.h"

struct place at;

const char *s3_url(const char *bucket, const char *more)
{
	static char url[512];

	snprintf(url, sizeof(url), "s3://%s?endpoint=%s&region=us-east-1&part_mib=5%s", bucket, endpoint, more);
	return url;
}

scp_status open_s3(scp_storage **st, const char *bucket, const char *more)
{
	return scp__storage_open(st, s3_url(bucket, more), NULL, &at.err);
}

void open_place(int adapter)
{
	char prefix[64] = "&prefix=t/";

	memset(&at, 0, sizeof(at));
	at.s3 = adapter == S3;
	if (at.s3) {
		ck_assert_int_eq(scp__id_random(prefix + strlen(prefix), 16, NULL), SCP_OK);
		snprintf(at.url, sizeof(at.url), "%s", s3_url("contract", prefix));
	} else {
		snprintf(at.folder, sizeof(at.folder), "/tmp/scp-contract-XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(at.folder));
		snprintf(at.url, sizeof(at.url), "file:%s?sync=off", at.folder);
	}
	assert_ok(scp__storage_open(&at.st, at.url, NULL, &at.err));
}

void close_place(void)
{
	scp__storage_close(at.st);
	if (at.folder[0])
		ck_assert_int_eq(scp__fs_remove_tree(open("/tmp", O_RDONLY | O_CLOEXEC), at.folder + 5), 0);
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

long rss_kib(void)
{
	char line[128];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmHWM:", 6))
			kib = strtol(line + 6, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}
