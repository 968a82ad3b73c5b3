/* Backpressure both ways, many connections, too few descriptors. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "suites.h"

#define MIB (1024u * 1024)
#define TOTAL (100ull * MIB)

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static size_t rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0, pages = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lu %lu", &size, &pages), 2);
	fclose(f);
	return pages * 4096;
}

/* Sanitizers keep what was freed: under them there is nothing to learn from the process's size. */
static void below(size_t before, size_t most)
{
	size_t now = rss_bytes();

	ck_assert_msg(SANITIZED || now < before + most, "%zu KiB more", (now - before) / 1024);
}

static void *send_total(void *arg)
{
	static char block[65536];
	int fd = *(int *)arg;

	for (uint64_t sent = 0; sent < TOTAL; sent += sizeof(block))
		client_send(fd, block, sizeof(block));
	return NULL;
}

static uint64_t read_body(int fd, uint64_t want, size_t *most_rss)
{
	static char block[262144];
	uint64_t got = 0;

	while (got < want) {
		ssize_t n = recv(fd, block, sizeof(block), 0);

		if (n <= 0)
			break;
		got += (uint64_t)n;
		*most_rss = rss_bytes() > *most_rss ? rss_bytes() : *most_rss;
	}
	return got;
}

START_TEST(a_hundred_mebibytes_pass_both_ways_in_little_memory)
{
	char head[8192];
	int fd = client_connect();
	size_t before = rss_bytes(), most = 0;
	pthread_t sender;

	(void)snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %llu\r\n\r\n", TOTAL);
	client_text(fd, head);
	ck_assert_int_eq(pthread_create(&sender, NULL, send_total, &fd), 0);
	/* the header is a little of what is counted */
	ck_assert_uint_ge(read_body(fd, TOTAL, &most), TOTAL);
	pthread_join(sender, NULL);
	ck_assert_msg(SANITIZED || most < before + 8 * MIB, "%zu KiB more", (most - before) / 1024);
	close(fd);
}
END_TEST

START_TEST(a_paused_body_stops_the_sender_and_loses_nothing)
{
	char text[8192];
	static char block[65536];
	int fd = client_connect();
	uint64_t sent = 0;
	size_t before = rss_bytes();

	(void)snprintf(text, sizeof(text), "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: %llu\r\n\r\n", TOTAL);
	client_text(fd, text);
	wait_for(&app_heads, 1);
	/* until the socket takes no more for a while */
	for (int idle = 0; idle < 200;) {
		ssize_t n = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n > 0 ? (uint64_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		if (n <= 0)
			usleep(1000);
	}
	ck_assert_uint_lt(sent, TOTAL / 2);
	ck_assert_uint_eq(app_body_bytes, 0);
	below(before, 4 * MIB);
	client_exchange("GET /release HTTP/1.1\r\nHost: a\r\n\r\n", text, sizeof(text));
	for (; sent < TOTAL; sent += sizeof(block))
		client_send(fd, block, TOTAL - sent < sizeof(block) ? (size_t)(TOTAL - sent) : sizeof(block));
	client_read_until(fd, text, sizeof(text), "\r\n\r\n104857600\n");
	close(fd);
}
END_TEST

START_TEST(a_slow_reader_of_a_big_answer_costs_little_memory)
{
	int fd = client_connect();
	size_t before = rss_bytes(), most = 0;

	client_text(fd, "GET /big?n=104857600&chunked HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	wait_for(&app_ends, 1);
	usleep(100000); /* it would fill memory now, if it did */
	below(before, 4 * MIB);
	ck_assert_uint_gt(read_body(fd, UINT64_MAX, &most), TOTAL);
	ck_assert(SANITIZED || most < before + 8 * MIB);
	close(fd);
}
END_TEST

START_TEST(a_client_that_pipelines_without_reading_is_bounded)
{
	static char block[3700];
	static const char one[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
	int fd = client_connect();
	size_t before = rss_bytes();

	for (size_t at = 0; at + sizeof(one) - 1 <= sizeof(block); at += sizeof(one) - 1)
		memcpy(block + at, one, sizeof(one) - 1);
	for (int idle = 0; idle < 200;) {
		ssize_t n =
		    send(fd, block, sizeof(block) / (sizeof(one) - 1) * (sizeof(one) - 1), MSG_DONTWAIT | MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		if (n <= 0)
			usleep(1000);
	}
	below(before, 4 * MIB);
	close(fd);
}
END_TEST

START_TEST(many_idle_connections_cost_little_memory_and_others_are_served)
{
	enum { N = 4000 };
	static int fds[N];
	struct rlimit limit = { 12000, 12000 };
	char answer[4096];
	size_t before = rss_bytes();

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < N; i++) {
		fds[i] = client_connect();
		client_text(fds[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
		client_read_until(fds[i], answer, sizeof(answer), "hello\n");
	}
	below(before, N * 4096u);
	client_exchange("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "hello\n"));
	for (int i = 0; i < N; i++)
		close(fds[i]);
	wait_for(&app_closes, N + 1);
}
END_TEST

START_TEST(without_descriptors_accepting_pauses_and_goes_on)
{
	struct rlimit old, few;
	int fds[64], n = 0, fd;
	char answer[4096];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (; n < 40; n++)
		fds[n] = client_connect();
	client_exchange("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", answer, sizeof(answer));
	/* this client has its descriptor; the server gets none for it */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	close(fd);
	few = old;
	few.rlim_cur = (rlim_t)fd + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	fd = client_connect();
	client_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	close(fds[--n]); /* one is free: the client's turn */
	client_read_until(fd, answer, sizeof(answer), "hello\n");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(fd);
	while (n)
		close(fds[--n]);
}
END_TEST

static void setup(void)
{
	fixture_start(NULL);
}

Suite *flow_suite(void)
{
	Suite *s = suite_create("flow");
	TCase *t = tcase_create("flow");

	tcase_set_timeout(t, 180);
	tcase_add_checked_fixture(t, setup, fixture_stop);
	tcase_add_test(t, a_hundred_mebibytes_pass_both_ways_in_little_memory);
	tcase_add_test(t, a_paused_body_stops_the_sender_and_loses_nothing);
	tcase_add_test(t, a_slow_reader_of_a_big_answer_costs_little_memory);
	tcase_add_test(t, a_client_that_pipelines_without_reading_is_bounded);
	tcase_add_test(t, many_idle_connections_cost_little_memory_and_others_are_served);
	tcase_add_test(t, without_descriptors_accepting_pauses_and_goes_on);
	suite_add_tcase(s, t);
	return s;
}
