/* Templates that change, through the C API. */
#include <stdio.h>

#include "capi.h"

static scp_template_spec a_spec(const char *id)
{
	scp_template_spec spec = SCP_TEMPLATE_SPEC_INIT;

	spec.id = spec.name = id;
	spec.image = "host:";
	return spec;
}

static void refused(const scp_template_spec *spec, scp_status status, const char *says)
{
	scp_template *t = NULL;
	scp_error err = { 0 };
	scp_status rc = scp_template_create(&t, plane, spec, &err);

	ck_assert_msg(
	    rc == status, "%s: %s: %s (image %s)", says, scp_status_name(rc), err.message, spec ? spec->image : "-");
	ck_assert_msg(strstr(err.message, says) != NULL, "%s: %s", says, err.message);
	ck_assert_ptr_null(t);
	if (spec && spec->id)
		ck_assert_int_eq(scp_template_get(&t, plane, spec->id, NULL), SCP_ENOTFOUND);
}

START_TEST(what_a_spec_leaves_out_has_its_default)
{
	scp_template_spec spec = a_spec("plain");
	scp_template *t = NULL;

	OK(scp_template_create(&t, plane, &spec, err));
	ck_assert_str_eq(t->id, "plain");
	ck_assert_ptr_null(t->description);
	ck_assert_uint_eq(t->language_count, 3);
	ck_assert_uint_eq(t->default_resources->cpu_millis, 1000);
	ck_assert_uint_eq(t->default_resources->memory_bytes, UINT64_C(512) << 20);
	ck_assert_uint_eq(t->default_resources->disk_bytes, UINT64_C(1) << 30);
	ck_assert_uint_eq(t->default_resources->max_processes, 128);
	ck_assert_uint_eq(t->default_timeout_s, 300);
	ck_assert(!t->network_enabled && t->read_only_root && !t->deprecated);
	ck_assert_uint_eq(t->run_as_user, 1000);
	ck_assert_uint_eq(t->max_processes, 1024);
	ck_assert_str_eq(t->seccomp, "default");
	ck_assert_uint_eq(t->warm_pool->max, 0);
	ck_assert(t->created_us && t->created_us == t->updated_us);
	scp_template_free(t);
}
END_TEST

START_TEST(an_update_replaces_everything)
{
	static const scp_language shell[] = { SCP_SHELL };
	static const char *const packages[] = { "jq" };
	static const scp_pair env = { "A", "b" };
	scp_resources r = SCP_RESOURCES_INIT;
	scp_warm_pool pool = SCP_WARM_POOL_INIT;
	scp_template_spec spec = a_spec("whole");
	scp_template *t = NULL, *now = NULL;

	spec.description = "line\n\ttwo";
	spec.languages = shell;
	spec.language_count = 1;
	spec.packages = packages;
	spec.package_count = 1;
	spec.env = &env;
	spec.env_count = 1;
	spec.base_image = "debian:12";
	r.cpu_millis = 2000;
	spec.default_resources = &r;
	spec.max_processes = 64;
	pool.min = 2;
	spec.warm_pool = &pool;
	spec.read_only_root = SCP_OFF;
	OK(scp_template_create(&t, plane, &spec, err));
	ck_assert_uint_eq(t->language_count, 1);
	ck_assert_str_eq(t->packages[0], "jq");
	ck_assert_str_eq(t->env[0]->value, "b");
	ck_assert_uint_eq(t->default_resources->cpu_millis, 2000);
	ck_assert_uint_eq(t->default_resources->max_processes, 64); /* no more than it allows */
	ck_assert_uint_eq(t->warm_pool->max, 2);
	spec = a_spec("whole");
	spec.id = NULL;
	spec.name = "another name";
	OK(scp_template_update(&now, plane, "whole", &spec, err));
	ck_assert_str_eq(now->name, "another name");
	ck_assert_ptr_null(now->description);
	ck_assert_ptr_null(now->base_image);
	ck_assert_uint_eq(now->language_count, 3);
	ck_assert_uint_eq(now->package_count, 0);
	ck_assert_uint_eq(now->env_count, 0);
	ck_assert_uint_eq(now->default_resources->cpu_millis, 1000);
	ck_assert(now->read_only_root);
	ck_assert_int_eq(now->created_us, t->created_us);
	ck_assert_int_ge(now->updated_us, t->updated_us);
	scp_template_free(t);
	scp_template_free(now);
}
END_TEST

START_TEST(ids_and_names_are_had_once)
{
	scp_template_spec spec = a_spec("one"), other = a_spec("two");
	scp_error e = { 0 };

	OK(scp_template_create(NULL, plane, &spec, err));
	ck_assert_int_eq(scp_template_create(NULL, plane, &spec, &e), SCP_ECONFLICT);
	ck_assert_ptr_nonnull(strstr(e.message, "id:"));
	other.name = "one";
	refused(&other, SCP_ECONFLICT, "name:");
	other.name = "Python"; /* a seed's */
	refused(&other, SCP_ECONFLICT, "name:");
	OK(scp_template_delete(plane, "one", err));
	other.name = "one";
	OK(scp_template_create(NULL, plane, &other, err));
	ck_assert_int_eq(scp_template_delete(plane, "one", NULL), SCP_ENOTFOUND);
	spec.id = "one";
	ck_assert_int_eq(scp_template_update(NULL, plane, "two", &spec, &e), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(e.message, "id:"));
	ck_assert_int_eq(scp_template_update(NULL, plane, "one", &spec, &e), SCP_ENOTFOUND);
}
END_TEST

START_TEST(the_same_key_gives_the_same_template)
{
	scp_template_spec spec = a_spec("keyed");
	scp_template *t = NULL, *again = NULL;

	spec.idempotency_key = "k1";
	OK(scp_template_create(&t, plane, &spec, err));
	OK(scp_template_create(&again, plane, &spec, err));
	ck_assert_int_eq(t->created_us, again->created_us);
	scp_template_free(t);
	scp_template_free(again);
	spec.description = "else";
	ck_assert_int_eq(scp_template_create(NULL, plane, &spec, NULL), SCP_ECONFLICT);
}
END_TEST

#define ID64 "a234567890123456789012345678901234567890123456789012345678901234"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(an_id_of_64_characters_works_everywhere)
{
	scp_template_spec spec = a_spec(ID64);
	scp_template *t = NULL;

	spec.idempotency_key = "k64";
	OK(scp_template_create(NULL, plane, &spec, err));
	OK(scp_template_create(&t, plane, &spec, err));
	ck_assert_str_eq(t->id, ID64);
	scp_template_free(t);
	OK(scp_template_delete(plane, ID64, err));
}
END_TEST

static const char *const good_images[] = { "host:", "dir:/srv/root", "tar:/srv/a b.tar", "debian", "debian:12",
	"library/debian:12.5-slim", "localhost/x", "localhost:5000/x/y:z", "r.example.com/a__b/c-d.e:1_2",
	"R.example.com/a:T", "[::1]:5000/x", "x@sha256:" HEX64, "r.io:443/x:1@sha256:" HEX64, "a---b", "1.2.3.4/x" };

static const char *const bad_images[] = { "", "host:x", "dir:", "dir:/", "dir:x", "dir:/a/../b", "dir:/a/.",
	"dir:/a\nb", "tar:a.tar", "tar:", "Debian", "deb ian", "debian:", "debian:.1", ":12", "/debian", "debian/",
	"a//b", "a..b", "a___b", "-a", "a-", "a_", "x@sha256:" HEX64 "0", "x@sha256:12", "x@md5:" HEX64, "x@",
	"@sha256:" HEX64, "x@sha256:ABCDEF6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "r.io:port/x",
	"r.io:123456/x", "-r.io/x", "r..io/x", "r.io./x", "[::1/x", "[x]:1/y", "[::1]x/y", "http://r.io/x", "a/B",
	"../x", "x:a:b", "caf\xc3\xa9" };

START_TEST(images_are_references)
{
	scp_template_spec spec = a_spec("image");

	for (size_t i = 0; i < sizeof(good_images) / sizeof(good_images[0]); i++) {
		scp_error e = { 0 };

		spec.image = spec.base_image = good_images[i];
		ck_assert_msg(!scp_template_create(NULL, plane, &spec, &e), "%s: %s", good_images[i], e.message);
		OK(scp_template_delete(plane, "image", err));
	}
	for (size_t i = 0; i < sizeof(bad_images) / sizeof(bad_images[0]); i++) {
		spec = a_spec("image");
		spec.image = bad_images[i];
		refused(&spec, SCP_EINVAL, "image:");
		if (!bad_images[i][0])
			continue;
		spec.image = "host:";
		spec.base_image = bad_images[i];
		refused(&spec, SCP_EINVAL, "base_image:");
	}
}
END_TEST

START_TEST(long_images_are_refused)
{
	static char path[1100], name[400];
	scp_template_spec spec = a_spec("image");

	memset(path, 'a', sizeof(path) - 1);
	memcpy(path, "dir:/", 5);
	memset(name, 'a', sizeof(name) - 1);
	spec.image = path;
	refused(&spec, SCP_EINVAL, "image:");
	spec.image = name;
	refused(&spec, SCP_EINVAL, "image:");
	memcpy(name, "x:", 2);
	name[2 + 129] = '\0';
	refused(&spec, SCP_EINVAL, "image:");
}
END_TEST

static char long_text[1026];

static void say_much(size_t count)
{
	memset(long_text, 'x', count);
	long_text[count] = '\0';
}

START_TEST(texts_have_their_limits_in_characters)
{
	scp_template_spec spec = a_spec("texts");
	char two_bytes[128 * 2 + 3] = "";

	spec.id = NULL;
	refused(&spec, SCP_EINVAL, "id:");
	for (size_t i = 0; i < 8; i++) {
		static const char *const ids[] = { "", "-a", "A", "a_b", "a b", "\xc3\xa9", ID64 "5", "a/b" };

		spec.id = ids[i];
		refused(&spec, SCP_EINVAL, "id:");
	}
	spec = a_spec("texts");
	for (size_t i = 0; i < 5; i++) {
		static const char *const names[] = { NULL, "", "  ", "a\nb", "\xff" };

		spec.name = names[i];
		refused(&spec, SCP_EINVAL, "name:");
	}
	for (int i = 0; i < 129; i++)
		strcat(two_bytes, "\xc3\xa9");
	spec.name = two_bytes;
	refused(&spec, SCP_EINVAL, "name:");
	two_bytes[256] = '\0';
	say_much(1025);
	spec.description = long_text;
	refused(&spec, SCP_EINVAL, "description:");
	spec.description = "a\x01";
	refused(&spec, SCP_EINVAL, "description:");
	say_much(1024);
	spec.description = long_text;
	OK(scp_template_create(NULL, plane, &spec, err));
}
END_TEST

START_TEST(lists_have_their_limits)
{
	static const scp_language bad[] = { (scp_language)4 }, twice[] = { SCP_SHELL, SCP_SHELL };
	static const scp_pair pair = { "1", "x" };
	static const char *const empty[] = { "jq", "" };
	const char *many[201];
	scp_template_spec spec = a_spec("lists");

	spec.languages = bad;
	spec.language_count = 1;
	refused(&spec, SCP_EINVAL, "languages:");
	spec.languages = twice;
	spec.language_count = 2;
	refused(&spec, SCP_EINVAL, "languages:");
	spec.languages = NULL;
	refused(&spec, SCP_EINVAL, "languages:");
	spec = a_spec("lists");
	for (int i = 0; i < 201; i++)
		many[i] = "jq";
	spec.packages = many;
	spec.package_count = 201;
	refused(&spec, SCP_EINVAL, "pre_installed_packages:");
	spec.packages = empty;
	spec.package_count = 2;
	refused(&spec, SCP_EINVAL, "pre_installed_packages:");
	spec.packages = NULL;
	refused(&spec, SCP_EINVAL, "pre_installed_packages:");
	say_much(129);
	many[0] = long_text;
	spec.packages = many;
	refused(&spec, SCP_EINVAL, "pre_installed_packages:");
	spec = a_spec("lists");
	spec.env = &pair;
	spec.env_count = 1;
	refused(&spec, SCP_EINVAL, "default_env_vars:");
	spec = a_spec("lists");
	many[0] = "jq";
	spec.packages = many;
	spec.package_count = 200;
	OK(scp_template_create(NULL, plane, &spec, err));
}
END_TEST

START_TEST(numbers_have_their_ranges)
{
	const struct {
		scp_resources r;
		uint32_t timeout_s, user, processes;
		scp_warm_pool pool;
		const char *says;
	} cases[] = {
		{ .r = { .cpu_millis = 499 }, .says = "default_resources.cpu" },
		{ .r = { .memory_bytes = (UINT64_C(8) << 30) + 1 }, .says = "default_resources.memory" },
		{ .r = { .disk_bytes = 1 }, .says = "default_resources.disk" },
		{ .r = { .max_processes = 1025 }, .says = "default_resources.max_processes" },
		{ .r = { .max_processes = 129 }, .processes = 128, .says = "default_resources.max_processes" },
		{ .timeout_s = 59, .says = "default_timeout" },
		{ .timeout_s = 3601, .says = "default_timeout" },
		{ .user = 65535, .says = "security_context.run_as_user" },
		{ .processes = 31, .says = "security_context.max_processes" },
		{ .pool = { .min = 1001 }, .says = "warm_pool.min" },
		{ .pool = { .max = 1001 }, .says = "warm_pool.max" },
		{ .pool = { .min = 2, .max = 1 }, .says = "warm_pool.max" },
		{ .pool = { .max_idle_s = 86401 }, .says = "warm_pool.max_idle_s" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scp_template_spec spec = a_spec("numbers");

		spec.default_resources = &cases[i].r;
		spec.default_timeout_s = cases[i].timeout_s;
		spec.run_as_user = cases[i].user;
		spec.max_processes = cases[i].processes;
		spec.warm_pool = &cases[i].pool;
		refused(&spec, SCP_EINVAL, cases[i].says);
	}
}
END_TEST

START_TEST(choices_are_what_there_is)
{
	scp_template_spec spec = a_spec("choices");

	spec.seccomp = "unconfined";
	refused(&spec, SCP_EINVAL, "security_context.seccomp");
	spec = a_spec("choices");
	spec.network = (scp_switch)3;
	refused(&spec, SCP_EINVAL, "security_context.network_enabled");
	spec = a_spec("choices");
	spec.read_only_root = (scp_switch)3;
	refused(&spec, SCP_EINVAL, "security_context.read_only_root");
	spec = a_spec("choices");
	spec.idempotency_key = "a b";
	refused(&spec, SCP_EINVAL, "idempotency_key");
	spec.struct_size = 0;
	refused(&spec, SCP_EINVAL, "SCP_TEMPLATE_SPEC_INIT");
	refused(NULL, SCP_EINVAL, "SCP_TEMPLATE_SPEC_INIT");
	ck_assert_int_eq(scp_template_update(NULL, plane, NULL, &spec, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp_template_delete(plane, NULL, NULL), SCP_EINVAL);
}
END_TEST

/* ---- with sessions ---- */

START_TEST(a_change_reaches_new_sessions_only)
{
	static const scp_language python[] = { SCP_PYTHON }, shell[] = { SCP_SHELL };
	static const scp_pair old_env = { "WHICH", "old" }, new_env = { "WHICH", "new" };
	scp_template_spec spec = a_spec("changing");
	scp_session *before, *after;
	scp_execution *e;

	spec.languages = shell;
	spec.language_count = 1;
	spec.env = &old_env;
	spec.env_count = 1;
	OK(scp_template_create(NULL, plane, &spec, err));
	before = make_session("changing");
	spec.languages = python;
	spec.env = &new_env;
	OK(scp_template_update(NULL, plane, "changing", &spec, err));
	e = run(before->id, SCP_SHELL, "printf $WHICH");
	ck_assert_str_eq(e->out, "old");
	scp_execution_free(e);
	after = make_session("changing");
	e = run(after->id, SCP_PYTHON, "import os; print(os.environ['WHICH'], end='')");
	ck_assert_str_eq(e->out, "new");
	scp_execution_free(e);
	{
		scp_execution_spec shell_code = SCP_EXECUTION_SPEC_INIT;

		shell_code.code = "true";
		shell_code.language = SCP_SHELL;
		ck_assert_int_eq(scp_execute(&e, plane, after->id, &shell_code, NULL), SCP_EINVAL);
	}
	scp_session_free(before);
	scp_session_free(after);
}
END_TEST

START_TEST(a_template_in_use_is_deprecated_not_deleted)
{
	scp_template_spec spec = a_spec("used");
	scp_session_spec s = SCP_SESSION_SPEC_INIT;
	scp_session *session, *none = NULL;
	scp_error e = { 0 };

	OK(scp_template_create(NULL, plane, &spec, err));
	session = make_session("used");
	ck_assert_int_eq(scp_template_delete(plane, "used", &e), SCP_ECONFLICT);
	ck_assert_str_eq(e.code, "TemplateInUse");
	ck_assert_ptr_nonnull(strcasestr(e.hint, "deprecate"));
	spec.deprecated = true;
	OK(scp_template_update(NULL, plane, "used", &spec, err));
	s.template_id = "used";
	ck_assert_int_eq(scp_session_create(&none, plane, &s, &e), SCP_ESTATE);
	ck_assert_ptr_nonnull(strstr(e.message, "deprecated"));
	OK(scp_session_terminate(NULL, plane, session->id, err));
	OK(scp_template_delete(plane, "used", err));
	ck_assert_int_eq(scp_session_create(&none, plane, &s, &e), SCP_ENOTFOUND);
	OK(scp_session_get(&none, plane, session->id, err));
	scp_session_free(none);
	scp_session_free(session);
}
END_TEST

START_TEST(a_session_asks_for_no_more_than_its_template_allows)
{
	scp_template_spec spec = a_spec("narrow");
	scp_session_spec s = SCP_SESSION_SPEC_INIT;
	scp_resources r = SCP_RESOURCES_INIT;
	scp_session *none = NULL;
	scp_error e = { 0 };

	spec.max_processes = 64;
	OK(scp_template_create(NULL, plane, &spec, err));
	s.template_id = "narrow";
	r.max_processes = 65;
	s.resources = &r;
	ck_assert_int_eq(scp_session_create(&none, plane, &s, &e), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(e.message, "resources.max_processes"));
	spec.max_processes = 0;
	spec.run_as_user = 2000;
	OK(scp_template_update(NULL, plane, "narrow", &spec, err));
	ck_assert_int_eq(scp_session_create(&none, plane, &s, &e), SCP_ENOTSUP);
	ck_assert_ptr_nonnull(strstr(e.message, "run_as_user"));
}
END_TEST

START_TEST(an_ephemeral_session_has_its_templates_timeout)
{
	scp_template_spec spec = a_spec("short");
	scp_session_spec s = SCP_SESSION_SPEC_INIT;
	scp_session *made = NULL;

	spec.default_timeout_s = 77;
	OK(scp_template_create(NULL, plane, &spec, err));
	s.template_id = "short";
	s.mode = SCP_EPHEMERAL;
	OK(scp_session_create(&made, plane, &s, err));
	ck_assert_uint_eq(made->timeout_s, 77);
	scp_session_free(made);
	s.mode = SCP_PERSISTENT;
	OK(scp_session_create(&made, plane, &s, err));
	ck_assert_uint_eq(made->timeout_s, 0);
	scp_session_free(made);
}
END_TEST

START_TEST(a_seed_stays_as_the_operator_left_it)
{
	scp_template_spec spec = a_spec("shell-basic");
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;
	scp_template *t = NULL;

	spec.name = "Ours";
	OK(scp_template_update(NULL, plane, "shell-basic", &spec, err));
	OK(scp_template_delete(plane, "nodejs-basic", err));
	spec.id = "mine";
	spec.name = "Node.js"; /* the name of one that is to be seeded */
	OK(scp_template_create(NULL, plane, &spec, err));
	scp_plane_close(plane);
	plane = NULL;
	options.state_dir = state_dir;
	options.log_level = SCP_LOG_OFF;
	OK(scp_plane_open(&plane, &options, err));
	OK(scp_template_get(&t, plane, "shell-basic", err));
	ck_assert_str_eq(t->name, "Ours");
	scp_template_free(t);
	ck_assert_int_eq(scp_template_get(&t, plane, "nodejs-basic", NULL), SCP_ENOTFOUND);
}
END_TEST

START_TEST(the_asynchronous_twins_do_the_same)
{
	static const char *const packages[] = { "jq" };
	static const scp_pair env = { "A", "b" };
	scp_template_spec spec = a_spec("async");
	struct slot s = SLOT_INIT;
	scp_request *q = NULL;
	scp_template *t;

	spec.packages = packages;
	spec.package_count = 1;
	spec.env = &env;
	spec.env_count = 1;
	OK(scp_template_create_async(&q, plane, &spec, slot_done, &s, err));
	slot_await(&s, 1);
	scp_request_cancel(q);
	t = s.result;
	ck_assert_int_eq(s.status, SCP_OK);
	ck_assert_str_eq(t->packages[0], "jq");
	scp_template_free(t);
	spec.name = "new name";
	OK(scp_template_update_async(&q, plane, "async", &spec, slot_done, &s, err));
	slot_await(&s, 2);
	scp_request_cancel(q);
	t = s.result;
	ck_assert_str_eq(t->name, "new name");
	scp_template_free(t);
	OK(scp_template_delete_async(&q, plane, "async", slot_done, &s, err));
	slot_await(&s, 3);
	scp_request_cancel(q);
	ck_assert_int_eq(s.status, SCP_OK);
	ck_assert_ptr_null(s.result);
	OK(scp_template_create_async(NULL, plane, NULL, slot_done, &s, err));
	slot_await(&s, 4);
	ck_assert_int_eq(s.status, SCP_EINVAL);
}
END_TEST

Suite *suite_templates(void)
{
	Suite *s = suite_create("templates");
	TCase *t = tcase_create("templates");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, open_plane, close_plane);
	tcase_add_test(t, what_a_spec_leaves_out_has_its_default);
	tcase_add_test(t, an_update_replaces_everything);
	tcase_add_test(t, ids_and_names_are_had_once);
	tcase_add_test(t, the_same_key_gives_the_same_template);
	tcase_add_test(t, an_id_of_64_characters_works_everywhere);
	tcase_add_test(t, images_are_references);
	tcase_add_test(t, long_images_are_refused);
	tcase_add_test(t, texts_have_their_limits_in_characters);
	tcase_add_test(t, lists_have_their_limits);
	tcase_add_test(t, numbers_have_their_ranges);
	tcase_add_test(t, choices_are_what_there_is);
	tcase_add_test(t, a_change_reaches_new_sessions_only);
	tcase_add_test(t, a_template_in_use_is_deprecated_not_deleted);
	tcase_add_test(t, a_session_asks_for_no_more_than_its_template_allows);
	tcase_add_test(t, an_ephemeral_session_has_its_templates_timeout);
	tcase_add_test(t, a_seed_stays_as_the_operator_left_it);
	tcase_add_test(t, the_asynchronous_twins_do_the_same);
	suite_add_tcase(s, t);
	return s;
}
