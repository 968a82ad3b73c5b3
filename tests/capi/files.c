/* Files and transfers that never block. */
#include "capi.h"

#include <stdio.h>

#define BIG (3u << 20)

START_TEST(bytes_travel_both_ways)
{
	scp_session *s = make_session("shell-basic");
	scp_file *f = NULL;
	void *data = NULL;
	size_t len = 0;

	OK(scp_file_put_bytes(&f, plane, s->id, "a/b.csv", "x,y\n\0", 5, err));
	ck_assert_str_eq(f->path, "a/b.csv");
	ck_assert_uint_eq(f->size_bytes, 5);
	ck_assert_uint_eq(strlen(f->sha256), 64);
	scp_file_free(f);
	OK(scp_file_get_bytes(&data, &len, plane, s->id, "a/b.csv", 0, err));
	ck_assert_uint_eq(len, 5);
	ck_assert_mem_eq(data, "x,y\n\0", 6);
	free(data);
	ck_assert_int_eq(scp_file_get_bytes(&data, &len, plane, s->id, "a/b.csv", 4, NULL), SCP_ETOOBIG);
	ck_assert_int_eq(scp_file_get_bytes(&data, &len, plane, s->id, "none", 0, NULL), SCP_ENOTFOUND);
	scp_session_free(s);
}
END_TEST

struct sink {
	char text[64];
	uint64_t size, offset, length;
};

static scp_status sink_open(void *user, const scp_file *file, const scp_range *range, scp_error *err)
{
	struct sink *k = user;

	(void)err;
	k->size = file->size_bytes;
	k->offset = range->offset;
	k->length = range->length;
	return SCP_OK;
}

static scp_status sink_write(void *user, const void *data, size_t len, scp_error *err)
{
	struct sink *k = user;

	(void)err;
	strncat(k->text, data, len);
	return SCP_OK;
}

START_TEST(a_range_says_what_follows)
{
	scp_session *s = make_session("shell-basic");
	struct sink k = { 0 };
	scp_sink sink = { sink_write, &k, sink_open };
	scp_range range = { 3, 4 };

	OK(scp_file_put_bytes(NULL, plane, s->id, "f", "0123456789", 10, err));
	OK(scp_file_get(plane, s->id, "f", &range, &sink, err));
	ck_assert_str_eq(k.text, "3456");
	ck_assert_uint_eq(k.size, 10);
	ck_assert_uint_eq(k.offset, 3);
	ck_assert_uint_eq(k.length, 4);
	range.offset = 11;
	ck_assert_int_eq(scp_file_get(plane, s->id, "f", &range, &sink, NULL), SCP_EINVAL);
	scp_session_free(s);
}
END_TEST

START_TEST(lists_stat_and_delete_agree)
{
	scp_session *s = make_session("shell-basic");
	scp_execution *e = run(s->id, SCP_SHELL, "mkdir d; echo x >d/f; echo yy >a");
	scp_file_query query = SCP_FILE_QUERY_INIT;
	scp_file_page *page = NULL;
	scp_file *f = NULL;

	scp_execution_free(e);
	OK(scp_file_list(&page, plane, s->id, &query, err));
	ck_assert_uint_eq(page->total, 2);
	ck_assert_str_eq(page->items[0]->path, "a");
	ck_assert_int_eq(page->items[1]->type, SCP_DIRECTORY);
	scp_file_page_free(page);
	OK(scp_file_stat(&f, plane, s->id, "d/f", err));
	ck_assert_uint_eq(f->size_bytes, 2);
	scp_file_free(f);
	ck_assert_int_eq(scp_file_delete(plane, s->id, "d", NULL), SCP_ECONFLICT);
	OK(scp_file_delete(plane, s->id, "d/f", err));
	OK(scp_file_delete(plane, s->id, "d", err));
	ck_assert_int_eq(scp_file_stat(&f, plane, s->id, "d", NULL), SCP_ENOTFOUND);
	scp_session_free(s);
}
END_TEST

START_TEST(paths_that_lead_out_are_refused)
{
	static const char *const bad[] = { "", "/etc/passwd", "../x", "a/../../x", "a//b", ".", "a\nb" };
	scp_session *s = make_session("shell-basic");
	scp_file *f = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(scp_file_put_bytes(NULL, plane, s->id, bad[i], "x", 1, NULL), SCP_EINVAL);
		ck_assert_int_eq(scp_file_stat(&f, plane, s->id, bad[i], NULL), SCP_EINVAL);
	}
	scp_session_free(s);
}
END_TEST

static void on_ready(void *user)
{
	slot_done(user, SCP_OK, NULL, NULL);
}

/* Wait for the next `ready`, if the last answer was SCP_EAGAIN. */
static bool again(struct slot *slot, scp_status rc, unsigned *seen)
{
	if (rc != SCP_EAGAIN)
		return false;
	slot_await(slot, ++*seen);
	return true;
}

static void upload(const char *session, const char *data, size_t len)
{
	struct slot slot = SLOT_INIT;
	unsigned seen = 0;
	scp_upload *up = NULL;
	scp_file *f = NULL;
	scp_status rc;

	OK(scp_upload_open(&up, plane, session, "big", on_ready, &slot, err));
	for (size_t at = 0; at < len;) {
		size_t taken = 0;

		rc = scp_upload_write(up, data + at, len - at, &taken, NULL);
		at += taken;
		if (!again(&slot, rc, &seen))
			ck_assert_int_eq(rc, SCP_OK);
	}
	while (again(&slot, rc = scp_upload_commit(up, &f, NULL), &seen))
		;
	ck_assert_int_eq(rc, SCP_OK);
	ck_assert_uint_eq(f->size_bytes, len);
	scp_file_free(f);
	scp_upload_abort(up);
}

static size_t download(const char *session, char *data, size_t capacity)
{
	struct slot slot = SLOT_INIT;
	unsigned seen = 0;
	scp_download *down = NULL;
	const scp_file *f = NULL;
	size_t at = 0, len = 1;
	scp_status rc;

	OK(scp_download_open(&down, plane, session, "big", NULL, on_ready, &slot, err));
	while (again(&slot, rc = scp_download_file(down, &f, NULL), &seen))
		;
	ck_assert_int_eq(rc, SCP_OK);
	ck_assert_uint_eq(f->size_bytes, capacity);
	while (len) {
		rc = scp_download_read(down, data + at, capacity - at + 1, &len, NULL);
		if (again(&slot, rc, &seen)) {
			len = 1;
			continue;
		}
		ck_assert_int_eq(rc, SCP_OK);
		at += len;
	}
	scp_download_close(down);
	return at;
}

START_TEST(transfers_that_never_block_carry_every_byte)
{
	scp_session *s = make_session("shell-basic");
	char *data = malloc(BIG), *back = malloc(BIG + 1);

	ck_assert(data && back);
	for (size_t i = 0; i < BIG; i++)
		data[i] = (char)(i * 2654435761u >> 13);
	upload(s->id, data, BIG);
	ck_assert_uint_eq(download(s->id, back, BIG), BIG);
	ck_assert_mem_eq(data, back, BIG);
	free(data);
	free(back);
	scp_session_free(s);
}
END_TEST

START_TEST(an_aborted_upload_leaves_nothing)
{
	scp_session *s = make_session("shell-basic");
	struct slot slot = SLOT_INIT;
	scp_upload *up = NULL;
	scp_file_page *page = NULL;
	size_t taken;

	OK(scp_upload_open(&up, plane, s->id, "half", on_ready, &slot, err));
	(void)scp_upload_write(up, "some", 4, &taken, NULL);
	scp_upload_abort(up);
	OK(scp_file_list(&page, plane, s->id, NULL, err));
	ck_assert_uint_eq(page->total, 0);
	scp_file_page_free(page);
	scp_session_free(s);
}
END_TEST

Suite *suite_files(void)
{
	Suite *s = suite_create("files");
	TCase *t = tcase_create("files");

	tcase_add_checked_fixture(t, open_plane, close_plane);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, bytes_travel_both_ways);
	tcase_add_test(t, a_range_says_what_follows);
	tcase_add_test(t, lists_stat_and_delete_agree);
	tcase_add_test(t, paths_that_lead_out_are_refused);
	tcase_add_test(t, transfers_that_never_block_carry_every_byte);
	tcase_add_test(t, an_aborted_upload_leaves_nothing);
	suite_add_tcase(s, t);
	return s;
}
