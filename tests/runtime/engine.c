/* What the docker adapter makes of engines that can't be had here: a fake one says what it is told to. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "buf.h"
#include "fixture.h"
#include "json.h"

#define FEATURES "\"OSType\":\"linux\",\"NCPU\":2,\"MemTotal\":1000000,\"ID\":\"x\",\"DockerRootDir\":\"/d\""
#define LIMITS "\"MemoryLimit\":true,\"CpuCfsQuota\":true,\"PidsLimit\":true"
#define GOOD "{" FEATURES "," LIMITS ",\"SecurityOptions\":[\"name=seccomp,profile=default\"]}"

static struct {
	char folder[64], url[160], url_with_config[300];
	const char *version, *info, *pull;
	char seen[4096]; /* the last request of a container list or a pull */
	int listener;
	pthread_t thread;
	pthread_mutex_t lock;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void say(const char **what, const char *text)
{
	pthread_mutex_lock(&fake.lock);
	*what = text;
	pthread_mutex_unlock(&fake.lock);
}

/* Once its answer is there. */
static const char *seen(void)
{
	pthread_mutex_lock(&fake.lock);
	pthread_mutex_unlock(&fake.lock);
	return fake.seen;
}

static void answer(int fd, int status, const char *body)
{
	dprintf(fd,
	    "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
	    status, strlen(body), body);
}

static void serve_one(int fd)
{
	char request[4096];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(request) - 1 && (n = read(fd, request + len, sizeof(request) - 1 - len)) > 0) {
		len += (size_t)n;
		request[len] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	request[len] = '\0';
	pthread_mutex_lock(&fake.lock);
	if (strstr(request, "/version ")) {
		answer(fd, 200, fake.version);
	} else if (strstr(request, "/info ")) {
		answer(fd, 200, fake.info);
	} else if (strstr(request, "/images/") && !strstr(request, "/images/create")) {
		answer(fd, 404, "{\"message\":\"No such image\"}");
	} else {
		memcpy(fake.seen, request, len + 1);
		answer(fd, 200, strstr(request, "/images/create") ? fake.pull : "[]");
	}
	pthread_mutex_unlock(&fake.lock);
}

static void *serve(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(fake.listener, NULL, NULL)) >= 0) {
		serve_one(fd);
		close(fd);
	}
	return NULL;
}

static void begin(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(fake.folder, sizeof(fake.folder), "/var/tmp/scp-engine-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fake.folder));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", fake.folder);
	(void)snprintf(fake.url, sizeof(fake.url), "docker:unix://%s/s", fake.folder);
	(void)snprintf(
	    fake.url_with_config, sizeof(fake.url_with_config), "%s?config_file=%s/config.json", fake.url, fake.folder);
	fake.version = "{\"Version\":\"20\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}";
	fake.info = GOOD;
	fake.pull = "{\"error\":\"nothing\"}";
	fake.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert(!bind(fake.listener, (struct sockaddr *)&address, sizeof(address)) && !listen(fake.listener, 16));
	ck_assert_int_eq(pthread_create(&fake.thread, NULL, serve, NULL), 0);
}

static void end(void)
{
	char command[128];

	shutdown(fake.listener, SHUT_RDWR);
	pthread_join(fake.thread, NULL);
	close(fake.listener);
	(void)snprintf(command, sizeof(command), "rm -rf %s", fake.folder);
	ck_assert_int_eq(system(command), 0);
}

static scp_status try_open(const char *url, const char *allow, scp_runtime **r, scp_error *err)
{
	scp__runtime_options options = { .state_dir = fake.folder, .allow_unenforced = allow };

	memset(err, 0, sizeof(*err));
	return scp__runtime_open(r, url, &options, err);
}

static void opens(const char *url, const char *allow, scp_runtime **r)
{
	scp_error err;

	ck_assert_msg(!try_open(url, allow, r, &err), "%s", err.message);
}

static void refused(scp_status rc, const char *says)
{
	scp_runtime *r;
	scp_error err;

	ck_assert_int_eq(try_open(fake.url, NULL, &r, &err), rc);
	ck_assert_ptr_null(r);
	ck_assert_msg(strstr(err.message, says), "%s", err.message);
	ck_assert(err.hint[0]);
}

START_TEST(an_engine_is_spoken_to_in_the_newest_version_that_both_know)
{
	static const char *const versions[][3] = { { "1.40", "1.12", " /v1.40/" }, { "1.41", "1.12", " /v1.41/" },
		{ "1.51", "1.24", " /v1.44/" }, { "1.52", "1.44", " /v1.44/" } };
	scp_runtime *r;
	char text[128];

	(void)snprintf(text, sizeof(text), "{\"Version\":\"x\",\"ApiVersion\":\"%s\",\"MinAPIVersion\":\"%s\"}",
	    versions[_i][0], versions[_i][1]);
	say(&fake.version, text);
	opens(fake.url, NULL, &r);
	ck_assert_ptr_nonnull(strstr(seen(), versions[_i][2]));
	ck_assert_int_eq(scp__runtime_workspace_uid(r), 1000);
	scp__runtime_close(r);
}
END_TEST

START_TEST(an_engine_without_a_version_in_common_is_refused)
{
	say(&fake.version, "{\"Version\":\"18\",\"ApiVersion\":\"1.39\",\"MinAPIVersion\":\"1.12\"}");
	refused(SCP_ENOTSUP, "1.39");
	say(&fake.version, "{\"Version\":\"40\",\"ApiVersion\":\"1.70\",\"MinAPIVersion\":\"1.60\"}");
	refused(SCP_ENOTSUP, "1.60");
	say(&fake.version, "{\"Version\":\"?\",\"ApiVersion\":\"2.0\",\"MinAPIVersion\":\"2.0\"}");
	refused(SCP_ENOTSUP, "2.0");
}
END_TEST

START_TEST(an_engine_that_can_t_keep_the_promises_is_refused)
{
	scp_runtime *r;

	say(&fake.info,
	    "{" FEATURES "," LIMITS ",\"SecurityOptions\":[\"name=seccomp,profile=default\",\"name=rootless\"]}");
	refused(SCP_ENOTSUP, "rootless");
	say(&fake.info, "{" FEATURES "," LIMITS ",\"SecurityOptions\":[]}");
	refused(SCP_ENOTSUP, "seccomp");
	say(&fake.info, "{" FEATURES ",\"MemoryLimit\":true,\"CpuCfsQuota\":true,\"PidsLimit\":false,"
			"\"SecurityOptions\":[\"name=seccomp\"]}");
	refused(SCP_ENOTSUP, "processes");
	opens(fake.url, "disk,processes", &r);
	scp__runtime_close(r);
}
END_TEST

START_TEST(remapped_users_are_found)
{
	scp_runtime *r;

	say(&fake.info, "{\"OSType\":\"linux\",\"DockerRootDir\":\"/d/165536.165536\"," LIMITS
			",\"SecurityOptions\":[\"name=seccomp\",\"name=userns\"]}");
	opens(fake.url, NULL, &r);
	ck_assert_int_eq(scp__runtime_workspace_uid(r), 166536);
	scp__runtime_close(r);
	say(&fake.info, "{\"OSType\":\"linux\",\"DockerRootDir\":\"/d\"," LIMITS
			",\"SecurityOptions\":[\"name=seccomp\",\"name=userns\"]}");
	ck_assert_int_eq(try_open(fake.url, NULL, &r, &(scp_error){ 0 }), SCP_ENOTSUP);
}
END_TEST

static void write_config(const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/config.json", fake.folder);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* {"username":"user","password":"pass:word?>","identitytoken":"","serveraddress":"reg.example:5000"} */
#define LOGIN                                                                                                          \
	"X-Registry-Auth: "                                                                                            \
	"eyJ1c2VybmFtZSI6InVzZXIiLCJwYXNzd29yZCI6InBhc3M6d29yZD8-IiwiaWRlbnRpdHl0b2tlbiI6IiIsInNlcnZl"                 \
	"cmFkZHJlc3MiOiJyZWcuZXhhbXBsZTo1MDAwIn0=\r\n"

START_TEST(a_registry_s_login_goes_along_with_its_images_alone)
{
	scp_error err = { 0 };
	scp_runtime *r;

	write_config("{\"auths\":{\"reg.example:5000\":{\"auth\":\"dXNlcjpwYXNzOndvcmQ/Pg==\"}}}");
	opens(fake.url_with_config, NULL, &r);
	say(&fake.pull, "{\"status\":\"Pulling\"}\n{\"error\":\"pull access denied\"}\n");
	ck_assert_int_eq(scp__runtime_image_prepare(r, "reg.example:5000/a/b", NULL, 0, &err), SCP_ENOTFOUND);
	ck_assert_ptr_nonnull(strstr(err.message, "reg.example:5000/a/b"));
	ck_assert_ptr_nonnull(strstr(err.hint, "docker login"));
	ck_assert_ptr_nonnull(strstr(err.hint, "config.json"));
	ck_assert_ptr_nonnull(strstr(seen(), "fromImage=reg.example%3A5000%2Fa%2Fb&tag=latest "));
	ck_assert_msg(strstr(seen(), LOGIN), "%s", seen());
	say(&fake.pull, "{\"error\":\"manifest for other/b:1 not found\"}");
	ck_assert_int_eq(scp__runtime_image_prepare(r, "other/b:1", NULL, 0, NULL), SCP_ENOTFOUND);
	ck_assert_ptr_null(strstr(seen(), "X-Registry-Auth"));
	scp__runtime_close(r);
}
END_TEST

/* What the engine says (20.10 to 25), whether it is worth another try, and what to do about it. */
static const struct {
	const char *says;
	scp_status rc;
	const char *hint;
} refusals[] = {
	{ "manifest for a/b:1 not found: manifest unknown: manifest unknown", SCP_ENOTFOUND, "template's image" },
	{ "pull access denied for a/b, repository does not exist or may require 'docker login': denied", SCP_ENOTFOUND,
	    "config_file=" },
	{ "Head \"https://r:5000/v2/a/b/manifests/1\": no basic auth credentials", SCP_ENOTFOUND, "docker login" },
	{ "Get \"https://r:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused", SCP_ENOTFOUND,
	    "reach its registry" },
	{ "Get \"https://r/v2/\": dial tcp: lookup r: no such host", SCP_ENOTFOUND, "reach its registry" },
	{ "Get \"https://r/v2/\": x509: certificate signed by unknown authority", SCP_ENOTFOUND, "certificate" },
	{ "http: server gave HTTP response to HTTPS client", SCP_ENOTFOUND, "insecure-registries" },
	{ "toomanyrequests: You have reached your pull rate limit", SCP_EBACKEND, "later" },
	{ "received unexpected HTTP status: 503 Service Unavailable", SCP_EBACKEND, "later" },
	{ "write /d/tmp: no space left on device", SCP_EBACKEND, "disk" },
	{ "something new", SCP_EBACKEND, "docker load" },
};
#define REFUSALS (int)(sizeof(refusals) / sizeof(refusals[0]))

START_TEST(what_trying_again_won_t_mend_is_told_from_what_it_may)
{
	scp_error err = { 0 };
	scp__json_writer w;
	scp_runtime *r;
	scp__buf line;

	scp__buf_init(&line, 1024);
	scp__jw_init(&w, &line);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "error", refusals[_i].says);
	scp__jw_end_object(&w);
	opens(fake.url, NULL, &r);
	say(&fake.pull, line.data);
	ck_assert_int_eq(scp__runtime_image_prepare(r, "a/b:1", NULL, 0, &err), refusals[_i].rc);
	ck_assert_ptr_nonnull(strstr(err.message, "a/b:1"));
	ck_assert_ptr_nonnull(strstr(err.message, refusals[_i].says));
	ck_assert_msg(strstr(err.hint, refusals[_i].hint), "%s", err.hint);
	scp__runtime_close(r);
	say(&fake.pull, "{}"); /* once its answer is there, the text may go */
	scp__buf_free(&line);
}
END_TEST

static void count_steps(void *user, const char *layer, const char *step, uint64_t done, uint64_t total)
{
	unsigned *counts = user;

	ck_assert(done <= total);
	if (!*layer)
		counts[0]++;
	else if (total)
		counts[1]++;
	else
		counts[2]++;
	ck_assert(*step);
}

/* 600 lines in no time. */
START_TEST(how_a_pull_gets_on_is_told_now_and_then)
{
	static char text[64 * 1024];
	unsigned counts[3] = { 0 };
	scp_runtime *r;
	size_t at = 0;

	for (unsigned i = 0; i < 300; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "{\"status\":\"Waiting\",\"progressDetail\":{},\"id\":\"l%u\"}\n"
		    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":%u,\"total\":300},\"id\":\"l\"}\n",
		    i, i);
	(void)snprintf(text + at, sizeof(text) - at, "{\"status\":\"Status: Downloaded\"}\n");
	opens(fake.url, NULL, &r);
	say(&fake.pull, text);
	/* The image isn't there afterwards either. */
	ck_assert_int_eq(scp__runtime_image_fetch(r, "a/b:1", count_steps, counts, NULL), SCP_ENOTFOUND);
	ck_assert_uint_eq(counts[0], 1);
	ck_assert_uint_eq(counts[1], 1);
	ck_assert(counts[2] >= 1 && counts[2] <= 10);
	scp__runtime_close(r);
}
END_TEST

static const scp_runtime_limit *limit_of(scp_runtime *r, const char *name)
{
	const scp_runtime_limit *rows;
	size_t count;

	scp__runtime_limits(r, &rows, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	ck_abort_msg("%s", name);
}

/* gVisor's own network puts packets past the kernel's rules. */
START_TEST(without_a_wall_there_is_no_network_unless_allowed_by_name)
{
	scp_error err = { 0 };
	scp_runtime *r;

	say(&fake.info,
	    "{" FEATURES "," LIMITS ",\"DefaultRuntime\":\"runsc\",\"SecurityOptions\":[\"name=seccomp\"]}");
	opens(fake.url, NULL, &r);
	ck_assert_int_eq(scp__runtime_network(r, &err), SCP_ENOTSUP);
	ck_assert_ptr_nonnull(strstr(err.message, "runsc"));
	ck_assert_ptr_nonnull(strstr(err.hint, "--allow-unenforced network"));
	ck_assert_str_eq(limit_of(r, "network")->state, "enforced"); /* there is none */
	scp__runtime_close(r);
	opens(fake.url, "disk,network", &r);
	ck_assert_int_eq(scp__runtime_network(r, NULL), SCP_OK);
	ck_assert_str_eq(limit_of(r, "network")->state, "not enforced");
	ck_assert_ptr_nonnull(strstr(limit_of(r, "network")->detail, "runsc"));
	scp__runtime_close(r);
}
END_TEST

START_TEST(a_file_of_logins_that_was_named_must_be_one)
{
	scp_error err = { 0 };
	scp_runtime *r;

	opens(fake.url_with_config, NULL, &r);
	ck_assert_int_ne(scp__runtime_image_prepare(r, "a/b:1", NULL, 0, &err), SCP_OK);
	ck_assert_ptr_nonnull(strstr(err.message, "config.json"));
	write_config("no JSON");
	memset(&err, 0, sizeof(err));
	ck_assert_int_ne(scp__runtime_image_prepare(r, "a/b:1", NULL, 0, &err), SCP_OK);
	ck_assert_ptr_nonnull(strstr(err.message, "config.json"));
	scp__runtime_close(r);
}
END_TEST

START_TEST(an_address_that_makes_no_sense_is_refused)
{
	static const char *const bad[] = { "docker:unix://relative", "docker:http://x", "docker:tcp://",
		"docker:tcp://host:1", "docker:tcp://a b:1?ca_file=/a&cert_file=/b&key_file=/c",
		"docker:unix:///s?ca_file=/x", "docker:unix:///s?local=no", "docker:unix:///s?what=/x",
		"docker:unix:///s?config_file=x", "docker:unix:///s?config_file",
		"docker:unix:///s?dns=", "docker:unix:///s?dns=name", "docker:unix:///s?dns=9.9.9.9,127.0.0.1",
		"docker:unix:///s?dns=1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1,1.1.1.1" };
	scp_runtime *r;
	scp_error err;

	ck_assert_int_eq(try_open(bad[_i], NULL, &r, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.hint, "docker:unix:///var/run/docker.sock"));
}
END_TEST

START_TEST(a_tls_file_that_isn_t_there_is_named)
{
	scp_runtime *r;
	scp_error err;

	ck_assert_int_eq(try_open("docker:tcp://127.0.0.1:1?ca_file=/nonexistent&cert_file=/nonexistent&key_file=/x",
			     NULL, &r, &err),
	    SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent"));
	ck_assert_ptr_nonnull(strstr(err.hint, "key_file"));
}
END_TEST

Suite *engine_suite(void)
{
	Suite *s = suite_create("runtime engine");
	TCase *t = tcase_create("engine");

	tcase_add_checked_fixture(t, begin, end);
	/* An ordinary user isn't served by any engine. */
	if (geteuid() == 0) {
		tcase_add_loop_test(t, an_engine_is_spoken_to_in_the_newest_version_that_both_know, 0, 4);
		tcase_add_test(t, an_engine_that_can_t_keep_the_promises_is_refused);
		tcase_add_test(t, remapped_users_are_found);
		tcase_add_test(t, a_registry_s_login_goes_along_with_its_images_alone);
		tcase_add_test(t, a_file_of_logins_that_was_named_must_be_one);
		tcase_add_loop_test(t, what_trying_again_won_t_mend_is_told_from_what_it_may, 0, REFUSALS);
		tcase_add_test(t, how_a_pull_gets_on_is_told_now_and_then);
		tcase_add_test(t, without_a_wall_there_is_no_network_unless_allowed_by_name);
	}
	tcase_add_test(t, an_engine_without_a_version_in_common_is_refused);
	tcase_add_loop_test(t, an_address_that_makes_no_sense_is_refused, 0, 14);
	tcase_add_test(t, a_tls_file_that_isn_t_there_is_named);
	suite_add_tcase(s, t);
	return s;
}
