/* Workspaces, containers, nodes, templates, idempotency keys, meta. */
#include "help.h"

#include <pthread.h>
#include <stdio.h>

/* ---- workspace ---- */

typedef struct workspace_test {
	scp__workspace *got;
	scp__ids due, kept;
	int64_t before;
	uint64_t skip;
} workspace_test;

BODY(make_workspaces)
{
	scp__workspace w = { .id = "ws_1", .session_id = "sess_1", .node = "n1", .disk_bytes = 9, .created_us = 5 };
	scp_status rc = scp__store_workspace_insert(tx, &w, err);

	(void)arg;
	w.id = "ws_2";
	if (!rc)
		rc = scp__store_workspace_insert(tx, &w, err);
	if (!rc)
		rc = scp__store_workspace_end(tx, "ws_1", 100, err);
	if (!rc)
		rc = scp__store_workspace_end(tx, "ws_1", 900, err);
	if (!rc)
		rc = scp__store_session_place(tx, "sess_1", "n1", "oci", 1, &(bool){ false }, err);
	return rc;
}

BODY(ask_workspaces)
{
	workspace_test *t = arg;
	scp_status rc;

	scp__ids_clear(&t->due);
	scp__ids_clear(&t->kept);
	rc = scp__store_workspace_due(tx, t->before, t->skip, 10, &t->due, err);
	if (!rc)
		rc = scp__store_workspace_kept(tx, "n1", "", 10, &t->kept, err);
	return rc ? rc : scp__store_workspace_get(tx, "ws_1", &t->got, err);
}

BODY(remove_workspace)
{
	(void)arg;
	return scp__store_workspace_removed(tx, "ws_1", 500, err);
}

START_TEST(a_workspace_is_due_after_its_first_end_until_it_is_removed)
{
	workspace_test t = { .before = 99 };

	seed_session("sess_1");
	WRITE(make_workspaces, NULL);
	READ(ask_workspaces, &t);
	ck_assert_uint_eq(t.due.count, 0);
	ck_assert_uint_eq(t.kept.count, 1);
	ck_assert_str_eq(t.kept.ids[0], "ws_1");
	ck_assert_int_eq(t.got->ended_us, 100);
	ck_assert_str_eq(t.got->node, "n1");
	ck_assert_str_eq(t.got->session_id, "sess_1");
	ck_assert_uint_eq(t.got->disk_bytes, 9);
	ck_assert_int_eq(t.got->created_us, 5);
	scp__workspace_free(t.got);
	t.before = 100;
	READ(ask_workspaces, &t);
	ck_assert_uint_eq(t.due.count, 1);
	scp__workspace_free(t.got);
	t.skip = 1;
	READ(ask_workspaces, &t);
	ck_assert_uint_eq(t.due.count, 0);
	scp__workspace_free(t.got);
	t.skip = 0;
	WRITE(remove_workspace, NULL);
	READ(ask_workspaces, &t);
	ck_assert_uint_eq(t.due.count, 0);
	ck_assert_uint_eq(t.kept.count, 0);
	ck_assert_int_eq(t.got->removed_us, 500);
	scp__workspace_free(t.got);
	scp__ids_free(&t.due);
	scp__ids_free(&t.kept);
}
END_TEST

/* ---- container and node ---- */

BODY(make_container)
{
	scp__container c = plain_container(arg);

	return scp__store_container_insert(tx, &c, err);
}

typedef struct container_test {
	const char *id;
	uint32_t from;
	scp_container_status to;
	int64_t now;
	bool changed;
	scp__container *got;
	scp__ids ids;
	scp__node *node;
} container_test;

BODY(change_container)
{
	container_test *t = arg;

	return scp__store_container_set_status(tx, t->id, t->from, t->to, 137, "oom_killed", t->now, &t->changed, err);
}

BODY(get_container)
{
	container_test *t = arg;

	return scp__store_container_get(tx, t->id, &t->got, err);
}

BODY(containers_in)
{
	container_test *t = arg;

	scp__ids_clear(&t->ids);
	return scp__store_container_in(tx, "n1", t->from, t->id, 10, &t->ids, err);
}

START_TEST(a_container_goes_its_way_once)
{
	container_test t = {
		.id = "c1", .from = SCP__BIT(SCP_CONTAINER_CREATING), .to = SCP_CONTAINER_RUNNING, .now = 50
	};
	char id[] = "c1";

	WRITE(make_container, id);
	WRITE(change_container, &t);
	ck_assert(t.changed);
	WRITE(change_container, &t);
	ck_assert(!t.changed);
	t.from = SCP__BIT(SCP_CONTAINER_RUNNING);
	t.to = SCP_CONTAINER_EXITED;
	t.now = 60;
	WRITE(change_container, &t);
	t.from = SCP__BIT(SCP_CONTAINER_EXITED);
	t.to = SCP_CONTAINER_REMOVED;
	WRITE(change_container, &t);
	ck_assert(t.changed);
	READ(get_container, &t);
	ck_assert_int_eq(t.got->status, SCP_CONTAINER_REMOVED);
	ck_assert_int_eq(t.got->started_us, 50);
	ck_assert_int_eq(t.got->exited_us, 60);
	ck_assert_int_eq(t.got->exit_code, 137);
	ck_assert_str_eq(t.got->exit_reason, "oom_killed");
	ck_assert_str_eq(t.got->labels_json, "{}");
	ck_assert_str_eq(t.got->session_id, "sess_1");
	ck_assert_uint_eq(t.got->resources->max_processes, 64);
	scp__container_free(t.got);
	t.id = "none";
	ck_assert_int_eq(transact(SCP_DB_READ, get_container, &t, NULL), SCP_ENOTFOUND);
}
END_TEST

START_TEST(a_nodes_containers_come_by_state_and_id)
{
	container_test t = { .from = SCP__BIT(SCP_CONTAINER_CREATING) | SCP__BIT(SCP_CONTAINER_RUNNING) };
	char ids[3][4] = { "c1", "c2", "c3" };

	for (int i = 0; i < 3; i++)
		WRITE(make_container, ids[i]);
	raw_sql("UPDATE container SET status = 3 WHERE id = 'c2'");
	READ(containers_in, &t);
	ck_assert_uint_eq(t.ids.count, 3);
	t.id = "c1";
	READ(containers_in, &t);
	ck_assert_uint_eq(t.ids.count, 2);
	ck_assert_str_eq(t.ids.ids[0], "c2");
	t.from = SCP__BIT(SCP_CONTAINER_EXITED);
	READ(containers_in, &t);
	ck_assert_uint_eq(t.ids.count, 0);
	scp__ids_free(&t.ids);
}
END_TEST

BODY(put_node)
{
	scp__node n = { .id = "n1",
		.runtime_type = "oci",
		.url = arg,
		.status = "ready",
		.cpu_millis = 2000,
		.memory_bytes = 1ull << 34,
		.containers = 100,
		.heartbeat_us = 7 };

	return scp__store_node_put(tx, &n, err);
}

BODY(get_node)
{
	container_test *t = arg;
	scp_status rc = scp__store_node_get(tx, "n1", &t->node, err);

	scp__ids_clear(&t->ids);
	return rc ? rc : scp__store_node_ids(tx, &t->ids, err);
}

BODY(beat)
{
	return scp__store_node_heartbeat(tx, "n1", *(int64_t *)arg, &(bool){ false }, err);
}

START_TEST(a_node_adds_up_what_its_containers_take)
{
	char a[] = "c1", b[] = "c2", url[] = "oci:";
	container_test t = { 0 };

	WRITE(put_node, url);
	WRITE(make_container, a);
	WRITE(make_container, b);
	READ(get_node, &t);
	ck_assert_uint_eq(t.node->allocated_containers, 2);
	ck_assert_uint_eq(t.node->allocated_cpu_millis, 2000);
	ck_assert_uint_eq(t.node->allocated_memory_bytes, 1ull << 30);
	ck_assert_uint_eq(t.ids.count, 1);
	scp__node_free(t.node);
	raw_sql("UPDATE container SET status = 4 WHERE id = 'c1'");
	READ(get_node, &t);
	ck_assert_uint_eq(t.node->allocated_containers, 1);
	scp__node_free(t.node);
	scp__ids_free(&t.ids);
}
END_TEST

START_TEST(an_operators_draining_stays)
{
	char old[] = "oci:old", fresh[] = "oci:new";
	int64_t now = 99;
	container_test t = { 0 };

	WRITE(put_node, old);
	raw_sql("UPDATE node SET status = 'draining'");
	WRITE(put_node, fresh);
	WRITE(beat, &now);
	READ(get_node, &t);
	ck_assert_str_eq(t.node->status, "draining");
	ck_assert_str_eq(t.node->url, "oci:new");
	ck_assert_int_eq(t.node->heartbeat_us, 99);
	ck_assert_uint_eq(t.node->cpu_millis, 2000);
	ck_assert_uint_eq(t.node->containers, 100);
	scp__node_free(t.node);
	raw_sql("UPDATE node SET status = 'lost'");
	WRITE(put_node, fresh);
	READ(get_node, &t);
	ck_assert_str_eq(t.node->status, "ready");
	scp__node_free(t.node);
	scp__ids_free(&t.ids);
}
END_TEST

/* ---- template ---- */

typedef struct template_test {
	scp_template in;
	scp__template *got;
	scp_template_query q;
	scp_template_page *page;
} template_test;

BODY(seed)
{
	return scp__store_template_seed(tx, &((template_test *)arg)->in, err);
}

BODY(get_template)
{
	template_test *t = arg;

	return scp__store_template_get(tx, t->in.id, &t->got, err);
}

BODY(list_templates)
{
	template_test *t = arg;

	return scp__store_template_list(tx, &t->q, &t->page, err);
}

START_TEST(a_template_comes_back_whole)
{
	static const scp_language languages[] = { SCP_PYTHON, SCP_SHELL };
	static const char *const packages[] = { "python3-pandas", "jq" };
	static const scp_pair pair = { "TOKEN", "shown" };
	static const scp_pair *const env[] = { &pair };
	template_test t = { .in = plain_template("full") };

	t.in.description = "all of it";
	t.in.base_image = "debian";
	t.in.languages = languages;
	t.in.language_count = 2;
	t.in.packages = packages;
	t.in.package_count = 2;
	t.in.env = env;
	t.in.env_count = 1;
	t.in.network_enabled = t.in.read_only_root = true;
	WRITE(seed, &t);
	READ(get_template, &t);
	ck_assert_str_eq(t.got->pub.description, "all of it");
	ck_assert_str_eq(t.got->pub.base_image, "debian");
	ck_assert_uint_eq(t.got->pub.language_count, 2);
	ck_assert_int_eq(t.got->pub.languages[1], SCP_SHELL);
	ck_assert_uint_eq(t.got->pub.package_count, 2);
	ck_assert_str_eq(t.got->pub.packages[0], "python3-pandas");
	ck_assert_str_eq(t.got->pub.env[0]->name, "TOKEN");
	ck_assert_str_eq(t.got->pub.env[0]->value, "shown");
	ck_assert_uint_eq(t.got->pub.default_timeout_s, 300);
	ck_assert_uint_eq(t.got->pub.run_as_user, 1000);
	ck_assert(t.got->pub.network_enabled && t.got->pub.read_only_root && !t.got->pub.deprecated);
	ck_assert_uint_eq(t.got->pub.default_resources->cpu_millis, 1000);
	scp_template_free(&t.got->pub);
}
END_TEST

static void expect_image(template_test *t, const char *image, int64_t updated_us)
{
	READ(get_template, t);
	ck_assert_str_eq(t->got->pub.image, image);
	ck_assert_int_eq(t->got->pub.updated_us, updated_us);
	ck_assert_int_eq(t->got->pub.created_us, 10);
	scp_template_free(&t->got->pub);
}

START_TEST(a_seed_follows_the_release_until_somebody_changes_it)
{
	template_test t = { .in = plain_template("seed") };

	WRITE(seed, &t);
	t.in.updated_us = 20;
	WRITE(seed, &t);
	expect_image(&t, "host:", 10); /* the same seed again is no change */
	t.in.image = "dir:/new";
	WRITE(seed, &t);
	expect_image(&t, "dir:/new", 20);
	raw_sql("UPDATE template SET seed_digest = '', image = 'mine' WHERE id = 'seed'");
	t.in.image = "dir:/newer";
	t.in.updated_us = 30;
	WRITE(seed, &t);
	expect_image(&t, "mine", 20);
}
END_TEST

START_TEST(templates_are_listed_newest_first_without_the_hidden)
{
	template_test t = { .in = plain_template("new"), .q = { .limit = 1 } };

	t.in.created_us = 11;
	WRITE(seed, &t);
	READ(list_templates, &t);
	ck_assert_uint_eq(t.page->total, 2);
	ck_assert_str_eq(t.page->items[0]->id, "new");
	ck_assert_str_eq(t.page->next, "1");
	scp_template_page_free(t.page);
	raw_sql("UPDATE template SET deleted_us = 5 WHERE id = 'new'");
	READ(list_templates, &t);
	ck_assert_uint_eq(t.page->total, 1);
	ck_assert_str_eq(t.page->items[0]->id, "tmpl");
	scp_template_page_free(t.page);
	ck_assert_int_eq(transact(SCP_DB_READ, get_template, &t, NULL), SCP_ENOTFOUND);
}
END_TEST

/* ---- idempotency ---- */

typedef struct key_test {
	pthread_t thread;
	const char *actor, *digest;
	char resource[16];
	int64_t now;
	bool found;
	char existing[SCP__ID_SIZE];
} key_test;

BODY(use_key)
{
	key_test *k = arg;

	return scp__store_idempotency(
	    tx, "POST /x", k->actor, "key", k->digest, k->resource, k->now, k->now + 100, &k->found, k->existing, err);
}

START_TEST(the_same_request_finds_the_first_ones_resource)
{
	key_test first = { .digest = "d1", .resource = "r1" }, twin = { .digest = "d1", .resource = "r2", .now = 99 };
	key_test other = { .digest = "d2", .resource = "r3", .now = 99 }, stranger = other, late = other;
	scp_error err = { 0 };

	WRITE(use_key, &first);
	ck_assert(!first.found);
	WRITE(use_key, &twin);
	ck_assert(twin.found);
	ck_assert_str_eq(twin.existing, "r1");
	ck_assert_int_eq(transact(SCP_DB_WRITE, use_key, &other, &err), SCP_ECONFLICT);
	stranger.actor = "somebody";
	WRITE(use_key, &stranger);
	ck_assert(!stranger.found);
	late.now = 100; /* the first one's time is up */
	WRITE(use_key, &late);
	ck_assert(!late.found);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM idempotency"), 2);
}
END_TEST

static void *use_key_in_thread(void *arg)
{
	return (void *)(intptr_t)transact(SCP_DB_WRITE, use_key, arg, NULL);
}

START_TEST(of_twins_at_once_one_makes_the_resource)
{
	key_test twins[8] = { 0 };
	int made = 0;
	void *rc;

	for (int i = 0; i < 8; i++) {
		twins[i].digest = "d";
		snprintf(twins[i].resource, sizeof(twins[i].resource), "r%d", i);
		pthread_create(&twins[i].thread, NULL, use_key_in_thread, &twins[i]);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(twins[i].thread, &rc);
		ck_assert_ptr_null(rc);
		if (!twins[i].found)
			snprintf(twins[i].existing, sizeof(twins[i].existing), "%s", twins[i].resource);
		made += !twins[i].found;
	}
	ck_assert_int_eq(made, 1);
	for (int i = 1; i < 8; i++)
		ck_assert_str_eq(twins[i].existing, twins[0].existing);
}
END_TEST

BODY(purge)
{
	return scp__store_idempotency_purge(tx, *(int64_t *)arg, 2, err);
}

START_TEST(expired_keys_go_a_batch_at_a_time)
{
	int64_t now = 10;

	for (int i = 0; i < 5; i++) {
		char sql[128];

		snprintf(sql, sizeof(sql), "INSERT INTO idempotency VALUES ('r', '', 'k%d', 'd', 'x', 0, %d)", i,
		    i < 4 ? i + 1 : 11);
		raw_sql(sql);
	}
	WRITE(purge, &now);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM idempotency"), 3);
	WRITE(purge, &now);
	WRITE(purge, &now);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM idempotency"), 1);
}
END_TEST

/* ---- meta ---- */

typedef struct meta_test {
	const char *put;
	char got[8];
	bool found;
} meta_test;

BODY(put_meta)
{
	return scp__store_meta_put(tx, "name", ((meta_test *)arg)->put, err);
}

BODY(get_meta)
{
	meta_test *m = arg;

	return scp__store_meta_get(tx, "name", m->got, sizeof(m->got), &m->found, err);
}

START_TEST(a_name_has_one_value)
{
	meta_test m = { .put = "one" };

	READ(get_meta, &m);
	ck_assert(!m.found);
	WRITE(put_meta, &m);
	m.put = "two";
	WRITE(put_meta, &m);
	READ(get_meta, &m);
	ck_assert(m.found);
	ck_assert_str_eq(m.got, "two");
	m.put = "12345678";
	WRITE(put_meta, &m);
	ck_assert_int_eq(transact(SCP_DB_READ, get_meta, &m, NULL), SCP_ETOOBIG);
}
END_TEST

Suite *rows_suite(void)
{
	Suite *s = suite_create("rows");
	TCase *c = tcase_create("rows");

	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, a_workspace_is_due_after_its_first_end_until_it_is_removed);
	tcase_add_test(c, a_container_goes_its_way_once);
	tcase_add_test(c, a_nodes_containers_come_by_state_and_id);
	tcase_add_test(c, a_node_adds_up_what_its_containers_take);
	tcase_add_test(c, an_operators_draining_stays);
	tcase_add_test(c, a_template_comes_back_whole);
	tcase_add_test(c, a_seed_follows_the_release_until_somebody_changes_it);
	tcase_add_test(c, templates_are_listed_newest_first_without_the_hidden);
	tcase_add_test(c, the_same_request_finds_the_first_ones_resource);
	tcase_add_test(c, of_twins_at_once_one_makes_the_resource);
	tcase_add_test(c, expired_keys_go_a_batch_at_a_time);
	tcase_add_test(c, a_name_has_one_value);
	suite_add_tcase(s, c);
	return s;
}
