#include "mariadb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "err.h"

#define PING_AFTER_US 5000000

/*
 * One round trip for all of it. A transaction begins by itself with its first statement. What waits is bounded: for
 * rows, for a table that another process changes.
 */
static const char setup[] =
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', "
    "collation_connection = 'utf8mb4_nopad_bin', "
    "innodb_lock_wait_timeout = 5, lock_wait_timeout = 20, wait_timeout = 28800, autocommit = 0, max_statement_time = "
    "%u";

/* ---- the vendor's library: set up once, never undone ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;

static void thread_over(void *mark)
{
	(void)mark;
	mysql_thread_end();
}

static void set_up(void)
{
	(void)mysql_library_init(0, NULL, NULL);
	(void)pthread_key_create(&thread_key, thread_over);
}

void scp__mariadb_enter(scp__mariadb_quiet *q)
{
	sigset_t pending;

	pthread_once(&once, set_up);
	if (!pthread_getspecific(thread_key)) {
		(void)mysql_thread_init();
		(void)pthread_setspecific(thread_key, &thread_key);
	}
	sigemptyset(&q->pipe);
	sigaddset(&q->pipe, SIGPIPE);
	sigpending(&pending);
	q->pending = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &q->pipe, &q->before);
}

void scp__mariadb_leave(const scp__mariadb_quiet *q)
{
	static const struct timespec now = { 0 };

	if (!q->pending)
		(void)sigtimedwait(&q->pipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &q->before, NULL);
}

/* ---- opening ---- */

static void set_tls(MYSQL *raw, const scp__mariadb_settings *s)
{
	my_bool on = s->tls != SCP__TLS_OFF, verify = s->tls == SCP__TLS_VERIFY;

	mysql_optionsv(raw, MYSQL_OPT_SSL_ENFORCE, &on);
	mysql_optionsv(raw, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	if (!on)
		return;
	if (s->tls_ca)
		mysql_optionsv(raw, MYSQL_OPT_SSL_CA, s->tls_ca);
	else if (verify)
		mysql_optionsv(raw, MYSQL_OPT_SSL_CA, "/etc/ssl/certs/ca-certificates.crt");
	if (s->tls_cert)
		mysql_optionsv(raw, MYSQL_OPT_SSL_CERT, s->tls_cert);
	if (s->tls_key)
		mysql_optionsv(raw, MYSQL_OPT_SSL_KEY, s->tls_key);
}

static void set_options(MYSQL *raw, const scp__mariadb_settings *s, const scp__mariadb_reach *reach)
{
	unsigned connect_s = reach->connect_s ? reach->connect_s : s->connect_s;
	unsigned io_s = reach->io_s ? reach->io_s : s->io_s;
	unsigned protocol = s->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP, no = 0;
	my_bool off = 0, on = 1;

	mysql_optionsv(raw, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_optionsv(raw, MYSQL_OPT_READ_TIMEOUT, &io_s);
	mysql_optionsv(raw, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
	mysql_optionsv(raw, MYSQL_OPT_PROTOCOL, &protocol);
	mysql_optionsv(raw, MYSQL_OPT_RECONNECT, &off);
	mysql_optionsv(raw, MYSQL_OPT_LOCAL_INFILE, &no); /* a server may ask for any of our files */
	mysql_optionsv(raw, MYSQL_REPORT_DATA_TRUNCATION, &on);
	mysql_optionsv(raw, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* None of these shows the password to whoever answers. */
	mysql_optionsv(raw, MARIADB_OPT_RESTRICTED_AUTH,
	    "mysql_native_password,client_ed25519,caching_sha2_password,auth_gssapi_client");
	set_tls(raw, s);
}

static scp_status check_server(scp__mariadb_conn *conn, scp_error *err)
{
	const char *version = mysql_get_server_info(conn->raw);

	if (mariadb_connection(conn->raw) && mysql_get_server_version(conn->raw) >= SCP__MARIADB_OLDEST)
		return SCP_OK;
	scp__fail(err, SCP_ENOTSUP, "database %s: the server is %s%.60s; MariaDB 10.6 or newer is needed",
	    conn->owner->settings.where, mariadb_connection(conn->raw) ? "" : "no MariaDB: ", version ? version : "?");
	scp__hint(err, "Upgrade the server, or name another one in --database");
	return SCP_ENOTSUP;
}

/* The connector goes on without TLS where the server has none, unless it was to verify it. */
static scp_status check_tls(scp__mariadb_conn *conn, scp_error *err)
{
	const scp__mariadb_settings *s = &conn->owner->settings;

	if (s->tls == SCP__TLS_OFF || mysql_get_ssl_cipher(conn->raw))
		return SCP_OK;
	conn->lost = true;
	scp__fail(err, SCP_EUNAVAIL, "database %s: the server offers no TLS", s->where);
	scp__hint(
	    err, "Give the server a certificate, or say tls=off in --database where nobody can listen on the way");
	return SCP_EUNAVAIL;
}

static scp_status connect_it(scp__mariadb_conn *conn, const scp__mariadb_reach *reach, scp_error *err)
{
	const scp__mariadb_settings *s = &conn->owner->settings;
	char sql[sizeof(setup) + 16];
	scp_status rc;
	int fd;

	set_options(conn->raw, s, reach);
	if (!mysql_real_connect(conn->raw, s->socket ? NULL : s->host, s->user, s->password, reach->name,
		s->socket ? 0 : s->port, s->socket, CLIENT_FOUND_ROWS)) {
		conn->lost = true;
		return scp__mariadb_fail(conn, mysql_errno(conn->raw), mysql_error(conn->raw), "connect", err);
	}
	fd = (int)mysql_get_socket(conn->raw);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	rc = check_tls(conn, err);
	if (!rc)
		rc = check_server(conn, err);
	if (rc)
		return rc;
	snprintf(sql, sizeof(sql), setup, reach->io_s ? reach->io_s : s->io_s);
	return scp__mariadb_conn_run(conn, sql, err);
}

scp_status scp__mariadb_conn_open(
    scp__mariadb_conn **out, scp__mariadb *owner, const scp__mariadb_reach *reach, scp_error *err)
{
	scp__mariadb_conn *conn = calloc(1, sizeof(*conn));
	scp_status rc;

	*out = NULL;
	if (!conn)
		return scp__nomem(err);
	conn->tx.db = &owner->base;
	conn->owner = owner;
	conn->mode = -1;
	conn->raw = mysql_init(NULL);
	conn->slots = scp__mariadb_slots_new();
	rc = conn->raw && conn->slots ? connect_it(conn, reach, err) : scp__nomem(err);
	if (rc)
		scp__mariadb_conn_close(conn);
	else
		*out = conn;
	return rc;
}

/* The connection first: its end takes the statements along at the server's side too. */
void scp__mariadb_conn_close(scp__mariadb_conn *conn)
{
	int fd;

	if (!conn)
		return;
	if (conn->raw) {
		/* Nobody is told goodbye who may not listen. */
		fd = conn->lost ? (int)mysql_get_socket(conn->raw) : -1;
		if (fd >= 0)
			(void)shutdown(fd, SHUT_RDWR);
		scp__mariadb_release_all(conn);
		mysql_close(conn->raw);
	}
	if (conn->slots)
		scp__mariadb_slots_free(conn->slots);
	free(conn);
}

/* ---- using ---- */

scp_status scp__mariadb_conn_run(scp__mariadb_conn *conn, const char *sql, scp_error *err)
{
	MYSQL_RES *rows;

	if (mysql_real_query(conn->raw, sql, strlen(sql)))
		return scp__mariadb_fail(conn, mysql_errno(conn->raw), mysql_error(conn->raw),
		    strncmp(sql, "SET", 3) ? "run" : "set up", err);
	rows = mysql_store_result(conn->raw);
	if (rows)
		mysql_free_result(rows);
	return SCP_OK;
}

/* The other end's goodbye lies in the socket before anything is sent: a look that costs no round trip. */
static bool hung_up(const scp__mariadb_conn *conn)
{
	char byte;
	ssize_t n = recv((int)mysql_get_socket(conn->raw), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return !n || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool scp__mariadb_conn_alive(scp__mariadb_conn *conn)
{
	if (conn->lost || hung_up(conn))
		conn->lost = true;
	else if (scp__mono_us() - conn->idle_us > PING_AFTER_US && mysql_ping(conn->raw))
		conn->lost = true;
	return !conn->lost;
}

scp_status scp__mariadb_conn_set_mode(scp__mariadb_conn *conn, scp_db_mode mode, scp_error *err)
{
	/* A reader sees all as it was at its first statement. A writer sees what is committed, and holds the rows that
	 * it decides on. */
	static const char *const modes[] = {
		[SCP_DB_READ] = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
		[SCP_DB_WRITE] = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
	};
	scp_status rc;

	if (conn->mode == (int)mode)
		return SCP_OK;
	conn->mode = -1;
	rc = scp__mariadb_conn_run(conn, modes[mode], err);
	if (!rc)
		conn->mode = (int)mode;
	return rc;
}
