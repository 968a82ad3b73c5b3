/* What a template's spec may hold. */
#include <string.h>

#include "digest.h"
#include "env.h"
#include "err.h"
#include "image.h"
#include "template.h"
#include "utf8.h"

enum {
	ID_MAX = 64,
	NAME_MAX_CHARS = 128,
	DESCRIPTION_MAX_CHARS = 1024,
	PACKAGES_MAX = 200,
	PACKAGE_MAX_CHARS = 128,
	USER_MAX = 65534,
	POOL_MAX = 1000,
	POOL_IDLE_MAX_S = 86400,
};

static scp_status check_id(const char *id, scp_error *err)
{
	size_t len = id ? strlen(id) : 0;

	if (!len)
		return scp__fail(err, SCP_EINVAL, "id: is required");
	if (len > ID_MAX || id[0] == '-' || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
		return scp__fail(err, SCP_EINVAL, "id: '%.80s' is not [a-z0-9][a-z0-9-]{0,63}", id);
	return SCP_OK;
}

static scp_status check_same_id(const char *id, const char *given, scp_error *err)
{
	if (!given || !strcmp(id, given))
		return SCP_OK;
	return scp__fail(err, SCP_EINVAL, "id: '%.80s' is not the id of the template to change, '%.80s'", given, id);
}

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* Lines and tabs are for descriptions alone. */
static bool is_text(const char *text, bool lines)
{
	if (!scp__utf8_valid(text, strlen(text)))
		return false;
	if (!lines)
		return scp__text_printable(text);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if ((*p < 0x20 && *p != '\n' && *p != '\t' && *p != '\r') || *p == 0x7f)
			return false;
	return true;
}

static scp_status check_text(const char *field, const char *text, size_t max, bool lines, scp_error *err)
{
	if (!is_text(text, lines))
		return scp__fail(err, SCP_EINVAL, "%s: must be UTF-8 without control characters", field);
	if (characters(text) > max)
		return scp__fail(
		    err, SCP_EINVAL, "%s: has %zu characters; allowed are %zu", field, characters(text), max);
	return SCP_OK;
}

static scp_status check_names(const scp_template_spec *spec, scp_error *err)
{
	scp_status rc = SCP_OK;

	if (!spec->name || !spec->name[0])
		return scp__fail(err, SCP_EINVAL, "name: is required");
	if (strspn(spec->name, " ") == strlen(spec->name))
		return scp__fail(err, SCP_EINVAL, "name: must not be blank");
	rc = check_text("name", spec->name, NAME_MAX_CHARS, false, err);
	if (!rc && spec->description)
		rc = check_text("description", spec->description, DESCRIPTION_MAX_CHARS, true, err);
	return rc;
}

static scp_status check_images(const scp_template_spec *spec, scp_error *err)
{
	scp_status rc;

	if (!spec->image || !spec->image[0])
		return scp__fail(err, SCP_EINVAL, "image: is required");
	rc = scp__image_check("image", spec->image, err);
	if (!rc && spec->base_image)
		rc = scp__image_check("base_image", spec->base_image, err);
	return rc;
}

static scp_status check_languages(const scp_template_spec *spec, scp_error *err)
{
	uint32_t seen = 0;

	if (spec->language_count && !spec->languages)
		return scp__fail(err, SCP_EINVAL, "languages: must not be NULL where language_count isn't 0");
	for (size_t i = 0; i < spec->language_count; i++) {
		scp_language l = spec->languages[i];

		if (l < SCP_PYTHON || l > SCP_SHELL)
			return scp__fail(err, SCP_EINVAL, "languages: may hold python, javascript and shell only");
		if (seen >> l & 1)
			return scp__fail(err, SCP_EINVAL, "languages: %s is there twice", scp_language_name(l));
		seen |= 1u << l;
	}
	return SCP_OK;
}

static scp_status check_packages(const scp_template_spec *spec, scp_error *err)
{
	scp_status rc = SCP_OK;

	if (spec->package_count > PACKAGES_MAX)
		return scp__fail(err, SCP_EINVAL, "pre_installed_packages: has %zu; allowed are %d",
		    spec->package_count, PACKAGES_MAX);
	if (spec->package_count && !spec->packages)
		return scp__fail(
		    err, SCP_EINVAL, "pre_installed_packages: must not be NULL where package_count isn't 0");
	for (size_t i = 0; !rc && i < spec->package_count; i++) {
		if (!spec->packages[i] || !spec->packages[i][0])
			return scp__fail(err, SCP_EINVAL, "pre_installed_packages: number %zu is empty", i + 1);
		rc = check_text("pre_installed_packages", spec->packages[i], PACKAGE_MAX_CHARS, false, err);
	}
	return rc;
}

static scp_status check_security(const scp_template_spec *spec, scp_error *err)
{
	uint32_t limit = spec->max_processes ? spec->max_processes : SCP__TEMPLATE_PROCESS_LIMIT;
	const scp_resources *r = spec->default_resources;
	scp_status rc = SCP_OK;

	if ((unsigned)spec->network > SCP_ON)
		return scp__fail(err, SCP_EINVAL, "security_context.network_enabled: must be true, false or left out");
	if ((unsigned)spec->read_only_root > SCP_ON)
		return scp__fail(err, SCP_EINVAL, "security_context.read_only_root: must be true, false or left out");
	rc = scp__check_range("security_context.run_as_user", spec->run_as_user, 1, USER_MAX, err);
	if (!rc)
		rc = scp__check_range("security_context.max_processes", spec->max_processes, 32, 1024, err);
	if (!rc && spec->seccomp && strcmp(spec->seccomp, "default") != 0)
		rc = scp__fail(
		    err, SCP_EINVAL, "security_context.seccomp: '%.40s' is not one of default", spec->seccomp);
	if (!rc && r && r->max_processes > limit)
		rc = scp__fail(err, SCP_EINVAL,
		    "default_resources.max_processes: is %u; security_context.max_processes allows %u",
		    r->max_processes, limit);
	return rc;
}

static scp_status check_pool(const scp_warm_pool *p, scp_error *err)
{
	scp_status rc;

	if (!p)
		return SCP_OK;
	rc = scp__check_range("warm_pool.min", p->min, 0, POOL_MAX, err);
	if (!rc)
		rc = scp__check_range("warm_pool.max", p->max, 0, POOL_MAX, err);
	if (!rc && p->max && p->max < p->min)
		rc = scp__fail(err, SCP_EINVAL, "warm_pool.max: is %u; warm_pool.min is %u already", p->max, p->min);
	if (!rc)
		rc = scp__check_range("warm_pool.max_idle_s", p->max_idle_s, 0, POOL_IDLE_MAX_S, err);
	return rc;
}

scp_status scp__check_template_spec(const char *id, const scp_template_spec *spec, scp_error *err)
{
	scp_status rc;

	if (!spec || spec->struct_size < sizeof(uint32_t) + sizeof(void *))
		return scp__fail(err, SCP_EINVAL, "spec must be set up with SCP_TEMPLATE_SPEC_INIT");
	rc = id ? check_same_id(id, spec->id, err) : check_id(spec->id, err);
	if (!rc)
		rc = check_names(spec, err);
	if (!rc)
		rc = check_images(spec, err);
	if (!rc)
		rc = check_languages(spec, err);
	if (!rc)
		rc = check_packages(spec, err);
	if (!rc)
		rc = scp__check_resources("default_resources", spec->default_resources, err);
	if (!rc)
		rc = scp__check_range("default_timeout", spec->default_timeout_s, 60, 3600, err);
	if (!rc)
		rc = scp__env_check(spec->env, spec->env_count, "default_env_vars", err);
	if (!rc)
		rc = check_security(spec, err);
	if (!rc)
		rc = check_pool(spec->warm_pool, err);
	return rc ? rc : scp__check_key(spec->idempotency_key, err);
}

/* ---- what makes two requests with one idempotency key the same ---- */

static void add_lists(scp__sha256 *s, const scp_template_spec *spec)
{
	scp__digest_number(s, spec->language_count);
	for (size_t i = 0; i < spec->language_count; i++)
		scp__digest_number(s, spec->languages[i]);
	scp__digest_number(s, spec->package_count);
	for (size_t i = 0; i < spec->package_count; i++)
		scp__digest_text(s, spec->packages[i]);
	scp__digest_env(s, spec->env, spec->env_count);
}

static void add_security(scp__sha256 *s, const scp_template_spec *spec)
{
	static const scp_warm_pool none = SCP_WARM_POOL_INIT;
	const scp_warm_pool *p = spec->warm_pool ? spec->warm_pool : &none;

	scp__digest_number(s, spec->network);
	scp__digest_number(s, spec->read_only_root);
	scp__digest_number(s, spec->run_as_user);
	scp__digest_number(s, spec->max_processes);
	scp__digest_text(s, spec->seccomp);
	scp__digest_number(s, p->min);
	scp__digest_number(s, p->max);
	scp__digest_number(s, p->max_idle_s);
}

void scp__digest_template_spec(const scp_template_spec *spec, char out[65])
{
	scp__sha256 s;

	scp__sha256_init(&s);
	scp__digest_text(&s, spec->id);
	scp__digest_text(&s, spec->name);
	scp__digest_text(&s, spec->description);
	scp__digest_text(&s, spec->image);
	scp__digest_text(&s, spec->base_image);
	scp__digest_resources(&s, spec->default_resources);
	scp__digest_number(&s, spec->default_timeout_s);
	add_lists(&s, spec);
	add_security(&s, spec);
	scp__digest_number(&s, spec->deprecated);
	scp__sha256_final_hex(&s, out);
}
