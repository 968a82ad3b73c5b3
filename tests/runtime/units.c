/* What needs no container: the port itself, names, URLs. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
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

START_TEST(a_range_of_ids_is_the_user_s_own_and_large_enough)
{
	char path[] = "/tmp/scp-subuid-XXXXXX", number[16];
	uint32_t base = 7, count = 7;
	int fd = mkstemp(path);

	ck_assert_int_gt(dprintf(fd,
			     "some:100000:65536\nsomebody:1:65536\nsomebody:200000:1\nsomebody:300000:2000\n"
			     "%u:400000:10\nbroken\nhuge:4294960000:65536\n",
			     (unsigned)geteuid()),
	    0);
	close(fd);
	ck_assert(scp__oci_subids(path, "somebody", 2, &base, &count));
	ck_assert_uint_eq(base, 300000);
	ck_assert_uint_eq(count, 2000);
	ck_assert(!scp__oci_subids(path, "some body", 64, &base, &count));
	ck_assert(!scp__oci_subids(path, "huge", 64, &base, &count));
	(void)snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	ck_assert(scp__oci_subids(path, "nobody else", 2, &base, &count));
	ck_assert_uint_eq(base, 400000);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(!scp__oci_subids(path, "somebody", 2, &base, &count));
}
END_TEST

static scp__json *config_of(const scp__oci_cgroups *cgroups, const scp__oci_binds *binds)
{
	scp_runtime_spec spec = guest_spec("scp-unit");
	scp__oci_config config = { .spec = &spec,
		.root = "/r",
		.ids = { { 5, 6 }, { 7, 8 } },
		.binds = binds,
		.cgroups = cgroups,
		.seccomp = "{}" };
	char path[] = "/tmp/scp-config-XXXXXX", file[64], *text = NULL;
	scp__json *json = NULL;
	size_t len;
	int dir;

	ck_assert_ptr_nonnull(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(scp__oci_config_write(dir, &config, NULL), SCP_OK);
	ck_assert(!scp__fs_read_file(dir, "config.json", 1 << 20, &text, &len));
	ck_assert_int_eq(scp__json_parse(&json, text, len, "config", NULL), SCP_OK);
	free(text);
	close(dir);
	(void)snprintf(file, sizeof(file), "%s/config.json", path);
	ck_assert(!unlink(file) && !rmdir(path));
	return json;
}

START_TEST(a_user_s_sandbox_asks_systemd_for_what_it_can_give)
{
	scp__oci_cgroups c = { .kind = SCP__OCI_CGROUPS_SCOPES,
		.parent = "/user@5.service/app.slice",
		.prefix = "sandboxcp-x-",
		.offered = SCP__OCI_HAS_MEMORY | SCP__OCI_HAS_PROCESSES };
	scp__json *json = config_of(&c, NULL);
	const scp__json *os = scp__json_get(json, "linux"), *resources = scp__json_get(os, "resources");

	ck_assert_str_eq(scp__json_string(scp__json_get(os, "cgroupsPath")), "app.slice:sandboxcp-x:scp-unit");
	ck_assert_ptr_nonnull(scp__json_get(resources, "memory"));
	ck_assert_ptr_nonnull(scp__json_get(resources, "pids"));
	ck_assert_ptr_null(scp__json_get(resources, "cpu"));
	ck_assert_ptr_nonnull(scp__json_get(json, "annotations"));
	scp__json_free(json);
	c = (scp__oci_cgroups){ .kind = SCP__OCI_CGROUPS_NONE };
	json = config_of(&c, NULL);
	os = scp__json_get(json, "linux");
	ck_assert(!scp__json_get(os, "cgroupsPath") && !scp__json_get(os, "resources"));
	scp__json_free(json);
}
END_TEST

START_TEST(a_bind_is_read_only_unless_it_may_be_written)
{
	static const struct {
		const char *source, *target, *last;
		bool writable;
	} wanted[] = { { "/usr", "/usr", "rro", false }, { "/etc/passwd", "/.sandbox/executor", "ro", false },
		{ "/tmp", "/workspace", "rnodev", true } };
	scp__oci_cgroups c = { .kind = SCP__OCI_CGROUPS_NONE };
	scp__oci_binds *b = calloc(1, sizeof(*b));
	scp__json *json;

	b->arena = scp__arena_new();
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(
		    scp__oci_binds_add(b, wanted[i].source, wanted[i].target, wanted[i].writable, NULL), SCP_OK);
	json = config_of(&c, b);
	for (size_t i = 0; i < 3; i++) {
		const scp__json *row = scp__json_at(scp__json_get(json, "mounts"), 4 + i);
		const scp__json *options = scp__json_get(row, "options");

		ck_assert_str_eq(scp__json_string(scp__json_get(row, "source")), wanted[i].source);
		ck_assert_str_eq(scp__json_string(scp__json_get(row, "destination")), wanted[i].target);
		ck_assert_str_eq(scp__json_string(scp__json_at(options, scp__json_size(options) - 1)), wanted[i].last);
	}
	scp__json_free(json);
	while (b->count < SCP__OCI_BINDS_MAX)
		ck_assert_int_eq(scp__oci_binds_add(b, "/usr", "/x", false, NULL), SCP_OK);
	ck_assert_int_eq(scp__oci_binds_add(b, "/usr", "/x", false, NULL), SCP_ENOTSUP);
	scp__arena_free(b->arena);
	free(b);
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
	tcase_add_test(t, a_range_of_ids_is_the_user_s_own_and_large_enough);
	tcase_add_test(t, a_user_s_sandbox_asks_systemd_for_what_it_can_give);
	tcase_add_test(t, a_bind_is_read_only_unless_it_may_be_written);
	suite_add_tcase(s, t);
	return s;
}
