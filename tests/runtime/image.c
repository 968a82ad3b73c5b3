/* Images: which there are, that hostile ones lead nobody outside, and that a tar is unpacked once and safely. */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs.h"

static char root[200];	/* an image's root */
static char trap[200];	/* outside of it: nothing may ever get here */
static char image[400]; /* its reference */

/* A command of the tests' own, with paths that they made. */
static void shell(const char *format, const char *a, const char *b)
{
	char command[1200];

	(void)snprintf(command, sizeof(command), format, a, b);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void begin(void)
{
	test_begin();
	(void)snprintf(root, sizeof(root), "%s/image", state_dir);
	(void)snprintf(trap, sizeof(trap), "%s/trap", state_dir);
	(void)snprintf(image, sizeof(image), "dir:%s", root);
	shell("rm -rf %s %s", root, trap);
	ck_assert_int_eq(mkdir(root, 0755), 0);
	ck_assert_int_eq(mkdir(trap, 0777), 0);
}

static void assert_trap_empty(void)
{
	char command[300];

	(void)snprintf(command, sizeof(command), "test -z \"$(find %s -mindepth 1)\"", trap);
	ck_assert_msg(system(command) == 0, "something was written outside of the image");
}

static void run_image(const char *name, bool read_only)
{
	scp_runtime_spec spec = guest_spec(name);
	scp_error err = { 0 };

	spec.image = image;
	spec.read_only_root = read_only;
	ck_assert_msg(!scp__runtime_run(rt, &spec, &err), "%s", err.message);
}

START_TEST(other_references_are_refused_by_naming_those_there_are)
{
	char digest[128];
	scp_error err = { 0 };

	ck_assert_int_eq(
	    scp__runtime_image_prepare(rt, "docker.io/library/python:3.11", digest, sizeof(digest), &err), SCP_ENOTSUP);
	ck_assert_ptr_nonnull(strstr(err.hint, "host:"));
	ck_assert_ptr_nonnull(strstr(err.hint, "dir:"));
	ck_assert_ptr_nonnull(strstr(err.hint, "tar:"));
	ck_assert_int_eq(scp__runtime_image_prepare(rt, "dir:/nonexistent", NULL, 0, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp__runtime_image_prepare(rt, "tar:/nonexistent", NULL, 0, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp__runtime_image_prepare(rt, "dir:relative", NULL, 0, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp__runtime_image_prepare(rt, "host:", digest, sizeof(digest), NULL), SCP_OK);
	ck_assert(strncmp(digest, "host:", 5) == 0);
}
END_TEST

START_TEST(an_image_whose_mount_points_are_links_leads_nobody_outside)
{
	static const char *const names[] = { "proc", "dev", "sys", "etc", "workspace", ".sandbox", "tmp" };
	char path[300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", root, names[i]);
		ck_assert_int_eq(symlink(i % 2 ? trap : "../../../../../../..", path), 0);
	}
	run_image("scp-links", true);
	ck_assert_str_eq(ask("scp-links", "c 39 0 0 0 0 0 0"), "0\n");
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-links", NULL), SCP_OK);
	if (!geteuid()) {
		run_image("scp-links", false);
		ck_assert_str_eq(ask("scp-links", "c 39 0 0 0 0 0 0"), "0\n");
	}
	assert_trap_empty();
}
END_TEST

START_TEST(an_image_with_links_inside_dev_and_proc_leads_nobody_outside)
{
	char path[300];

	shell("mkdir -p %s/dev %s/proc", root, root);
	(void)snprintf(path, sizeof(path), "%s/dev/null", root);
	ck_assert_int_eq(symlink(trap, path), 0);
	(void)snprintf(path, sizeof(path), "%s/dev/shm", root);
	ck_assert_int_eq(symlink(trap, path), 0);
	(void)snprintf(path, sizeof(path), "%s/proc/kcore", root);
	ck_assert_int_eq(symlink(trap, path), 0);
	run_image("scp-devs", true);
	ck_assert_str_eq(ask("scp-devs", "c 39 0 0 0 0 0 0"), "0\n");
	assert_trap_empty();
}
END_TEST

/* A root with a shell in it, where this machine has a static one. */
static bool furnish(void)
{
	if (access("/bin/busybox", X_OK))
		return false;
	shell("mkdir -p %s/bin && cp /bin/busybox %s/bin/sh", root, root);
	shell("mkdir -m 1777 %s/spot && echo inside >%s/spot/note", root, root);
	return true;
}

START_TEST(a_read_only_image_can_t_be_written)
{
	if (!furnish())
		return;
	run_image("scp-ro", true);
	ck_assert_str_eq(ask("scp-ro", "u cat /spot/note"), "inside\n");
	ck_assert_str_eq(ask("scp-ro", "u (echo x >/spot/y) 2>/dev/null || echo refused"), "refused\n");
}
END_TEST

START_TEST(a_writable_root_forgets_and_has_an_end)
{
	scp_runtime_spec spec = guest_spec("scp-rw");

	if (!furnish())
		return;
	if (geteuid()) { /* it would be memory of the user's own that nothing bounds */
		spec.read_only_root = false;
		ck_assert_int_eq(scp__runtime_run(rt, &spec, NULL), SCP_ENOTSUP);
		return;
	}
	run_image("scp-rw", false);
	ck_assert_str_eq(ask("scp-rw", "u echo x >/spot/y; cat /spot/y"), "x\n");
	ck_assert_str_eq(
	    ask("scp-rw", "u dd if=/dev/zero of=/spot/big bs=1M count=20 2>/dev/null || echo full"), "full\n");
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-rw", NULL), SCP_OK);
	run_image("scp-rw", false);
	ck_assert_str_eq(ask("scp-rw", "u cat /spot/y 2>/dev/null || echo gone"), "gone\n");
}
END_TEST

START_TEST(a_tar_is_unpacked_once_and_runs)
{
	char digest[128], again[128], tar[300];

	if (!furnish())
		return;
	(void)snprintf(tar, sizeof(tar), "%s/image.tar.gz", state_dir);
	shell("tar -czf %s -C %s .", tar, root);
	(void)snprintf(image, sizeof(image), "tar:%s", tar);
	ck_assert_int_eq(scp__runtime_image_prepare(rt, image, digest, sizeof(digest), NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_image_prepare(rt, image, again, sizeof(again), NULL), SCP_OK);
	ck_assert_str_eq(digest, again);
	ck_assert(strncmp(digest, "sha256:", 7) == 0);
	run_image("scp-tar", true);
	ck_assert_str_eq(ask("scp-tar", "u cat /spot/note"), "inside\n");
}
END_TEST

/* One ustar member, header and content. */
static void member(FILE *f, const char *name, char type, const char *link, const char *content)
{
	unsigned char block[512] = { 0 };
	unsigned sum = 8 * ' ';

	(void)snprintf((char *)block, 100, "%s", name);
	(void)snprintf((char *)block + 100, 8, "0000777");
	(void)snprintf((char *)block + 108, 8, "0000000");
	(void)snprintf((char *)block + 116, 8, "0000000");
	(void)snprintf((char *)block + 124, 12, "%011o", (unsigned)strlen(content));
	(void)snprintf((char *)block + 136, 12, "%011o", 0u);
	block[156] = (unsigned char)type;
	(void)snprintf((char *)block + 157, 100, "%s", link);
	memcpy(block + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += block[i];
	(void)snprintf((char *)block + 148, 8, "%06o", sum);
	block[155] = ' ';
	ck_assert_uint_eq(fwrite(block, 1, sizeof(block), f), sizeof(block));
	if (!*content)
		return;
	memset(block, 0, sizeof(block));
	memcpy(block, content, strlen(content));
	ck_assert_uint_eq(fwrite(block, 1, sizeof(block), f), sizeof(block));
}

START_TEST(a_hostile_tar_writes_nothing_outside)
{
	char tar[300], name[300];
	FILE *f;

	(void)snprintf(tar, sizeof(tar), "%s/hostile.tar", state_dir);
	f = fopen(tar, "we");
	ck_assert_ptr_nonnull(f);
	member(f, "link", '2', trap, "");
	member(f, "link/through", '0', "", "written through a link");
	(void)snprintf(name, sizeof(name), "%s/absolute", trap);
	member(f, name, '0', "", "absolute");
	member(f, "../../../trap/dotted", '0', "", "dotted");
	member(f, "hard", '1', "../../../trap/../../../../etc/hostname", "");
	member(f, "fine", '0', "", "fine");
	ck_assert_int_eq(fclose(f), 0);
	(void)snprintf(image, sizeof(image), "tar:%s", tar);
	/* tar may refuse the whole or leave members out: either is fine, as long as nothing is outside. */
	(void)scp__runtime_image_prepare(rt, image, NULL, 0, NULL);
	assert_trap_empty();
}
END_TEST

Suite *image_suite(void)
{
	Suite *s = suite_create("runtime images");
	TCase *t = tcase_create("images");

	tcase_add_checked_fixture(t, begin, test_end);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, other_references_are_refused_by_naming_those_there_are);
	tcase_add_test(t, an_image_whose_mount_points_are_links_leads_nobody_outside);
	tcase_add_test(t, an_image_with_links_inside_dev_and_proc_leads_nobody_outside);
	tcase_add_test(t, a_read_only_image_can_t_be_written);
	tcase_add_test(t, a_writable_root_forgets_and_has_an_end);
	tcase_add_test(t, a_tar_is_unpacked_once_and_runs);
	tcase_add_test(t, a_hostile_tar_writes_nothing_outside);
	suite_add_tcase(s, t);
	return s;
}
