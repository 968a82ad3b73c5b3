/* mariadb://user@host:3306/name?parameter=value&…: read, checked, completed. What it holds is never shown. */
#include "mariadb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

enum { NAME_MAX_LEN = 64, USER_MAX_LEN = 80, PORT_DEFAULT = 3306 };

static const char form[] = "Give it as mariadb://USER@HOST:3306/NAME, or mariadb://USER@/NAME?socket=/PATH";

static scp_status wrong(scp_error *err, const char *what)
{
	scp__fail(err, SCP_EINVAL, "database URL: %s", what);
	scp__hint(err, "%s", form);
	return SCP_EINVAL;
}

static int hex(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* A part of the URL, its %XX undone. */
static scp_status decode(char **out, const char *from, size_t len, scp_error *err)
{
	char *to = malloc(len + 1), *at = to;

	if (!to)
		return scp__nomem(err);
	for (size_t i = 0; i < len; i++) {
		int high = from[i] == '%' && i + 2 < len ? hex(from[i + 1]) : -1;
		int low = high >= 0 ? hex(from[i + 2]) : -1;

		if (from[i] == '%' && (low < 0 || high + low == 0)) {
			free(to);
			return wrong(err, "a '%' isn't followed by two hexadecimal digits");
		}
		*at++ = from[i] == '%' ? (char)(high * 16 + low) : from[i];
		i += from[i] == '%' ? 2 : 0;
	}
	*at = '\0';
	free(*out);
	*out = to;
	return SCP_OK;
}

/* ---- parameters ---- */

static const struct number {
	const char *name;
	size_t offset;
	uint32_t fallback, min, max;
} numbers[] = {
	{ "pool", offsetof(scp__mariadb_settings, pool), 20, 1, 1000 },
	{ "extra", offsetof(scp__mariadb_settings, extra), 40, 0, 1000 },
	{ "idle_s", offsetof(scp__mariadb_settings, idle_s), 300, 1, 86400 },
	{ "wait_ms", offsetof(scp__mariadb_settings, wait_ms), 5000, 1, 5000 },
	{ "connect_timeout_s", offsetof(scp__mariadb_settings, connect_s), 5, 1, 60 },
	{ "timeout_s", offsetof(scp__mariadb_settings, io_s), 30, 1, 3600 },
};

static const struct text {
	const char *name;
	size_t offset;
} texts[] = {
	{ "socket", offsetof(scp__mariadb_settings, socket) },
	{ "tls_ca", offsetof(scp__mariadb_settings, tls_ca) },
	{ "tls_cert", offsetof(scp__mariadb_settings, tls_cert) },
	{ "tls_key", offsetof(scp__mariadb_settings, tls_key) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIELD(type, s, offset) ((type *)(void *)((char *)(s) + (offset)))

static scp_status number_wrong(const struct number *row, scp_error *err)
{
	scp__fail(err, SCP_EINVAL, "database URL: %s must be a number from %u to %u", row->name, row->min, row->max);
	scp__hint(err, "Correct %s= in --database; %u is its default", row->name, row->fallback);
	return SCP_EINVAL;
}

static scp_status set_number(scp__mariadb_settings *s, const struct number *row, const char *value, scp_error *err)
{
	size_t digits = strspn(value, "0123456789");
	unsigned long n = digits && digits < 9 && !value[digits] ? strtoul(value, NULL, 10) : row->max + 1ul;

	if (n < row->min || n > row->max)
		return number_wrong(row, err);
	*FIELD(uint32_t, s, row->offset) = (uint32_t)n;
	return SCP_OK;
}

static scp_status set_tls(scp__mariadb_settings *s, const char *value, scp_error *err)
{
	static const char *const names[] = {
		[SCP__TLS_OFF] = "off", [SCP__TLS_REQUIRE] = "require", [SCP__TLS_VERIFY] = "verify"
	};

	for (size_t i = SCP__TLS_OFF; i < COUNT(names); i++)
		if (!strcmp(value, names[i])) {
			s->tls = (scp__mariadb_tls)i;
			return SCP_OK;
		}
	return wrong(err, "tls must be off, require or verify");
}

static scp_status set_parameter(scp__mariadb_settings *s, const char *name, const char *value, scp_error *err)
{
	if (!strcmp(name, "tls"))
		return set_tls(s, value, err);
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (!strcmp(name, numbers[i].name))
			return set_number(s, &numbers[i], value, err);
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!strcmp(name, texts[i].name))
			return value[0] == '/'
				   ? decode(FIELD(char *, s, texts[i].offset), value, strlen(value), err)
				   : scp__fail(err, SCP_EINVAL, "database URL: %s must be an absolute path", name);
	scp__fail(err, SCP_EINVAL, "database URL: the parameter '%.40s' is unknown", name);
	scp__hint(err, "There is: socket, tls, tls_ca, tls_cert, tls_key, pool, extra, idle_s, wait_ms, "
		       "connect_timeout_s, timeout_s");
	return SCP_EINVAL;
}

static scp_status read_parameters(scp__mariadb_settings *s, const char *query, scp_error *err)
{
	char *copy = strdup(query), *rest = copy, *one;
	scp_status rc = copy ? SCP_OK : scp__nomem(err);

	while (!rc && (one = strsep(&rest, "&"))) {
		char *value = strchr(one, '=');

		if (!value) {
			rc = wrong(err, "a parameter lacks its '='");
		} else {
			*value = '\0';
			rc = set_parameter(s, one, value + 1, err);
		}
	}
	free(copy);
	return rc;
}

/* ---- user, host, port, name ---- */

static scp_status read_user(scp__mariadb_settings *s, const char *from, const char *at, scp_error *err)
{
	if (!at || at == from)
		return wrong(err, "it names no user");
	if (memchr(from, ':', (size_t)(at - from))) {
		scp__fail(err, SCP_EINVAL, "database URL: a password doesn't belong into it, where others can read it");
		scp__hint(err, "Take it out; give it by --database-password-file or SANDBOXD_DATABASE_PASSWORD "
			       "(C: database_password)");
		return SCP_EINVAL;
	}
	return decode(&s->user, from, (size_t)(at - from), err);
}

static scp_status read_port(scp__mariadb_settings *s, const char *text, size_t len, scp_error *err)
{
	unsigned long port = len && len < 6 && strspn(text, "0123456789") >= len ? strtoul(text, NULL, 10) : 0;

	if (!port || port > 65535)
		return wrong(err, "its port isn't one");
	s->port = (uint32_t)port;
	return SCP_OK;
}

/* host, host:port, [v6], [v6]:port, or nothing (then there is a socket). */
static scp_status read_host(scp__mariadb_settings *s, const char *from, size_t len, scp_error *err)
{
	bool bracket = len && from[0] == '[';
	const char *close = bracket ? memchr(from, ']', len) : NULL;
	const char *end = bracket ? close : memchr(from, ':', len);
	const char *port;

	s->port = PORT_DEFAULT;
	if (bracket && !close)
		return wrong(err, "the ']' behind its host is missing");
	if (!end)
		return decode(&s->host, from, len, err);
	port = bracket ? end + 1 : end;
	if (port < from + len && *port != ':')
		return wrong(err, "its host isn't one");
	if (port < from + len && read_port(s, port + 1, (size_t)(from + len - port - 1), err))
		return SCP_EINVAL;
	from += bracket;
	return decode(&s->host, from, (size_t)(end - from), err);
}

/* So that it can stand in a statement to copy. */
static scp_status check_name(const scp__mariadb_settings *s, scp_error *err)
{
	size_t len = strlen(s->name);

	if (!len || len > NAME_MAX_LEN ||
	    strspn(s->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != len)
		return wrong(err, "its database must be named by 1 to 64 of [A-Za-z0-9_-]");
	if (strlen(s->user) > USER_MAX_LEN)
		return wrong(err, "its user has more than 80 characters");
	return SCP_OK;
}

static scp_status read_address(scp__mariadb_settings *s, const char *from, size_t len, scp_error *err)
{
	const char *at = memrchr(from, '@', len);
	const char *slash = at ? memchr(at, '/', len - (size_t)(at - from)) : NULL;
	scp_status rc = read_user(s, from, at, err);

	if (!rc && !slash)
		rc = wrong(err, "it names no database");
	if (!rc)
		rc = read_host(s, at + 1, (size_t)(slash - at - 1), err);
	if (!rc)
		rc = decode(&s->name, slash + 1, len - (size_t)(slash + 1 - from), err);
	return rc ? rc : check_name(s, err);
}

/* ---- what follows from it ---- */

static bool is_here(const char *host)
{
	return !strcmp(host, "localhost") || !strcmp(host, "::1") || !strncmp(host, "127.", 4);
}

static scp_status complete(scp__mariadb_settings *s, const char *password, scp_error *err)
{
	if (!s->socket && !s->host[0])
		return wrong(err, "it names neither a host nor a socket");
	if (s->socket && s->host[0] && !is_here(s->host))
		return wrong(err, "it names both a host and a socket");
	if ((s->tls_cert != NULL) != (s->tls_key != NULL))
		return wrong(err, "tls_cert and tls_key go together");
	if (!s->tls)
		s->tls = s->tls_ca ? SCP__TLS_VERIFY : s->socket || is_here(s->host) ? SCP__TLS_OFF : SCP__TLS_VERIFY;
	if (s->socket)
		snprintf(s->where, sizeof(s->where), "%.50s, %.64s", s->socket, s->name);
	else
		snprintf(s->where, sizeof(s->where), "%.50s:%u/%.64s", s->host, s->port, s->name);
	s->password = strdup(password ? password : "");
	return s->password ? SCP_OK : scp__nomem(err);
}

scp_status scp__mariadb_settings_read(scp__mariadb_settings *s, const char *url, const char *password, scp_error *err)
{
	const char *address = url + strlen("mariadb:"), *query;
	scp_status rc;

	for (size_t i = 0; i < COUNT(numbers); i++)
		*FIELD(uint32_t, s, numbers[i].offset) = numbers[i].fallback;
	if (strncmp(address, "//", 2) != 0)
		return wrong(err, "'//' is missing behind mariadb:");
	address += 2;
	query = strchr(address, '?');
	rc = read_address(s, address, query ? (size_t)(query - address) : strlen(address), err);
	if (!rc && query)
		rc = read_parameters(s, query + 1, err);
	return rc ? rc : complete(s, password, err);
}

void scp__mariadb_settings_free(scp__mariadb_settings *s)
{
	if (s->password)
		explicit_bzero(s->password, strlen(s->password));
	free(s->user);
	free(s->host);
	free(s->name);
	free(s->socket);
	free(s->password);
	free(s->tls_ca);
	free(s->tls_cert);
	free(s->tls_key);
}
