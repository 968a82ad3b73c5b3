#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "fs.h"

struct fixture fx;

void fixture_set_up(void)
{
	char url[128];

	memset(&fx, 0, sizeof(fx));
	snprintf(fx.top, sizeof(fx.top), "/tmp/scp-storage-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fx.top));
	snprintf(fx.root, sizeof(fx.root), "%s/root", fx.top);
	snprintf(fx.outside, sizeof(fx.outside), "%s/outside", fx.top);
	ck_assert_int_eq(mkdir(fx.outside, 0777), 0);
	snprintf(url, sizeof(url), "file:%s?sync=off", fx.root);
	assert_ok(scp__storage_open(&fx.st, url, NULL, &fx.err));
}

void fixture_tear_down(void)
{
	scp__storage_close(fx.st);
	ck_assert_int_eq(chdir("/tmp"), 0);
	ck_assert_int_eq(scp__fs_remove_tree(AT_FDCWD, fx.top + strlen("/tmp/")), 0);
}

const char *below(const char *key)
{
	static char paths[2][1600];
	static int turn;

	turn = !turn;
	snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", fx.root, key);
	return paths[turn];
}

void make_dir(const char *key)
{
	ck_assert_int_eq(scp__fs_mkdir_p(below(key), 0755), 0);
}

void make_file(const char *key, const char *text)
{
	int fd = open(below(key), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(scp__fs_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

void put(const char *key, const char *text)
{
	assert_ok(scp__storage_put_bytes(fx.st, key, text, strlen(text), &fx.err));
}

char *get(const char *key, scp_status *rc)
{
	void *data;
	size_t len;

	*rc = scp__storage_get_bytes(fx.st, key, 1 << 20, &data, &len, &fx.err);
	return data;
}

static scp_status note(void *user, const scp_object *object, scp_error *err)
{
	(void)err;
	return scp__buf_printf(user, "%s%s\n", object->key, object->directory ? "/" : "");
}

char *list(const char *prefix, const char *after, const scp_list_options *options, char next[1401])
{
	scp__buf text;

	scp__buf_init(&text, 64 << 20);
	assert_ok(scp__storage_list(fx.st, prefix, after, options, note, &text, next, 1401, &fx.err));
	return scp__buf_detach(&text);
}
