/* Templates: reading, and the seeds. */
#include <string.h>

#include "buf.h"
#include "clock.h"
#include "err.h"
#include "plane.h"
#include "template.h"

struct get {
	const char *id;
	scp__template *t;
};

static scp_status get_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct get *g = arg;

	if (g->t)
		scp_template_free(&g->t->pub);
	g->t = NULL;
	return scp__store_template_get(tx, g->id, &g->t, err);
}

scp_status scp_template_get(scp_template **out, scp_plane *plane, const char *id, scp_error *err)
{
	struct get g = { id, NULL };
	scp_status rc;

	if (!out || !id)
		return scp__fail(err, SCP_EINVAL, "out and id must not be NULL");
	*out = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = scp__database_transact(plane->core->db, SCP_DB_READ, get_tx, &g, err);
	if (!rc)
		*out = &g.t->pub;
	else if (g.t)
		scp_template_free(&g.t->pub);
	scp__leave(plane);
	return rc;
}

struct list {
	scp_template_query query;
	scp_template_page *page;
};

static scp_status list_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct list *l = arg;

	scp_template_page_free(l->page);
	l->page = NULL;
	return scp__store_template_list(tx, &l->query, &l->page, err);
}

scp_status scp_template_list(scp_template_page **out, scp_plane *plane, const scp_template_query *query, scp_error *err)
{
	struct list l = { SCP_TEMPLATE_QUERY_INIT, NULL };
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	if (query)
		l.query = *query;
	rc = scp__check_page(l.query.limit, err);
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = scp__database_transact(plane->core->db, SCP_DB_READ, list_tx, &l, err);
	if (!rc)
		*out = l.page;
	else
		scp_template_page_free(l.page);
	scp__leave(plane);
	return rc;
}

/* ---- seeds ---- */

struct seed {
	const char *id, *name, *description;
	scp_language languages[3];
	size_t language_count;
	const char *packages[8];
	size_t package_count;
};

static const struct seed seeds[] = {
	{ "shell-basic", "Shell", "Shell with the programs of the image", { SCP_SHELL }, 1, { NULL }, 0 },
	{ "nodejs-basic", "Node.js", "Node.js without further packages", { SCP_JAVASCRIPT, SCP_SHELL }, 2, { "nodejs" },
	    1 },
	{ "python-datascience", "Python for data", "Python with numpy, pandas and matplotlib",
	    { SCP_PYTHON, SCP_SHELL }, 2, { "python3", "python3-numpy", "python3-pandas", "python3-matplotlib" }, 4 },
	{ "python-basic", "Python", "Python with its standard library; javascript and shell where the image has them",
	    { SCP_PYTHON, SCP_JAVASCRIPT, SCP_SHELL }, 3, { "python3" }, 1 },
};

#define SEEDS (sizeof(seeds) / sizeof(seeds[0]))

bool scp__template_is_seed(const char *id)
{
	for (size_t i = 0; i < SEEDS; i++)
		if (!strcmp(seeds[i].id, id))
			return true;
	return false;
}

/* The REF of "NAME=REF,…" for `name`, into `out`; false: none given. */
static bool image_of(const char *list, const char *name, scp__buf *out)
{
	size_t len = strlen(name);

	for (const char *p = list; p && *p; p = strchr(p, ','), p = p ? p + 1 : NULL) {
		if (strncmp(p, name, len) || p[len] != '=')
			continue;
		return !scp__buf_append(out, p + len + 1, strcspn(p + len + 1, ","));
	}
	return false;
}

static scp_status seed_one(scp_db_tx *tx, const struct seed *s, const char *images, scp_error *err)
{
	scp_template t = { 0 };
	scp__buf image;
	scp_status rc;

	scp__buf_init(&image, 512);
	t.id = s->id;
	t.name = s->name;
	t.description = s->description;
	t.image = image_of(images, s->id, &image) && image.len ? image.data : "host:";
	t.languages = s->languages;
	t.language_count = s->language_count;
	t.packages = s->packages;
	t.package_count = s->package_count;
	t.default_resources = &scp__template_resources;
	t.default_timeout_s = SCP__TEMPLATE_TIMEOUT_S;
	t.read_only_root = true;
	t.run_as_user = SCP__TEMPLATE_USER;
	t.max_processes = SCP__TEMPLATE_PROCESS_LIMIT;
	t.seccomp = "default";
	t.created_us = t.updated_us = scp__now_us() + (s - seeds); /* listed newest first: in this order's reverse */
	rc = scp__store_template_seed(tx, &t, err);
	scp__buf_free(&image);
	/* An operator's template has its name: theirs stays, and the plane opens. */
	return rc == SCP_ECONFLICT ? SCP_OK : rc;
}

static scp_status seed_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < SEEDS; i++)
		rc = seed_one(tx, &seeds[i], arg, err);
	return rc;
}

scp_status scp__templates_seed(scp__core *core, const char *seed_images, scp_error *err)
{
	return scp__database_transact(core->db, SCP_DB_WRITE, seed_tx, (void *)(uintptr_t)seed_images, err);
}
