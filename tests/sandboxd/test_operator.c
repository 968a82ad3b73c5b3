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

/* ---- containers and nodes ---- */

START_TEST(containers_are_written_to_the_letter)
{
	struct answer a = ask("GET", API "/containers/scp-run", NULL, NULL);

	ck_assert_str_eq(a.body,
	    "{\"container_id\":\"scp-run\",\"pod_name\":null,\"runtime_type\":\"oci\",\"status\":\"running\","
	    "\"session_id\":\"sess_ok\",\"template_id\":\"t\",\"node_name\":\"n1\",\"image\":\"host:\","
	    "\"resources\":{\"cpu\":\"0.5\",\"memory\":\"256Mi\",\"disk\":\"1Gi\",\"max_processes\":32},"
	    "\"usage\":{\"cpu_percent\":12.5,\"memory_bytes\":1000,\"processes\":3},"
	    "\"created_at\":\"2025-12-31T12:00:00.000Z\",\"uptime_seconds\":1.5,\"exit_code\":null,"
	    "\"exit_reason\":null}");
	answer_free(&a);
	a = ask("GET", API "/containers/scp-end", NULL, NULL);
	ck_assert_ptr_nonnull(strstr(a.body, "\"usage\":null"));
	ck_assert_ptr_nonnull(strstr(a.body, "\"exit_code\":0,\"exit_reason\":\"normal\""));
	answer_free(&a);
	a = ask("GET", API "/containers/scp-none", NULL, NULL);
	ck_assert_int_eq(a.status, 404);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.ContainerNotFound");
	answer_free(&a);
}
END_TEST

START_TEST(a_list_of_containers_carries_its_filters)
{
	struct answer a =
	    ask("GET", API "/containers?status=exited&runtime_type=oci&session_id=sess_1&limit=2&offset=3", NULL, NULL);

	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(fake.last, "containers oci sess_1");
	ck_assert_int_eq(fake_operator.containers.status, SCP_CONTAINER_EXITED);
	ck_assert_uint_eq(fake_operator.containers.limit, 2);
	ck_assert_uint_eq(fake_operator.containers.offset, 3);
	ck_assert_ptr_nonnull(strstr(a.body, "\"total\":9,\"limit\":2,\"offset\":3,\"next\":\"2\"}"));
	answer_free(&a);
}
END_TEST

START_TEST(a_log_is_text)
{
	struct answer a = ask("GET", API "/containers/scp-run/logs", NULL, NULL);

	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "a line\n");
	ck_assert_ptr_nonnull(strstr(a.text, "Content-Type: text/plain; charset=utf-8\r\n"));
	ck_assert_uint_eq(fake_operator.log.tail, 100);
	ck_assert_int_eq(fake_operator.log.since_us, 0);
	answer_free(&a);
	a = ask("GET", API "/containers/scp-run/logs?tail=7&since=2025-12-31T13:00:00.25%2b01:00", NULL, NULL);
	ck_assert_uint_eq(fake_operator.log.tail, 7);
	ck_assert_int_eq(fake_operator.log.since_us, 1767182400250000);
	answer_free(&a);
	a = ask("GET", API "/containers/scp-run/logs?since=2025-12-31t11:30:00-00:30", NULL, NULL);
	ck_assert_int_eq(fake_operator.log.since_us, 1767182400000000);
	answer_free(&a);
}
END_TEST

START_TEST(nodes_are_written_to_the_letter)
{
	struct answer a = ask("GET", API "/nodes?limit=5&offset=0", NULL, NULL);

	ck_assert_str_eq(a.body, "{\"nodes\":[{\"node_id\":\"n1\",\"runtime_type\":\"oci\",\"url\":\"oci:\","
				 "\"advertise_url\":null,\"status\":\"ready\","
				 "\"capacity\":{\"cpu\":\"2.5\",\"memory\":\"4096Mi\",\"containers\":100},"
				 "\"allocated\":{\"cpu\":\"0.5\",\"memory\":\"256Mi\",\"containers\":1},"
				 "\"cached_images\":[\"host:\"],\"last_heartbeat_at\":\"2025-12-31T12:00:00.000Z\"}],"
				 "\"total\":1,\"limit\":5,\"offset\":0,\"next\":null}");
	ck_assert_uint_eq(fake_operator.nodes.limit, 5);
	answer_free(&a);
}
END_TEST

START_TEST(nodes_are_drained_and_taken_back)
{
	struct answer a = ask("POST", API "/nodes/n1/drain", NULL, NULL);

	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(fake.last, "drain n1 -");
	ck_assert_str_eq(field(&a, "node_id"), "n1");
	answer_free(&a);
	a = ask("POST", API "/nodes/n1/undrain", JSON, "{}");
	ck_assert_str_eq(fake.last, "undrain n1 -");
	answer_free(&a);
	a = ask("POST", API "/nodes/n2/drain", NULL, NULL);
	ck_assert_int_eq(a.status, 404);
	answer_free(&a);
	a = ask("POST", API "/nodes/n1/drain", JSON, "{\"force\":true}");
	ck_assert_int_eq(a.status, 400);
	answer_free(&a);
}
END_TEST

static const struct {
	const char *target, *says;
} bad_questions[] = {
	{ "/containers?status=dead", "warm, creating, running, exited, removed" },
	{ "/containers?limit=0", "limit" },
	{ "/containers?node=x", "node" },
	{ "/containers/scp-run/logs?tail=0", "tail" },
	{ "/containers/scp-run/logs?tail=10001", "tail" },
	{ "/containers/scp-run/logs?since=yesterday", "since" },
	{ "/containers/scp-run/logs?since=", "since" },
	{ "/containers/scp-run/logs?since=2025-12-31T13:00:00", "since" },
	{ "/containers/scp-run/logs?since=2025-13-31T13:00:00Z", "since" },
	{ "/containers/scp-run/logs?since=2025-12-31T24:00:00Z", "since" },
	{ "/containers/scp-run/logs?since=2025-12-31T13:00:00.Z", "since" },
	{ "/containers/scp-run/logs?since=2025-12-31T13:00:00Zx", "since" },
	{ "/containers/scp-run/logs?since=2025-12-31T13:00:00%2b25:00", "since" },
	{ "/containers/scp-run/logs?since=1960-12-31T13:00:00Z", "since" },
	{ "/nodes?offset=-1", "offset" },
};

START_TEST(each_bad_question_is_400_and_names_its_parameter)
{
	char target[160];
	struct answer a;

	(void)snprintf(target, sizeof(target), API "%s", bad_questions[_i].target);
	a = ask("GET", target, NULL, NULL);
	ck_assert_msg(a.status == 400, "%s: %s", target, a.text);
	ck_assert_msg(strstr(field(&a, "error_detail"), bad_questions[_i].says) != NULL, "%s", a.body);
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
	t = tcase_create("containers");
	tcase_add_checked_fixture(t, daemon_setup, daemon_stop);
	tcase_add_test(t, containers_are_written_to_the_letter);
	tcase_add_test(t, a_list_of_containers_carries_its_filters);
	tcase_add_test(t, a_log_is_text);
	tcase_add_test(t, nodes_are_written_to_the_letter);
	tcase_add_test(t, nodes_are_drained_and_taken_back);
	tcase_add_loop_test(t, each_bad_question_is_400_and_names_its_parameter, 0,
	    (int)(sizeof(bad_questions) / sizeof(*bad_questions)));
	suite_add_tcase(s, t);
	return s;
}
