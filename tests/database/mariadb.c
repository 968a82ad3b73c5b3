/* MariaDB alone: connections that are lost at each moment, the pool's bounds, and what an operator is told. */
#include "help.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

static scp_database *root;

static scp_status run_as_root(scp_db_tx *tx, void *arg, scp_error *err)
{
	return tx->db->ops->exec(tx, arg, err);
}

static void root_sql(const char *sql)
{
	scp_error err = { 0 };

	ck_assert_msg(!scp__database_transact(root, SCP_DB_WRITE, run_as_root, (void *)(uintptr_t)sql, &err), "%s: %s",
	    sql, err.message);
}

static void open_root(void)
{
	char url[200];
	scp_error err = { 0 };

	snprintf(
	    url, sizeof(url), "%s/mysql?socket=%s", getenv("SCP_TEST_MARIADB_ROOT"), getenv("SCP_TEST_MARIADB_SOCKET"));
	ck_assert_msg(!scp__database_open(&root, url, &err), "%s", err.message);
	fixture_open();
}

static void close_root(void)
{
	fixture_close();
	scp__database_close(root);
}

/* The test's database once more, with parameters; the caller's. */
static scp_database *open_with(const char *query)
{
	scp_database *other;
	scp_error err = { 0 };

	ck_assert_msg(!open_it(&other, test_url(query), &err), "%s", err.message);
	return other;
}

/* ---- connections that are lost ---- */

typedef struct victim {
	int runs;
	int deaths; /* how many runs end with the connection killed */
	bool after; /* behind the insert, so that only COMMIT notices */
} victim;

static void kill_own(scp_db_tx *tx)
{
	question q = { "SELECT CONNECTION_ID()", 0 };
	char sql[40];

	ck_assert_int_eq(ask(tx, &q, NULL), SCP_OK);
	snprintf(sql, sizeof(sql), "KILL %lld", (long long)q.answer);
	root_sql(sql);
}

static scp_status die(scp_db_tx *tx, void *arg, scp_error *err)
{
	victim *v = arg;
	scp_status rc;

	if (++v->runs <= v->deaths && !v->after)
		kill_own(tx);
	rc = insert_key(tx, (char[]){ "a" }, err);
	if (!rc && v->runs <= v->deaths && v->after)
		kill_own(tx);
	return rc;
}

START_TEST(a_connection_lost_before_the_commit_costs_one_more_run)
{
	victim v = { .deaths = 1 };
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, die, &v, &err), SCP_OK);
	ck_assert_int_eq(v.runs, 2);
	ck_assert_int_eq(err.status, SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 1);
}
END_TEST

START_TEST(connections_that_are_lost_again_are_given_up)
{
	victim v = { .deaths = 100 };
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, die, &v, &err), SCP_EUNAVAIL);
	ck_assert_int_eq(v.runs, 2);
	ck_assert_uint_gt(err.retry_after_ms, 0);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 0);
}
END_TEST

START_TEST(a_commit_without_an_answer_is_never_repeated)
{
	victim v = { .deaths = 1, .after = true };
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, die, &v, &err), SCP_EUNAVAIL);
	ck_assert_int_eq(v.runs, 1);
	ck_assert_ptr_nonnull(strstr(err.message, "unknown"));
	ck_assert_ptr_nonnull(strstr(err.hint, "Idempotency-Key"));
	ck_assert_uint_gt(err.retry_after_ms, 0);
}
END_TEST

static scp_status swallow(scp_db_tx *tx, void *arg, scp_error *err)
{
	int *runs = arg;

	if (!(*runs)++)
		kill_own(tx);
	(void)insert_key(tx, (char[]){ "a" }, NULL);
	(void)err;
	return SCP_OK;
}

START_TEST(a_body_that_does_not_notice_runs_again_too)
{
	int runs = 0;

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, swallow, &runs, NULL), SCP_OK);
	ck_assert_int_eq(runs, 2);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 1);
}
END_TEST

static scp_status nothing(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return run(tx, "SELECT 1", NULL, 0, err);
}

/* As a server's restart leaves them: all that are kept are dead. */
START_TEST(dead_connections_that_were_kept_are_no_error)
{
	scp_error err = { 0 };

	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(number("SELECT count(*) FROM t"), round);
		root_sql("KILL USER scp");
		ck_assert_msg(!scp__database_transact(
				  db, SCP_DB_WRITE, insert_key, (char[]){ 'a', (char)('0' + round), 0 }, &err),
		    "%s", err.message);
	}
}
END_TEST

/* ---- conflicts ---- */

typedef struct meeting {
	pthread_barrier_t both;
	atomic_int runs;
} meeting;

typedef struct side {
	meeting *m;
	const char *first, *second;
	bool met;
} side;

static scp_status cross(scp_db_tx *tx, void *arg, scp_error *err)
{
	side *s = arg;
	scp_status rc;

	atomic_fetch_add(&s->m->runs, 1);
	rc = run(tx, s->first, NULL, 0, err);
	if (!s->met)
		pthread_barrier_wait(&s->m->both);
	s->met = true;
	return rc ? rc : run(tx, s->second, NULL, 0, err);
}

static void *cross_in_thread(void *arg)
{
	return (void *)(intptr_t)scp__database_transact(db, SCP_DB_WRITE, cross, arg, NULL);
}

START_TEST(a_deadlock_is_run_again)
{
	static const char a[] = "UPDATE t SET n = n + 1 WHERE k = 'a'", b[] = "UPDATE t SET n = n + 1 WHERE k = 'b'";
	meeting m = { .runs = 0 };
	side one = { &m, a, b, false }, two = { &m, b, a, false };
	pthread_t thread;
	void *rc;

	pthread_barrier_init(&m.both, NULL, 2);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, NULL), SCP_OK);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "b" }, NULL), SCP_OK);
	pthread_create(&thread, NULL, cross_in_thread, &one);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, cross, &two, NULL), SCP_OK);
	pthread_join(thread, &rc);
	ck_assert_ptr_null(rc);
	ck_assert_int_eq(atomic_load(&m.runs), 3);
	ck_assert_int_eq(number("SELECT sum(n) FROM t"), 6);
	pthread_barrier_destroy(&m.both);
}
END_TEST

/* ---- the pool ---- */

typedef struct gate {
	scp_database *on;
	sem_t inside, open;
} gate;

static scp_status stay(scp_db_tx *tx, void *arg, scp_error *err)
{
	gate *g = arg;
	scp_status rc = nothing(tx, NULL, err);

	sem_post(&g->inside);
	sem_wait(&g->open);
	return rc;
}

static void *stay_in_thread(void *arg)
{
	gate *g = arg;

	return (void *)(intptr_t)scp__database_transact(g->on, SCP_DB_READ, stay, g, NULL);
}

static void fill(gate *g, scp_database *on, pthread_t *threads, int count)
{
	g->on = on;
	sem_init(&g->inside, 0, 0);
	sem_init(&g->open, 0, 0);
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, stay_in_thread, g);
	for (int i = 0; i < count; i++)
		sem_wait(&g->inside);
}

static void empty(gate *g, pthread_t *threads, int count)
{
	void *rc;

	for (int i = 0; i < count; i++)
		sem_post(&g->open);
	for (int i = 0; i < count; i++) {
		pthread_join(threads[i], &rc);
		ck_assert_ptr_null(rc);
	}
	sem_destroy(&g->inside);
	sem_destroy(&g->open);
}

START_TEST(the_pool_is_bounded_and_so_is_the_wait_for_it)
{
	scp_database *small = open_with("?pool=2&extra=1&wait_ms=200");
	scp_db_load load;
	scp_error err = { 0 };
	pthread_t threads[3];
	int64_t begun;
	gate g;

	fill(&g, small, threads, 3);
	scp__database_load(small, &load);
	ck_assert_uint_eq(load.held, 3);
	begun = scp__mono_us();
	ck_assert_int_eq(scp__database_transact(small, SCP_DB_READ, nothing, NULL, &err), SCP_EUNAVAIL);
	ck_assert_int_ge(scp__mono_us() - begun, 190000);
	ck_assert_uint_gt(err.retry_after_ms, 0);
	ck_assert_ptr_nonnull(strstr(err.message, "all 3 connections"));
	empty(&g, threads, 3);
	ck_assert_int_eq(scp__database_transact(small, SCP_DB_READ, nothing, NULL, &err), SCP_OK);
	scp__database_load(small, &load);
	ck_assert_uint_eq(load.held, 0);
	ck_assert_uint_eq(load.idle, 2);
	scp__database_close(small);
}
END_TEST

static void *wait_in_thread(void *arg)
{
	return (void *)(intptr_t)scp__database_transact(arg, SCP_DB_READ, nothing, NULL, NULL);
}

START_TEST(who_waits_gets_the_next_one)
{
	scp_database *small = open_with("?pool=1&extra=0");
	pthread_t thread, waiter;
	scp_db_load load = { 0 };
	void *rc;
	gate g;

	fill(&g, small, &thread, 1);
	pthread_create(&waiter, NULL, wait_in_thread, small);
	while (!load.waiting)
		scp__database_load(small, &load);
	empty(&g, &thread, 1);
	pthread_join(waiter, &rc);
	ck_assert_ptr_null(rc);
	scp__database_close(small);
}
END_TEST

START_TEST(connections_that_nobody_needs_are_closed)
{
	scp_database *other = open_with("?idle_s=1");
	scp_db_load load = { .idle = 99 };
	pthread_t threads[6];
	gate g;

	fill(&g, other, threads, 6);
	empty(&g, threads, 6);
	for (int64_t until = scp__mono_us() + 30000000; load.idle > 1 && scp__mono_us() < until; usleep(20000)) {
		ck_assert_int_eq(scp__database_transact(other, SCP_DB_READ, nothing, NULL, NULL), SCP_OK);
		scp__database_load(other, &load);
	}
	ck_assert_uint_eq(load.idle, 1);
	scp__database_close(other);
}
END_TEST

static void *short_life(void *arg)
{
	return (void *)(intptr_t)scp__database_transact(db, SCP_DB_READ, nothing, arg, NULL);
}

START_TEST(any_thread_of_the_host_will_do)
{
	pthread_t threads[16];
	scp_db_load load;
	void *rc;

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 16; i++)
			pthread_create(&threads[i], NULL, short_life, NULL);
		for (int i = 0; i < 16; i++) {
			pthread_join(threads[i], &rc);
			ck_assert_ptr_null(rc);
		}
	}
	scp__database_load(db, &load);
	ck_assert_uint_eq(load.held, 0);
	ck_assert_uint_le(load.idle, 20);
}
END_TEST

START_TEST(a_statement_that_takes_too_long_is_ended)
{
	scp_database *hasty = open_with("?timeout_s=1");
	static const char slow[] = "SELECT SLEEP(20)";
	int64_t begun = scp__mono_us();
	scp_error err = { 0 };
	question q = { slow, 0 };

	/* The server's own limit and the connection's come at about the same time. */
	ck_assert_int_eq(scp__database_transact(hasty, SCP_DB_READ, ask, &q, &err) ? SCP_EUNAVAIL : SCP_OK,
	    q.answer == 1 ? SCP_OK : SCP_EUNAVAIL);
	ck_assert_int_lt(scp__mono_us() - begun, 10000000);
	ck_assert_int_eq(scp__database_transact(hasty, SCP_DB_READ, nothing, NULL, &err), SCP_OK);
	scp__database_close(hasty);
}
END_TEST

/* ---- how a connection is set up ---- */

START_TEST(sessions_are_strict_and_in_utc)
{
	ck_assert_int_eq(number("SELECT @@sql_mode LIKE '%STRICT_ALL_TABLES%'"), 1);
	ck_assert_int_eq(number("SELECT @@time_zone = '+00:00'"), 1);
	ck_assert_int_eq(
	    number("SELECT @@character_set_client = 'utf8mb4' AND @@character_set_connection = 'utf8mb4'"), 1);
	ck_assert_int_eq(number("SELECT @@collation_connection = 'utf8mb4_nopad_bin'"), 1);
	ck_assert_int_eq(number("SELECT @@tx_isolation = 'REPEATABLE-READ' AND @@tx_read_only"), 1);
	ck_assert_int_eq(number("SELECT @@innodb_lock_wait_timeout"), 5);
	ck_assert_int_eq(number("SELECT @@local_infile + 1 > 0"), 1);
}
END_TEST

static scp_status insert_bad_text(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return run(tx, "INSERT INTO t (x, k, n) VALUES ('', ?, ?)", "\xff\xfe secret", 1, err);
}

static scp_status insert_long_key(scp_db_tx *tx, void *arg, scp_error *err)
{
	char key[301];

	(void)arg;
	memset(key, 'k', 300);
	key[300] = '\0';
	return run(tx, "INSERT INTO t (k, n) VALUES (?, ?)", key, 1, err);
}

START_TEST(what_does_not_fit_is_refused_and_not_bent)
{
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_bad_text, NULL, &err), SCP_EINVAL);
	ck_assert_ptr_null(strstr(err.message, "secret"));
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_long_key, NULL, NULL), SCP_EBACKEND);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 0);
}
END_TEST

/* ---- what an operator is told ---- */

static scp_error refused(const char *url, const char *password)
{
	scp__database_access access = { password, false };
	scp_error err = { 0 };
	scp_database *none;

	ck_assert_int_ne(scp__database_open_as(&none, url, &access, &err), SCP_OK);
	ck_assert_ptr_null(none);
	ck_assert_ptr_null(strstr(err.message, "hush-hush"));
	ck_assert_ptr_null(strstr(err.hint, "hush-hush"));
	return err;
}

START_TEST(urls_are_checked_and_never_shown)
{
	static const struct {
		const char *url, *says;
	} bad[] = {
		{ "mariadb:u@h/n", "'//'" },
		{ "mariadb://h/n", "user" },
		{ "mariadb://u:hush-hush@h/n", "password" },
		{ "mariadb://u@h", "database" },
		{ "mariadb://u@h/", "database" },
		{ "mariadb://u@h/a`b", "database" },
		{ "mariadb://u@/n", "host" },
		{ "mariadb://u@h:x/n", "port" },
		{ "mariadb://u@h:0/n", "port" },
		{ "mariadb://u@h:65536/n", "port" },
		{ "mariadb://u@[::1/n", "']'" },
		{ "mariadb://u@[::1]x/n", "host" },
		{ "mariadb://%zz@h/n", "'%'" },
		{ "mariadb://%00@h/n", "'%'" },
		{ "mariadb://u@h/n?pool", "'='" },
		{ "mariadb://u@h/n?pool=0", "pool" },
		{ "mariadb://u@h/n?wait_ms=5001", "wait_ms" },
		{ "mariadb://u@h/n?pool=99999999999999999999", "pool" },
		{ "mariadb://u@h/n?tls=perhaps", "tls" },
		{ "mariadb://u@h/n?tls_ca=relative", "tls_ca" },
		{ "mariadb://u@h/n?tls_cert=/c", "tls_key" },
		{ "mariadb://u@h/n?socket=/s", "both" },
		{ "mariadb://u@h/n?password=hush-hush", "unknown" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		scp_error err = refused(bad[i].url, NULL);

		ck_assert_int_eq(err.status, SCP_EINVAL);
		ck_assert_msg(strstr(err.message, bad[i].says), "%s: %s", bad[i].url, err.message);
		ck_assert_uint_gt(strlen(err.hint), 0);
	}
}
END_TEST

START_TEST(a_wrong_password_names_the_option)
{
	scp_error err = refused(test_url(""), "hush-hush");

	ck_assert_int_eq(err.status, SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.hint, "--database-password-file"));
}
END_TEST

START_TEST(a_database_that_is_not_there_comes_with_the_statements)
{
	char url[200];
	scp_error err;

	snprintf(url, sizeof(url), "%s/scp_none", getenv("SCP_TEST_MARIADB"));
	err = refused(url, getenv("SCP_TEST_MARIADB_PASSWORD"));
	ck_assert_ptr_nonnull(strstr(err.hint, "--migrate"));
	ck_assert_ptr_nonnull(strstr(err.hint, "CREATE DATABASE `scp_none`"));
	ck_assert_ptr_nonnull(strstr(err.hint, "GRANT ALL ON `scp_none`.* TO 'scp'@'%'"));
	snprintf(url, sizeof(url), "%s/others", getenv("SCP_TEST_MARIADB"));
	err = refused(url, getenv("SCP_TEST_MARIADB_PASSWORD"));
	ck_assert_ptr_nonnull(strstr(err.hint, "GRANT ALL ON `others`.*"));
}
END_TEST

START_TEST(a_server_out_of_reach_is_named)
{
	scp_error err = refused("mariadb://scp@127.0.0.1:1/scp_x", NULL);

	ck_assert_int_eq(err.status, SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, "127.0.0.1:1"));
	ck_assert_ptr_nonnull(strstr(err.hint, "--database"));
	ck_assert_uint_gt(err.retry_after_ms, 0);
	err = refused("mariadb://scp@no-such-host.invalid/scp_x?tls=off", NULL);
	ck_assert_ptr_nonnull(strstr(err.hint, "host"));
	err = refused("mariadb://scp@/scp_x?socket=/no/such/socket", NULL);
	ck_assert_ptr_nonnull(strstr(err.message, "/no/such/socket"));
}
END_TEST

START_TEST(a_read_only_server_is_told_apart)
{
	char detail[200];
	scp_error err;

	root_sql("SET GLOBAL read_only = ON");
	err = refused(test_url(""), getenv("SCP_TEST_MARIADB_PASSWORD"));
	ck_assert_int_eq(err.status, SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.hint, "read_only = OFF"));
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(scp__database_health(db, 1000, detail, sizeof(detail), &err), SCP_EUNAVAIL);
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, &err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.hint, "read_only = OFF"));
	root_sql("SET GLOBAL read_only = OFF");
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, &err), SCP_OK);
}
END_TEST

static void writable_again(void)
{
	root_sql("SET GLOBAL read_only = OFF");
	root_sql("SET GLOBAL max_prepared_stmt_count = 16382");
	close_root();
}

/* ---- bounds of the server's ---- */

START_TEST(with_few_prepared_statements_it_goes_on_with_fewer)
{
	char texts[30][64];

	root_sql("SET GLOBAL max_prepared_stmt_count = 10");
	for (int i = 0; i < 30; i++) {
		snprintf(texts[i], sizeof(texts[i]), "SELECT count(*) + %d FROM t", i);
		ck_assert_int_eq(number(texts[i]), i);
	}
}
END_TEST

/* ---- TLS ---- */

static scp_status open_tls(const char *parameter, char detail[200], scp_error *err)
{
	char query[200];
	scp_database *other;
	scp_status rc;

	snprintf(query, sizeof(query), "?%s", parameter);
	rc = open_it(&other, test_url(query), err);
	if (!rc)
		rc = scp__database_health(other, 2000, detail, 200, err);
	scp__database_close(other);
	return rc;
}

START_TEST(tls_is_what_the_url_says)
{
	char verify[160], detail[200] = "";
	scp_error err = { 0 };

	ck_assert_msg(!open_tls("tls=require", detail, &err), "%s", err.message);
	ck_assert_ptr_nonnull(strstr(detail, "TLS TLS_"));
	ck_assert_int_eq(open_tls("tls=off", detail, &err), SCP_OK);
	ck_assert_ptr_nonnull(strstr(detail, "TLS off"));
	snprintf(verify, sizeof(verify), "tls=verify&tls_ca=%s", getenv("SCP_TEST_MARIADB_CA"));
	ck_assert_msg(!open_tls(verify, detail, &err), "%s", err.message);
	ck_assert_ptr_nonnull(strstr(detail, "TLS TLS_"));
	/* Of a stranger, as far as this machine's list of authorities goes. */
	ck_assert_int_eq(open_tls("tls=verify", detail, &err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.hint, "tls_ca"));
}
END_TEST

Suite *mariadb_suite(void)
{
	Suite *s = suite_create("mariadb");
	TCase *c = tcase_create("connections"), *t = tcase_create("told");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, open_root, close_root);
	tcase_add_test(c, a_connection_lost_before_the_commit_costs_one_more_run);
	tcase_add_test(c, connections_that_are_lost_again_are_given_up);
	tcase_add_test(c, a_commit_without_an_answer_is_never_repeated);
	tcase_add_test(c, a_body_that_does_not_notice_runs_again_too);
	tcase_add_test(c, dead_connections_that_were_kept_are_no_error);
	tcase_add_test(c, a_deadlock_is_run_again);
	tcase_add_test(c, the_pool_is_bounded_and_so_is_the_wait_for_it);
	tcase_add_test(c, who_waits_gets_the_next_one);
	tcase_add_test(c, connections_that_nobody_needs_are_closed);
	tcase_add_test(c, any_thread_of_the_host_will_do);
	tcase_add_test(c, a_statement_that_takes_too_long_is_ended);
	suite_add_tcase(s, c);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, open_root, writable_again);
	tcase_add_test(t, sessions_are_strict_and_in_utc);
	tcase_add_test(t, what_does_not_fit_is_refused_and_not_bent);
	tcase_add_test(t, urls_are_checked_and_never_shown);
	tcase_add_test(t, a_wrong_password_names_the_option);
	tcase_add_test(t, a_database_that_is_not_there_comes_with_the_statements);
	tcase_add_test(t, a_server_out_of_reach_is_named);
	tcase_add_test(t, a_read_only_server_is_told_apart);
	tcase_add_test(t, with_few_prepared_statements_it_goes_on_with_fewer);
	tcase_add_test(t, tls_is_what_the_url_says);
	suite_add_tcase(s, t);
	return s;
}
