/* What a sandbox with a network reaches, and what it doesn't: in with_network.sh's world. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define PUBLIC "203.0.113.10"

/* On the host, beyond it, and the resolver's other ports. */
static const char *const forbidden[] = { "169.254.169.254", "100.100.100.200", "10.1.2.3", "10.1.2.53", "10.99.0.1",
	"10.99.0.2", "198.51.100.7" };

static scp_runtime_spec network_spec(const char *name)
{
	scp_runtime_spec spec = guest_spec(name);

	spec.network = true;
	return spec;
}

static void run_with_network(const char *name)
{
	scp_runtime_spec spec = network_spec(name);
	scp_error err = { 0 };

	ck_assert_msg(!scp__runtime_run(rt, &spec, &err), "%s", err.message);
}

/* Debian's busybox has a wget that dies of its own time limit. */
#define GET "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 3 %s %s | grep -c reached"

/* "1\n": it was reached. */
static const char *fetch_port(const char *name, const char *address, const char *port)
{
	char line[200] = "u ";

	(void)snprintf(line + 2, sizeof(line) - 2, GET " 2>/dev/null", address, port);
	return ask(name, line);
}

static bool reaches(const char *name, const char *address)
{
	return strcmp(fetch_port(name, address, "80"), "1\n") == 0;
}

static int shell(const char *fmt, const char *a, const char *b)
{
	char command[600];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(command, sizeof(command), fmt, a, b);
#pragma GCC diagnostic pop
	return system(command);
}

static const char *own_address(const char *name)
{
	static char address[64];

	(void)snprintf(address, sizeof(address), "%s",
	    ask(name, "u ip -4 addr show dev eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p'"));
	address[strcspn(address, "\n")] = '\0';
	ck_assert_msg(address[0], "an address");
	return address;
}

static const char *gateway(const char *name)
{
	static char address[64];

	(void)snprintf(
	    address, sizeof(address), "%s", ask(name, "u ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p'"));
	address[strcspn(address, "\n")] = '\0';
	ck_assert_msg(address[0], "a gateway");
	return address;
}

static const char *docker_socket(void)
{
	static char path[200];

	(void)snprintf(path, sizeof(path), "%s/docker.sock", getenv("TEST_DOCKER_DIR"));
	return path;
}

static int networks(void)
{
	return WEXITSTATUS(shell("exit $(curl -sS --unix-socket %s http://localhost/v1.40/networks | grep -o "
				 "'\"Name\":\"sandboxcp-[0-9a-f]*\"' | wc -l)%s",
	    docker_socket(), ""));
}

/* Else what follows would prove nothing. */
START_TEST(the_stand_ins_can_be_reached_from_the_host)
{
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		ck_assert_msg(shell(GET " >/dev/null", forbidden[i], "80") == 0, "%s", forbidden[i]);
	ck_assert_int_eq(shell(GET " >/dev/null", PUBLIC, "80"), 0);
	ck_assert_int_eq(shell(GET " >/dev/null", "fd00:ec2::254", "80"), 0);
}
END_TEST

/* A container on the same bridge that isn't a sandbox: it is the wall that makes the difference. */
START_TEST(the_stand_ins_can_be_reached_from_the_bridge)
{
	run_with_network("scp-net");
	ck_assert_int_eq(
	    shell("set -e; api() { curl -sS -f --unix-socket %s \"$@\"; }; net=$(api "
		  "http://l/v1.40/networks | grep -o 'sandboxcp-[0-9a-f]*' | head -n 1); api -X POST "
		  "'http://l/v1.40/containers/create?name=plain' -H 'Content-Type: application/json' -d "
		  "'{\"Image\":\"scp-test/box\",\"Cmd\":[\"nc\",\"-w\",\"3\",\"%s\",\"80\"],"
		  "\"HostConfig\":{\"NetworkMode\":\"'$net'\"}}' >/dev/null; api -X POST "
		  "http://l/v1.40/containers/plain/start; api -X POST http://l/v1.40/containers/plain/wait | grep -q "
		  "'\"StatusCode\":0'; api -X DELETE http://l/v1.40/containers/plain",
		docker_socket(), "169.254.169.254"),
	    0);
}
END_TEST

START_TEST(a_public_host_is_reached)
{
	run_with_network("scp-net");
	ck_assert(reaches("scp-net", PUBLIC));
}
END_TEST

START_TEST(metadata_private_and_the_host_s_addresses_are_refused)
{
	run_with_network("scp-net");
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		ck_assert_msg(!reaches("scp-net", forbidden[i]), "%s", forbidden[i]);
	ck_assert(!reaches("scp-net", gateway("scp-net")));
	ck_assert(!reaches("scp-net", "127.0.0.1"));
	ck_assert(!reaches("scp-net", "fd00:ec2::254"));
	ck_assert(reaches("scp-net", PUBLIC));
}
END_TEST

/* Said at once, not after the minutes that silence takes. */
START_TEST(what_is_refused_is_refused_at_once)
{
	run_with_network("scp-net");
	ck_assert_str_eq(ask("scp-net", "b 169.254.169.254 80"), "113\n"); /* EHOSTUNREACH */
}
END_TEST

START_TEST(a_socket_bound_to_the_device_is_no_way_around)
{
	char line[100];

	run_with_network("scp-net");
	ck_assert_str_eq(ask("scp-net", "b " PUBLIC " 80"), "0\n");
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		(void)snprintf(line, sizeof(line), "b %s 80", forbidden[i]);
		ck_assert_str_ne(ask("scp-net", line), "0\n");
	}
	(void)snprintf(line, sizeof(line), "b %s 80", gateway("scp-net"));
	ck_assert_str_ne(ask("scp-net", line), "0\n");
}
END_TEST

START_TEST(an_address_that_the_host_gets_later_is_shut_too)
{
	run_with_network("scp-net");
	ck_assert_int_eq(shell("ip address add 198.51.100.8/32 dev lo%s%s", "", ""), 0);
	ck_assert_int_eq(shell(GET " >/dev/null", "198.51.100.8", "80"), 0);
	ck_assert(!reaches("scp-net", "198.51.100.8"));
	ck_assert_int_eq(shell("ip address del 198.51.100.8/32 dev lo%s%s", "", ""), 0);
}
END_TEST

START_TEST(sandboxes_are_no_neighbours)
{
	char first[64], line[100];

	run_with_network("scp-one");
	run_with_network("scp-two");
	(void)snprintf(first, sizeof(first), "%s", own_address("scp-one"));
	(void)ask("scp-one", "u echo reached >/tmp/index.html; httpd -p 8080 -h /tmp");
	ck_assert_str_eq(fetch_port("scp-one", first, "8080"), "1\n");
	ck_assert_str_ne(fetch_port("scp-two", first, "8080"), "1\n");
	(void)snprintf(line, sizeof(line), "b %s 8080", first);
	ck_assert_str_ne(ask("scp-two", line), "0\n");
}
END_TEST

START_TEST(of_the_resolver_only_its_port_is_open)
{
	run_with_network("scp-net");
	ck_assert_str_eq(fetch_port("scp-net", "10.1.2.53", "53"), "1\n");
	ck_assert(!reaches("scp-net", "10.1.2.53"));
	ck_assert_str_ne(fetch_port("scp-net", "10.1.2.3", "53"), "1\n");
	ck_assert_str_eq(ask("scp-net", "u grep -c 127.0.0.11 /etc/resolv.conf"), "1\n");
	ck_assert_str_eq(ask("scp-net", "u nslookup host.example | grep -c 203.0.113.10"), "1\n");
}
END_TEST

/* As a host that moves to another network does. */
START_TEST(the_resolvers_are_those_of_now)
{
	const char *conf = getenv("TEST_RESOLV_CONF");

	ck_assert_int_eq(shell("echo 'nameserver 10.1.2.54' >%s%s", conf, ""), 0);
	run_with_network("scp-net");
	ck_assert_str_eq(ask("scp-net", "u nslookup host.example | grep -c 203.0.113.10"), "1\n");
	ck_assert_str_eq(ask("scp-net", "u nslookup host.example 10.1.2.54 | grep -c 203.0.113.10"), "1\n");
	ck_assert_str_ne(fetch_port("scp-net", "10.1.2.53", "53"), "1\n");
	ck_assert_int_eq(shell("echo 'nameserver 10.1.2.53' >%s%s", conf, ""), 0);
}
END_TEST

static int namespace_pid;

static scp_status take_pid(void *user, const scp_runtime_info *info, scp_error *err)
{
	(void)user;
	(void)err;
	namespace_pid = info->host_pid;
	return SCP_OK;
}

/* As if whoever started it had been killed before there was a wall. */
START_TEST(one_that_runs_without_a_wall_gets_it_before_it_is_given_out)
{
	char pid[16];

	run_with_network("scp-net");
	ck_assert_int_eq(scp__runtime_inspect(rt, "scp-net", take_pid, NULL, NULL), SCP_OK);
	(void)snprintf(pid, sizeof(pid), "%d", namespace_pid);
	ck_assert_int_eq(shell("nsenter --net=/proc/%s/ns/net nft delete table inet sandboxcp%s", pid, ""), 0);
	ck_assert(reaches("scp-net", "169.254.169.254"));
	run_with_network("scp-net");
	ck_assert(!reaches("scp-net", "169.254.169.254"));
}
END_TEST

START_TEST(the_network_goes_with_its_last_user)
{
	run_with_network("scp-net");
	ck_assert_int_eq(networks(), 1);
	reopen();
	ck_assert_int_eq(networks(), 1);
	ck_assert(reaches("scp-net", PUBLIC));
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-net", NULL), SCP_OK);
	reopen();
	ck_assert_int_eq(networks(), 0);
	ck_assert_int_eq(shell("! nft list tables | grep sandboxcp%s%s", "", ""), 0);
	run_with_network("scp-net");
	ck_assert(reaches("scp-net", PUBLIC));
}
END_TEST

START_TEST(the_others_still_have_lo_alone)
{
	run_with_network("scp-net");
	run_guest("scp-none");
	ck_assert_str_eq(ask("scp-none", "u cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '"), "lo\n");
	ck_assert(!reaches("scp-none", PUBLIC));
}
END_TEST

START_TEST(it_is_told_how_the_network_is_kept)
{
	const scp_runtime_limit *rows;
	bool told = false;
	size_t count;

	scp__runtime_limits(rt, &rows, &count);
	for (size_t i = 0; i < count; i++)
		told |= !strcmp(rows[i].name, "network") && !strcmp(rows[i].state, "enforced") &&
			strstr(rows[i].detail, "nf_tables");
	ck_assert(told);
	ck_assert_int_eq(scp__runtime_network(rt, NULL), SCP_OK);
}
END_TEST

Suite *network_suite(void)
{
	Suite *s = suite_create("runtime network");
	TCase *t = tcase_create("network");

	tcase_add_checked_fixture(t, test_begin, test_end);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, the_stand_ins_can_be_reached_from_the_host);
	tcase_add_test(t, the_stand_ins_can_be_reached_from_the_bridge);
	tcase_add_test(t, a_public_host_is_reached);
	tcase_add_test(t, metadata_private_and_the_host_s_addresses_are_refused);
	tcase_add_test(t, what_is_refused_is_refused_at_once);
	tcase_add_test(t, a_socket_bound_to_the_device_is_no_way_around);
	tcase_add_test(t, an_address_that_the_host_gets_later_is_shut_too);
	tcase_add_test(t, sandboxes_are_no_neighbours);
	tcase_add_test(t, of_the_resolver_only_its_port_is_open);
	tcase_add_test(t, the_resolvers_are_those_of_now);
	tcase_add_test(t, one_that_runs_without_a_wall_gets_it_before_it_is_given_out);
	tcase_add_test(t, the_network_goes_with_its_last_user);
	tcase_add_test(t, the_others_still_have_lo_alone);
	tcase_add_test(t, it_is_told_how_the_network_is_kept);
	suite_add_tcase(s, t);
	return s;
}
