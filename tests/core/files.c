/* Files and transfers that never block. */
#include <stdio.h>

#include "fake.h"

static char sid[64];

static void setup_files(void)
{
	setup();
	open_plane();
	(void)snprintf(sid, sizeof(sid), "%s", make_session(SCP_PERSISTENT));
}

/* ---- a transfer's host ---- */

struct host {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned calls, seen;
};

static void host_init(struct host *h)
{
	memset(h, 0, sizeof(*h));
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_cond_init(&h->changed, NULL);
}

static void on_ready(void *user)
{
	struct host *h = user;

	(void)pthread_mutex_lock(&h->lock);
	h->calls++;
	(void)pthread_cond_broadcast(&h->changed);
	(void)pthread_mutex_unlock(&h->lock);
}

static void await_ready(struct host *h)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += AWAIT_MS / 1000;
	(void)pthread_mutex_lock(&h->lock);
	while (h->calls == h->seen)
		ck_assert_msg(!pthread_cond_timedwait(&h->changed, &h->lock, &until), "nobody calls ready");
	h->seen = h->calls;
	(void)pthread_mutex_unlock(&h->lock);
}

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 13);
}

static void upload(const char *path, size_t len, size_t step)
{
	unsigned char *data = malloc(len);
	scp_upload *u = NULL;
	scp_file *file = NULL;
	struct host h;
	scp_status rc;
	size_t taken;

	for (size_t i = 0; i < len; i++)
		data[i] = byte_at(i);
	host_init(&h);
	OK(scp_upload_open(&u, plane, sid, path, on_ready, &h, err));
	for (size_t at = 0; at < len; at += taken) {
		rc = scp_upload_write(u, data + at, len - at < step ? len - at : step, &taken, NULL);
		ck_assert(rc == SCP_OK || rc == SCP_EAGAIN);
		if (rc == SCP_EAGAIN)
			await_ready(&h);
	}
	while ((rc = scp_upload_commit(u, &file, NULL)) == SCP_EAGAIN)
		await_ready(&h);
	ck_assert_int_eq(rc, SCP_OK);
	ck_assert_uint_eq(file->size_bytes, len);
	ck_assert_uint_eq(strlen(file->sha256), 64);
	scp_file_free(file);
	scp_upload_abort(u);
	free(data);
}

static size_t download(const char *path, const scp_range *range, size_t from, size_t step)
{
	unsigned char *data = malloc(step);
	scp_download *d = NULL;
	struct host h;
	scp_status rc;
	size_t len, total = 0, wrong = 0;

	host_init(&h);
	OK(scp_download_open(&d, plane, sid, path, range, on_ready, &h, err));
	for (;;) {
		rc = scp_download_read(d, data, step, &len, NULL);
		ck_assert(rc == SCP_OK || rc == SCP_EAGAIN);
		if (rc == SCP_EAGAIN) {
			await_ready(&h);
			continue;
		}
		if (!len)
			break;
		for (size_t i = 0; i < len; i++)
			wrong += data[i] != byte_at(from + total + i);
		total += len;
	}
	scp_download_close(d);
	free(data);
	ck_assert_uint_eq(wrong, 0);
	return total;
}

START_TEST(a_transfer_moves_every_byte_with_backpressure)
{
	static const scp_range part = { 1000, 300000 };

	upload("dir/big", 3u << 20, 100000);
	upload("small", 10, 3);
	upload("ring", 256 << 10, 256 << 10);
	ck_assert_uint_eq(download("dir/big", NULL, 0, 8192), 3u << 20);
	ck_assert_uint_eq(download("dir/big", &part, 1000, 1 << 20), 300000);
	ck_assert_uint_eq(download("small", NULL, 0, 3), 10);
}
END_TEST

/* The job ends while the host writes: whoever was late must not be forgotten. */
START_TEST(transfers_in_small_steps_never_hang)
{
	for (int i = 0; i < 20; i++) {
		upload("steps", 1 << 20, 1 << 20);
		ck_assert_uint_eq(download("steps", NULL, 0, 64 << 10), 1 << 20);
	}
}
END_TEST

START_TEST(an_aborted_upload_leaves_nothing)
{
	scp_upload *u = NULL;
	scp_file *file = NULL;
	size_t taken;

	OK(scp_upload_open(&u, plane, sid, "gone", NULL, NULL, err));
	OK(scp_upload_write(u, "abc", 3, &taken, err));
	ck_assert_uint_eq(taken, 3);
	scp_upload_abort(u);
	ck_assert_int_eq(scp_file_stat(&file, plane, sid, "gone", NULL), SCP_ENOTFOUND);
	scp_upload_abort(NULL);
	scp_download_close(NULL);
}
END_TEST

START_TEST(a_transfer_says_what_is_wrong)
{
	scp_download *d = NULL;
	scp_upload *u = NULL;
	const scp_file *file;
	struct host h;
	scp_error err = { 0 };
	size_t n;
	scp_status rc;

	host_init(&h);
	ck_assert_int_eq(scp_download_open(&d, plane, sid, "../x", NULL, on_ready, &h, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp_download_open(&d, plane, sid, "none", NULL, on_ready, &h, NULL), SCP_OK);
	while ((rc = scp_download_file(d, &file, &err)) == SCP_EAGAIN)
		await_ready(&h);
	ck_assert_int_eq(rc, SCP_ENOTFOUND);
	ck_assert_str_eq(err.code, "FileNotFound");
	ck_assert_int_eq(scp_download_read(d, &n, 1, &n, NULL), SCP_ENOTFOUND);
	scp_download_close(d);
	ck_assert_int_eq(scp_upload_open(&u, plane, "sess_0000000000000000", "x", on_ready, &h, NULL), SCP_OK);
	ck_assert_int_eq(scp_upload_commit(u, NULL, NULL), SCP_EAGAIN);
	await_ready(&h);
	ck_assert_int_eq(scp_upload_commit(u, NULL, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp_upload_write(u, "x", 1, &n, NULL), SCP_ENOTFOUND);
	scp_upload_abort(u);
}
END_TEST

START_TEST(transfers_end_with_their_plane_and_may_be_closed_after_it)
{
	scp_upload *u = NULL;
	scp_download *d = NULL, *late = NULL;
	struct host h;
	size_t n;
	char bytes[16];

	upload("big", 2u << 20, 1 << 20);
	host_init(&h);
	OK(scp_upload_open(&u, plane, sid, "open", on_ready, &h, err));
	OK(scp_upload_write(u, "abc", 3, &n, err));
	OK(scp_download_open(&d, plane, sid, "big", NULL, on_ready, &h, err));
	await_ready(&h);
	OK(scp_download_open(&late, plane, sid, "big", NULL, NULL, NULL, err));
	scp_plane_close(plane);
	plane = NULL;
	ck_assert_int_eq(scp_upload_write(u, "abc", 3, &n, NULL), SCP_ECLOSED);
	ck_assert_int_eq(scp_upload_commit(u, NULL, NULL), SCP_ECLOSED);
	while (!scp_download_read(d, bytes, sizeof(bytes), &n, NULL))
		ck_assert_uint_gt(n, 0);
	ck_assert_int_eq(scp_download_read(d, bytes, sizeof(bytes), &n, NULL), SCP_ECLOSED);
	scp_upload_abort(u);
	scp_download_close(d);
	scp_download_close(late);
}
END_TEST

START_TEST(files_are_written_read_listed_and_deleted)
{
	scp_file *file = NULL;
	scp_file_query q = SCP_FILE_QUERY_INIT;
	scp_file_page *page = NULL;
	void *data = NULL;
	size_t len;
	char *url = NULL, local[128];

	OK(scp_file_put_bytes(&file, plane, sid, "a/b.txt", "hello", 5, err));
	ck_assert_str_eq(file->mime_type, "text/plain");
	scp_file_free(file);
	OK(scp_file_get_bytes(&data, &len, plane, sid, "a/b.txt", 0, err));
	ck_assert_uint_eq(len, 5);
	ck_assert_str_eq(data, "hello");
	free(data);
	ck_assert_int_eq(scp_file_get_bytes(&data, &len, plane, sid, "a/b.txt", 4, NULL), SCP_ETOOBIG);
	(void)snprintf(local, sizeof(local), "%s/local", state_dir);
	OK(scp_file_get_path(plane, sid, "a/b.txt", local, err));
	OK(scp_file_put_path(NULL, plane, sid, "c", local, err));
	OK(scp_file_stat(&file, plane, sid, "c", err));
	ck_assert_uint_eq(file->size_bytes, 5);
	scp_file_free(file);
	q.recursive = true;
	q.limit = 1;
	OK(scp_file_list(&page, plane, sid, &q, err));
	ck_assert_uint_eq(page->count, 1);
	ck_assert_uint_ge(page->total, 2);
	ck_assert_str_eq(page->next, "1");
	scp_file_page_free(page);
	ck_assert_int_eq(scp_file_link(&url, plane, sid, "c", 10, NULL), SCP_ENOTSUP);
	ck_assert_int_eq(scp_file_link(&url, plane, sid, "c", 3601, NULL), SCP_EINVAL);
	OK(scp_file_delete(plane, sid, "c", err));
	ck_assert_int_eq(scp_file_delete(plane, sid, "c", NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp_file_stat(&file, plane, "sess_0000000000000000", "c", NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp_file_put_path(NULL, plane, sid, "c", "/none", NULL), SCP_ENOTFOUND);
}
END_TEST

static void on_done(void *user, scp_status status, void *result, const scp_error *err)
{
	(void)err;
	ck_assert_int_eq(status, SCP_OK);
	scp_file_free(result);
	on_ready(user);
}

static void on_page(void *user, scp_status status, void *result, const scp_error *err)
{
	(void)err;
	ck_assert_int_eq(status, SCP_OK);
	scp_file_page_free(result);
	on_ready(user);
}

static scp_status give_once(void *user, void *data, size_t capacity, size_t *len, scp_error *err)
{
	bool *given = user;

	(void)err;
	(void)capacity;
	*len = *given ? 0 : 3;
	memcpy(data, "xyz", *len);
	*given = true;
	return SCP_OK;
}

static scp_status swallow(void *user, const void *data, size_t len, scp_error *err)
{
	(void)data;
	(void)err;
	*(size_t *)user += len;
	return SCP_OK;
}

START_TEST(file_twins_do_the_same)
{
	struct host h;
	bool given = false;
	size_t read = 0;
	scp_source source = { give_once, &given };
	scp_sink sink = { swallow, &read, NULL };

	host_init(&h);
	OK(scp_file_put_async(NULL, plane, sid, "f", &source, on_done, &h, err));
	await_ready(&h);
	OK(scp_file_stat_async(NULL, plane, sid, "f", on_done, &h, err));
	await_ready(&h);
	OK(scp_file_get_async(NULL, plane, sid, "f", NULL, &sink, on_done, &h, err));
	await_ready(&h);
	ck_assert_uint_eq(read, 3);
	OK(scp_file_list_async(NULL, plane, sid, NULL, on_page, &h, err));
	await_ready(&h);
	OK(scp_file_delete_async(NULL, plane, sid, "f", on_done, &h, err));
	await_ready(&h);
}
END_TEST

Suite *suite_files(void)
{
	Suite *s = suite_create("files");
	TCase *c = tcase_create("files");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, setup_files, teardown);
	tcase_add_test(c, a_transfer_moves_every_byte_with_backpressure);
	tcase_add_test(c, transfers_in_small_steps_never_hang);
	tcase_add_test(c, an_aborted_upload_leaves_nothing);
	tcase_add_test(c, a_transfer_says_what_is_wrong);
	tcase_add_test(c, transfers_end_with_their_plane_and_may_be_closed_after_it);
	tcase_add_test(c, files_are_written_read_listed_and_deleted);
	tcase_add_test(c, file_twins_do_the_same);
	suite_add_tcase(s, c);
	return s;
}
