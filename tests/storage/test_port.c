#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fixture.h"

START_TEST(a_backend_without_an_operation_is_refused_by_name)
{
	scp_storage_ops ops = *fx.st->ops;
	scp_storage mine = { &ops };

	assert_ok(scp__storage_check(&mine, &fx.err));
	ops.list = NULL;
	assert_status(scp__storage_check(&mine, &fx.err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(fx.err.message, "list"));
}
END_TEST

START_TEST(an_older_table_of_operations_is_refused)
{
	scp_storage_ops ops = *fx.st->ops;
	scp_storage mine = { &ops };

	ops.struct_size = 16;
	assert_status(scp__storage_check(&mine, &fx.err), SCP_EINVAL);
}
END_TEST

START_TEST(what_a_backend_lacks_is_not_supported)
{
	char *url;

	assert_status(scp__storage_presign(fx.st, "a", "GET", 60, &url, &fx.err), SCP_ENOTSUP);
	ck_assert_ptr_null(url);
}
END_TEST

static const char *const bad_keys[] = { "", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../x", "a/../b", "a/..",
	"a/./b", "a\nb", "a\x7f", "\xff", "a/\xc0\xaf" };

START_TEST(a_key_that_is_none_never_reaches_a_backend)
{
	const char *key = bad_keys[_i];
	scp_object_writer *w;
	scp_object_reader *r;
	scp_object object;
	char *path;

	assert_status(scp__storage_put_open(fx.st, key, NULL, &w, &fx.err), SCP_EINVAL);
	assert_status(scp__storage_get_open(fx.st, key, 0, 0, &r, &object, &fx.err), SCP_EINVAL);
	assert_status(scp__storage_stat(fx.st, key, &object, &fx.err), SCP_EINVAL);
	assert_status(scp__storage_remove(fx.st, key, &fx.err), SCP_EINVAL);
	assert_status(scp__storage_remove_prefix(fx.st, key, &fx.err), SCP_EINVAL);
	assert_status(scp__storage_local_folder(fx.st, key, -1, -1, &path, &fx.err), SCP_EINVAL);
}
END_TEST

START_TEST(a_key_may_have_1400_bytes_and_no_more)
{
	char key[1402];
	scp_object object;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = i % 200 == 199 ? '/' : 'k';
	key[1401] = '\0';
	assert_status(scp__storage_stat(fx.st, key, &object, &fx.err), SCP_EINVAL);
	key[1400] = '\0';
	key[1399] = 'k';
	put(key, "deep");
	assert_ok(scp__storage_stat(fx.st, key, &object, &fx.err));
}
END_TEST

START_TEST(an_unknown_scheme_names_those_there_are)
{
	scp_storage *st;

	assert_status(scp__storage_open(&st, "ftp://x", NULL, &fx.err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(fx.err.message, "file:"));
	assert_status(scp__storage_open(&st, "file:relative", NULL, &fx.err), SCP_EINVAL);
	assert_status(scp__storage_open(&st, "file:/tmp/x?what=1", NULL, &fx.err), SCP_EINVAL);
	ck_assert_ptr_null(st);
}
END_TEST

START_TEST(small_objects_go_in_one_call_and_are_bounded)
{
	void *data;
	size_t len;

	put("executions/e/stdout", "0123456789");
	assert_ok(scp__storage_get_bytes(fx.st, "executions/e/stdout", 10, &data, &len, &fx.err));
	ck_assert_uint_eq(len, 10);
	ck_assert_mem_eq(data, "0123456789", 10);
	free(data);
	assert_status(scp__storage_get_bytes(fx.st, "executions/e/stdout", 9, &data, &len, &fx.err), SCP_ETOOBIG);
	ck_assert_ptr_null(data);
}
END_TEST

START_TEST(nothing_to_close_is_fine)
{
	scp__storage_put_close(fx.st, NULL);
	scp__storage_get_close(fx.st, NULL);
	scp__storage_close(NULL);
}
END_TEST

Suite *port_suite(void)
{
	Suite *suite = suite_create("storage port");
	TCase *tc = tcase_create("port");

	tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
	tcase_add_test(tc, a_backend_without_an_operation_is_refused_by_name);
	tcase_add_test(tc, an_older_table_of_operations_is_refused);
	tcase_add_test(tc, what_a_backend_lacks_is_not_supported);
	tcase_add_loop_test(tc, a_key_that_is_none_never_reaches_a_backend, 0, sizeof(bad_keys) / sizeof(bad_keys[0]));
	tcase_add_test(tc, a_key_may_have_1400_bytes_and_no_more);
	tcase_add_test(tc, an_unknown_scheme_names_those_there_are);
	tcase_add_test(tc, small_objects_go_in_one_call_and_are_bounded);
	tcase_add_test(tc, nothing_to_close_is_fine);
	suite_add_tcase(suite, tc);
	return suite;
}
