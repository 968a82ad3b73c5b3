/* What needs no container: the port itself, names, URLs. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "oci.h"

static const char *no_name(scp_runtime *r)
{
	(void)r;
	return "x";
}

START_TEST(an_incomplete_vtable_is_refused_by_the_name_of_what_is_missing)
{
	const scp_runtime_ops ops = { .struct_size = sizeof(ops), .type = "mine", .node_name = no_name };
	scp_runtime mine = { &ops };
	scp_error err = { 0 };

	ck_assert_int_eq(scp__runtime_check(&mine, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "workspace_uid"));
}
END_TEST

START_TEST(a_missing_optional_operation_is_not_supported)
{
	const scp_runtime_ops ops = { .struct_size = sizeof(ops), .type = "mine" };
	scp_runtime mine = { &ops };
	scp_runtime_stats stats;
	char text[8];

	ck_assert_int_eq(scp__runtime_stats(&mine, "x", &stats, NULL), SCP_ENOTSUP);
	ck_assert_int_eq(scp__runtime_logs(&mine, "x", 1, text, sizeof(text), NULL), SCP_ENOTSUP);
	ck_assert_int_eq(scp__runtime_image_prepare(&mine, "x", NULL, 0, NULL), SCP_ENOTSUP);
}
END_TEST

START_TEST(an_unknown_scheme_is_refused)
{
	scp__runtime_options options = { .state_dir = "/nonexistent" };
	scp_runtime *r = NULL;

	ck_assert_int_eq(scp__runtime_open(&r, "lxc:", &options, NULL), SCP_EINVAL);
	ck_assert_ptr_null(r);
}
END_TEST

START_TEST(names_that_could_be_paths_are_no_names)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "-a", "A", "a b", "a\n",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!scp__oci_name_valid(bad[i]), "%s", bad[i]);
	ck_assert(scp__oci_name_valid("scp-0123456789abcdefghij"));
}
END_TEST

START_TEST(the_seccomp_profile_is_json_and_refuses_by_default)
{
	char *text = scp__oci_seccomp_json();
	scp__json *json = NULL;

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(scp__json_parse(&json, text, strlen(text), "profile", NULL), SCP_OK);
	ck_assert_str_eq(scp__json_string(scp__json_get(json, "defaultAction")), "SCMP_ACT_ERRNO");
	scp__json_free(json);
	free(text);
}
END_TEST

Suite *units_suite(void)
{
	Suite *s = suite_create("runtime units");
	TCase *t = tcase_create("units");

	tcase_add_test(t, an_incomplete_vtable_is_refused_by_the_name_of_what_is_missing);
	tcase_add_test(t, a_missing_optional_operation_is_not_supported);
	tcase_add_test(t, an_unknown_scheme_is_refused);
	tcase_add_test(t, names_that_could_be_paths_are_no_names);
	tcase_add_test(t, the_seccomp_profile_is_json_and_refuses_by_default);
	suite_add_tcase(s, t);
	return s;
}
