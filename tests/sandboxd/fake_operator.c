/* The fake's part for operators: templates that change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fake.h"

struct fake_operator fake_operator;

static void say(const char *format, const char *a, const char *b)
{
	pthread_mutex_lock(&fake.lock);
	(void)snprintf(fake.last, sizeof(fake.last), "%s %s %s", format, a, b ? b : "-");
	pthread_mutex_unlock(&fake.lock);
}

static void keep_template(const scp_template_spec *s)
{
	struct fake_operator *o = &fake_operator;
	char *at = o->template_text;
	size_t size = sizeof(o->template_text);

	o->spec = *s;
	o->pool = s->warm_pool ? *s->warm_pool : (scp_warm_pool){ 0 };
	o->resources = s->default_resources ? *s->default_resources : (scp_resources){ 0 };
	(void)snprintf(at, size, "%s|%s|%s|%s|%s|%s|%s|", s->id ? s->id : "-", s->name ? s->name : "-",
	    s->description ? s->description : "-", s->image ? s->image : "-", s->base_image ? s->base_image : "-",
	    s->seccomp ? s->seccomp : "-", s->idempotency_key ? s->idempotency_key : "-");
	for (size_t i = 0; i < s->language_count; i++)
		(void)snprintf(at + strlen(at), size - strlen(at), "%d", (int)s->languages[i]);
	for (size_t i = 0; i < s->package_count; i++)
		(void)snprintf(at + strlen(at), size - strlen(at), "|%s", s->packages[i]);
	for (size_t i = 0; i < s->env_count; i++)
		(void)snprintf(at + strlen(at), size - strlen(at), "|%s=%s", s->env[i].name, s->env[i].value);
}

scp_status scp_template_create(scp_template **out, scp_plane *plane, const scp_template_spec *spec, scp_error *err)
{
	say("create", spec->id, NULL);
	keep_template(spec);
	if (fake.error.status) {
		*err = fake.error;
		return err->status;
	}
	return scp_template_get(out, plane, "python-basic", err);
}

scp_status scp_template_update(
    scp_template **out, scp_plane *plane, const char *id, const scp_template_spec *spec, scp_error *err)
{
	say("update", id, spec->id);
	keep_template(spec);
	return scp_template_get(out, plane, id, err);
}

scp_status scp_template_delete(scp_plane *plane, const char *id, scp_error *err)
{
	scp_template *t = NULL;
	scp_status rc = scp_template_get(&t, plane, id, err);

	say("delete", id, NULL);
	scp_template_free(t);
	return rc;
}
