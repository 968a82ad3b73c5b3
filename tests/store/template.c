/* Templates that change: what may be made, replaced and deleted, and what stays. */
#include "help.h"

typedef struct change {
	scp_template in;
	bool keep;
	scp__template *got;
} change;

BODY(insert)
{
	return scp__store_template_insert(tx, &((change *)arg)->in, err);
}

BODY(update)
{
	return scp__store_template_update(tx, &((change *)arg)->in, err);
}

BODY(seed)
{
	return scp__store_template_seed(tx, &((change *)arg)->in, err);
}

BODY(delete)
{
	change *c = arg;

	return scp__store_template_delete(tx, c->in.id, c->keep, 90, err);
}

BODY(get)
{
	change *c = arg;

	return scp__store_template_get(tx, c->in.id, &c->got, err);
}

BODY(usable)
{
	return scp__store_template_usable(tx, ((change *)arg)->in.id, err);
}

static change a_change(const char *id, const char *name)
{
	change c = { .in = plain_template(id) };

	c.in.name = name;
	c.in.seccomp = "default";
	c.in.max_processes = 256;
	return c;
}

static void refused(scp_db_fn *fn, change *c, const char *code, const char *part)
{
	scp_error err = { 0 };

	ck_assert_int_ne(transact(SCP_DB_WRITE, fn, c, &err), SCP_OK);
	ck_assert_str_eq(err.code, code);
	ck_assert_msg(strstr(err.message, part) != NULL, "%s", err.message);
}

START_TEST(every_column_of_a_template_comes_back)
{
	scp_warm_pool pool = { sizeof(pool), 1, 2, 3 };
	change c = a_change("a", "A");

	c.in.warm_pool = &pool;
	WRITE(insert, &c);
	READ(get, &c);
	ck_assert_str_eq(c.got->pub.seccomp, "default");
	ck_assert_uint_eq(c.got->pub.max_processes, 256);
	ck_assert_uint_eq(c.got->pub.warm_pool->min, 1);
	ck_assert_uint_eq(c.got->pub.warm_pool->max, 2);
	ck_assert_uint_eq(c.got->pub.warm_pool->max_idle_s, 3);
	scp_template_free(&c.got->pub);
}
END_TEST

START_TEST(an_id_and_a_name_are_had_once)
{
	change a = a_change("a", "A"), same_id = a_change("a", "B"), same_name = a_change("b", "A");

	WRITE(insert, &a);
	refused(insert, &same_id, "Conflict", "id: template 'a'");
	refused(insert, &same_name, "Conflict", "name: template 'a'");
	same_name.in.name = "B";
	WRITE(insert, &same_name);
	same_name.in.name = "A";
	refused(update, &same_name, "Conflict", "name: template 'a'");
}
END_TEST

START_TEST(an_update_replaces_all_but_the_birth)
{
	change c = a_change("a", "A"), none = a_change("none", "N");

	c.in.description = "old";
	WRITE(insert, &c);
	c.in.description = NULL;
	c.in.image = "dir:/new";
	c.in.created_us = c.in.updated_us = 50;
	WRITE(update, &c);
	READ(get, &c);
	ck_assert_str_eq(c.got->pub.image, "dir:/new");
	ck_assert_ptr_null(c.got->pub.description);
	ck_assert_int_eq(c.got->pub.created_us, 10);
	ck_assert_int_eq(c.got->pub.updated_us, 50);
	scp_template_free(&c.got->pub);
	refused(update, &none, "TemplateNotFound", "none");
}
END_TEST

START_TEST(a_seed_that_was_changed_or_deleted_is_never_seeded_again)
{
	change c = a_change("s", "S");

	WRITE(seed, &c);
	c.in.image = "dir:/mine";
	WRITE(update, &c);
	c.in.image = "dir:/release";
	WRITE(seed, &c);
	READ(get, &c);
	ck_assert_str_eq(c.got->pub.image, "dir:/mine");
	scp_template_free(&c.got->pub);
	c.keep = true;
	WRITE(delete, &c);
	WRITE(seed, &c);
	ck_assert_int_eq(transact(SCP_DB_READ, get, &c, NULL), SCP_ENOTFOUND);
}
END_TEST

START_TEST(a_seed_whose_name_somebody_has_says_so_and_changes_nothing)
{
	change mine = a_change("mine", "Python"), s = a_change("s", "Python");

	WRITE(insert, &mine);
	refused(seed, &s, "Conflict", "name");
	ck_assert_int_eq(raw_number("SELECT count(*) FROM template WHERE id = 's'"), 0);
}
END_TEST

START_TEST(a_template_in_use_stays)
{
	change c = a_change("tmpl", "T");

	seed_session("sess_1");
	refused(delete, &c, "TemplateInUse", "1 session");
	raw_sql("UPDATE session SET status = 2");
	refused(delete, &c, "TemplateInUse", "1 session");
	READ(get, &c);
	scp_template_free(&c.got->pub);
	raw_sql("UPDATE session SET status = 6");
	WRITE(delete, &c);
	ck_assert_int_eq(transact(SCP_DB_READ, get, &c, NULL), SCP_ENOTFOUND);
}
END_TEST

START_TEST(ended_sessions_outlive_their_template)
{
	change c = a_change("tmpl", "tmpl"), again = a_change("other", "tmpl");

	seed_session("sess_1");
	raw_sql("UPDATE session SET status = 3");
	WRITE(delete, &c);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM session"), 1);
	ck_assert_int_eq(raw_number("SELECT deleted_us FROM template WHERE id = 'tmpl'"), 90);
	refused(delete, &c, "TemplateNotFound", "tmpl");
	refused(update, &c, "TemplateNotFound", "tmpl");
	WRITE(insert, &again); /* its name is free */
	c.in.name = "anew";
	c.in.created_us = 60;
	WRITE(insert, &c); /* and so is its id */
	READ(get, &c);
	ck_assert_str_eq(c.got->pub.name, "anew");
	ck_assert_int_eq(c.got->pub.created_us, 60);
	scp_template_free(&c.got->pub);
}
END_TEST

START_TEST(a_template_that_nobody_used_is_gone)
{
	change c = a_change("a", "A");

	WRITE(insert, &c);
	WRITE(delete, &c);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM template WHERE id = 'a'"), 0);
}
END_TEST

START_TEST(only_a_template_that_is_there_and_not_deprecated_is_usable)
{
	change c = a_change("a", "A");

	refused(usable, &c, "TemplateNotFound", "'a'");
	WRITE(insert, &c);
	WRITE(usable, &c);
	c.in.deprecated = true;
	WRITE(update, &c);
	refused(usable, &c, "StateConflict", "deprecated");
	c.keep = true;
	WRITE(delete, &c);
	refused(usable, &c, "TemplateNotFound", "'a'");
}
END_TEST

START_TEST(a_session_keeps_its_languages)
{
	static const scp_language languages[] = { SCP_SHELL, SCP_PYTHON };
	scp__session s = plain_session("sess_l"), *got;

	s.languages = languages;
	s.language_count = 2;
	WRITE(insert_session, &s);
	got = get_session("sess_l");
	ck_assert_uint_eq(got->language_count, 2);
	ck_assert_int_eq(got->languages[0], SCP_SHELL);
	ck_assert_int_eq(got->languages[1], SCP_PYTHON);
	scp_session_free(&got->pub);
	seed_session("sess_old");
	got = get_session("sess_old");
	ck_assert_uint_eq(got->language_count, 0);
	scp_session_free(&got->pub);
}
END_TEST

Suite *template_suite(void)
{
	Suite *s = suite_create("template");
	TCase *c = tcase_create("template");

	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, every_column_of_a_template_comes_back);
	tcase_add_test(c, an_id_and_a_name_are_had_once);
	tcase_add_test(c, an_update_replaces_all_but_the_birth);
	tcase_add_test(c, a_seed_that_was_changed_or_deleted_is_never_seeded_again);
	tcase_add_test(c, a_seed_whose_name_somebody_has_says_so_and_changes_nothing);
	tcase_add_test(c, a_template_in_use_stays);
	tcase_add_test(c, ended_sessions_outlive_their_template);
	tcase_add_test(c, a_template_that_nobody_used_is_gone);
	tcase_add_test(c, only_a_template_that_is_there_and_not_deprecated_is_usable);
	tcase_add_test(c, a_session_keeps_its_languages);
	suite_add_tcase(s, c);
	return s;
}
