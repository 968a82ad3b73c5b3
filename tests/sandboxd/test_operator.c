/* What operators ask: templates that change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "suites.h"

#define API "/api/v1"
#define NAMED "\"id\":\"t\",\"name\":\"T\",\"image\":\"host:\""

static const char whole[] =
    "{\"id\":\"t-1\",\"name\":\"T\",\"description\":\"D\",\"image\":\"host:\",\"base_image\":\"debian:12\","
    "\"languages\":[\"shell\",\"python\"],\"pre_installed_packages\":[\"jq\",\"git\"],"
    "\"default_resources\":{\"cpu\":\"2\",\"memory\":\"1Gi\",\"disk\":\"3Gi\",\"max_processes\":64},"
    "\"default_timeout\":90,\"default_env_vars\":{\"A\":\"b\"},"
    "\"security_context\":{\"network_enabled\":false,\"read_only_root\":false,\"run_as_user\":1000,"
    "\"max_processes\":128,\"seccomp\":\"default\"},"
    "\"warm_pool\":{\"min\":1,\"max\":2,\"max_idle_s\":60},\"deprecated\":true}";

START_TEST(every_field_of_a_template_reaches_the_library)
{
	struct answer a = ask("POST", API "/templates", JSON "Idempotency-Key: k\r\n", whole);
	const scp_template_spec *s = &fake_operator.spec;

	ck_assert_int_eq(a.status, 201);
	ck_assert_str_eq(fake_operator.template_text, "t-1|T|D|host:|debian:12|default|k|31|jq|git|A=b");
	ck_assert_uint_eq(fake_operator.resources.cpu_millis, 2000);
	ck_assert_uint_eq(fake_operator.resources.memory_bytes, 1ull << 30);
	ck_assert_uint_eq(fake_operator.resources.disk_bytes, 3ull << 30);
	ck_assert_uint_eq(fake_operator.resources.max_processes, 64);
	ck_assert_uint_eq(s->default_timeout_s, 90);
	ck_assert_int_eq(s->network, SCP_OFF);
	ck_assert_int_eq(s->read_only_root, SCP_OFF);
	ck_assert_uint_eq(s->run_as_user, 1000);
	ck_assert_uint_eq(s->max_processes, 128);
	ck_assert_uint_eq(fake_operator.pool.min, 1);
	ck_assert_uint_eq(fake_operator.pool.max, 2);
	ck_assert_uint_eq(fake_operator.pool.max_idle_s, 60);
	ck_assert(s->deprecated);
	answer_free(&a);
}
END_TEST

START_TEST(what_is_left_out_or_null_is_the_librarys_default)
{
	struct answer a = ask("POST", API "/templates", JSON,
	    "{" NAMED ",\"languages\":null,\"default_resources\":null,\"security_context\":null,\"warm_pool\":null}");
	const scp_template_spec *s = &fake_operator.spec;

	ck_assert_int_eq(a.status, 201);
	ck_assert_str_eq(fake_operator.template_text, "t|T|-|host:|-|-|-|");
	ck_assert_int_eq(s->network, SCP_DEFAULT);
	ck_assert_int_eq(s->read_only_root, SCP_DEFAULT);
	ck_assert_uint_eq(s->run_as_user, 0);
	ck_assert_ptr_null(s->default_resources);
	ck_assert_ptr_null(s->warm_pool);
	ck_assert(!s->deprecated);
	answer_free(&a);
}
END_TEST

START_TEST(a_template_is_written_to_the_letter)
{
	struct answer a = ask("GET", API "/templates/python-basic", NULL, NULL);

	ck_assert_str_eq(a.body,
	    "{\"id\":\"python-basic\",\"name\":\"Python\",\"description\":null,\"image\":\"host:\",\"base_image\":null,"
	    "\"languages\":[\"python\",\"shell\"],\"pre_installed_packages\":[],"
	    "\"default_resources\":{\"cpu\":\"1.25\",\"memory\":\"1536Mi\",\"disk\":\"2Gi\",\"max_processes\":64},"
	    "\"default_timeout\":300,\"default_env_vars\":{},\"security_context\":{\"network_enabled\":false,"
	    "\"read_only_root\":true,\"run_as_user\":1000,\"max_processes\":256,\"seccomp\":\"default\"},"
	    "\"warm_pool\":{\"min\":1,\"max\":2,\"max_idle_s\":3},\"deprecated\":false,\"created_at\":null,"
	    "\"updated_at\":null}");
	answer_free(&a);
}
END_TEST

START_TEST(put_replaces_the_template_of_the_path)
{
	struct answer a = ask("PUT", API "/templates/python-basic", JSON "Idempotency-Key: k\r\n",
	    "{\"name\":\"N\",\"image\":\"host:\"}");

	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(fake.last, "update python-basic -");
	ck_assert_str_eq(fake_operator.template_text, "-|N|-|host:|-|-|-|");
	answer_free(&a);
	a = ask("PUT", API "/templates/other", JSON, "{\"name\":\"N\",\"image\":\"host:\"}");
	ck_assert_int_eq(a.status, 404);
	answer_free(&a);
}
END_TEST

START_TEST(delete_answers_nothing)
{
	struct answer a = ask("DELETE", API "/templates/python-basic", NULL, NULL);

	ck_assert_int_eq(a.status, 204);
	ck_assert_uint_eq(a.body_len, 0);
	ck_assert_str_eq(fake.last, "delete python-basic -");
	answer_free(&a);
	a = ask("DELETE", API "/templates/other", NULL, NULL);
	ck_assert_int_eq(a.status, 404);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.TemplateNotFound");
	answer_free(&a);
}
END_TEST

START_TEST(what_the_library_says_of_a_template_is_answered)
{
	struct answer a;

	fake.error = (scp_error){ SCP_ECONFLICT, 0, "Conflict", "id: template 't' exists already", "" };
	a = ask("POST", API "/templates", JSON, "{" NAMED "}");
	ck_assert_int_eq(a.status, 409);
	ck_assert_str_eq(field(&a, "error_detail"), "id: template 't' exists already");
	answer_free(&a);
}
END_TEST

static const struct {
	const char *body, *says;
} bad_templates[] = {
	{ "[]", "body" },
	{ "{" NAMED ",\"zzz\":1}", "zzz" },
	{ "{\"id\":5}", "id" },
	{ "{" NAMED ",\"description\":[]}", "description" },
	{ "{" NAMED ",\"languages\":\"python\"}", "languages" },
	{ "{" NAMED ",\"languages\":[]}", "languages" },
	{ "{" NAMED ",\"languages\":[\"cobol\"]}", "'cobol'" },
	{ "{" NAMED ",\"languages\":[1]}", "languages" },
	{ "{" NAMED ",\"pre_installed_packages\":{}}", "pre_installed_packages" },
	{ "{" NAMED ",\"pre_installed_packages\":[\"a\",null]}", "number 2" },
	{ "{" NAMED ",\"default_resources\":{\"cpu\":\"0.1\"}}", "default_resources: cpu" },
	{ "{" NAMED ",\"default_resources\":{\"gpu\":\"1\"}}", "gpu" },
	{ "{" NAMED ",\"default_timeout\":59}", "default_timeout" },
	{ "{" NAMED ",\"default_timeout\":3601}", "default_timeout" },
	{ "{" NAMED ",\"default_env_vars\":[]}", "default_env_vars" },
	{ "{" NAMED ",\"default_env_vars\":{\"A\":1}}", "default_env_vars" },
	{ "{" NAMED ",\"security_context\":1}", "security_context" },
	{ "{" NAMED ",\"security_context\":{\"root\":true}}", "root" },
	{ "{" NAMED ",\"security_context\":{\"run_as_user\":0}}", "run_as_user" },
	{ "{" NAMED ",\"security_context\":{\"run_as_user\":65535}}", "run_as_user" },
	{ "{" NAMED ",\"security_context\":{\"max_processes\":31}}", "max_processes" },
	{ "{" NAMED ",\"security_context\":{\"network_enabled\":1}}", "network_enabled" },
	{ "{" NAMED ",\"security_context\":{\"seccomp\":1}}", "seccomp" },
	{ "{" NAMED ",\"warm_pool\":{\"min\":-1}}", "warm_pool: min" },
	{ "{" NAMED ",\"warm_pool\":{\"min\":2,\"max\":1}}", "warm_pool: max" },
	{ "{" NAMED ",\"warm_pool\":{\"max_idle_s\":86401}}", "max_idle_s" },
	{ "{" NAMED ",\"warm_pool\":[]}", "warm_pool" },
	{ "{" NAMED ",\"deprecated\":\"no\"}", "deprecated" },
};

START_TEST(each_bad_template_is_400_and_names_its_field)
{
	struct answer a = ask("POST", API "/templates", JSON, bad_templates[_i].body);

	ck_assert_msg(a.status == 400, "%s: %s", bad_templates[_i].body, a.text);
	ck_assert_msg(strstr(field(&a, "error_detail"), bad_templates[_i].says) != NULL, "%s: %s",
	    bad_templates[_i].body, a.body);
	ck_assert_str_eq(fake.last, "");
	answer_free(&a);
}
END_TEST

Suite *operator_suite(void)
{
	Suite *s = suite_create("operator");
	TCase *t = tcase_create("templates");

	tcase_add_checked_fixture(t, daemon_setup, daemon_stop);
	tcase_add_test(t, every_field_of_a_template_reaches_the_library);
	tcase_add_test(t, what_is_left_out_or_null_is_the_librarys_default);
	tcase_add_test(t, a_template_is_written_to_the_letter);
	tcase_add_test(t, put_replaces_the_template_of_the_path);
	tcase_add_test(t, delete_answers_nothing);
	tcase_add_test(t, what_the_library_says_of_a_template_is_answered);
	tcase_add_loop_test(
	    t, each_bad_template_is_400_and_names_its_field, 0, (int)(sizeof(bad_templates) / sizeof(*bad_templates)));
	suite_add_tcase(s, t);
	return s;
}
