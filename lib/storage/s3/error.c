/* What S3's refusals mean here, and which setting mends them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "s3.h"
#include "utf8.h"
#include "xml.h"

#define SECOND_US INT64_C(1000000)
#define SKEW_US (14 * 60 * SECOND_US)

enum advice { ADVICE_NONE, ADVICE_KEYS, ADVICE_RIGHTS, ADVICE_BUCKET, ADVICE_REGION, ADVICE_CLOCK, ADVICE_LATER };

static const struct {
	const char *code;
	scp_status status;
	enum advice advice;
} codes[] = {
	{ "NoSuchKey", SCP_ENOTFOUND, ADVICE_NONE },
	{ "NoSuchBucket", SCP_EUNAVAIL, ADVICE_BUCKET },
	{ "InvalidBucketName", SCP_EUNAVAIL, ADVICE_BUCKET },
	{ "InvalidAccessKeyId", SCP_EUNAVAIL, ADVICE_KEYS },
	{ "SignatureDoesNotMatch", SCP_EUNAVAIL, ADVICE_KEYS },
	{ "InvalidToken", SCP_EUNAVAIL, ADVICE_KEYS },
	{ "ExpiredToken", SCP_EUNAVAIL, ADVICE_KEYS },
	{ "TokenRefreshRequired", SCP_EUNAVAIL, ADVICE_KEYS },
	{ "AccessDenied", SCP_EUNAVAIL, ADVICE_RIGHTS },
	{ "AccountProblem", SCP_EUNAVAIL, ADVICE_RIGHTS },
	{ "AllAccessDisabled", SCP_EUNAVAIL, ADVICE_RIGHTS },
	{ "RequestTimeTooSkewed", SCP_EUNAVAIL, ADVICE_CLOCK },
	{ "RequestExpired", SCP_EUNAVAIL, ADVICE_CLOCK },
	{ "AuthorizationHeaderMalformed", SCP_EUNAVAIL, ADVICE_REGION },
	{ "PermanentRedirect", SCP_EUNAVAIL, ADVICE_REGION },
	{ "TemporaryRedirect", SCP_EUNAVAIL, ADVICE_REGION },
	{ "IllegalLocationConstraintException", SCP_EUNAVAIL, ADVICE_REGION },
	{ "EntityTooLarge", SCP_ETOOBIG, ADVICE_NONE },
	{ "QuotaExceeded", SCP_ETOOBIG, ADVICE_NONE },
	{ "InsufficientStorage", SCP_ETOOBIG, ADVICE_NONE },
	{ "XMinioStorageFull", SCP_ETOOBIG, ADVICE_NONE },
	{ "InvalidRange", SCP_EINVAL, ADVICE_NONE },
	{ "KeyTooLongError", SCP_EINVAL, ADVICE_NONE },
	{ "PreconditionFailed", SCP_EBACKEND, ADVICE_NONE },
	{ "SlowDown", SCP_EUNAVAIL, ADVICE_LATER },
	{ "ServiceUnavailable", SCP_EUNAVAIL, ADVICE_LATER },
	{ "InternalError", SCP_EUNAVAIL, ADVICE_LATER },
	{ "RequestTimeout", SCP_EUNAVAIL, ADVICE_LATER },
};

/* Where there is no code: an answer to HEAD has no body, and proxies write what they like. */
static const struct {
	int from, to;
	scp_status status;
	enum advice advice;
} ranges[] = {
	{ 301, 308, SCP_EUNAVAIL, ADVICE_REGION },
	{ 401, 401, SCP_EUNAVAIL, ADVICE_KEYS },
	{ 403, 403, SCP_EUNAVAIL, ADVICE_RIGHTS },
	{ 404, 404, SCP_ENOTFOUND, ADVICE_NONE },
	{ 412, 412, SCP_EBACKEND, ADVICE_NONE },
	{ 413, 413, SCP_ETOOBIG, ADVICE_NONE },
	{ 416, 416, SCP_EINVAL, ADVICE_NONE },
	{ 429, 429, SCP_EUNAVAIL, ADVICE_LATER },
	{ 507, 507, SCP_ETOOBIG, ADVICE_NONE },
	{ 500, 599, SCP_EUNAVAIL, ADVICE_LATER },
};

struct error_reading {
	struct s3_call *call;
	char *region;
};

static scp_status take(void *user, const char *parent, const char *name, const char *text, scp_error *err)
{
	struct error_reading *r = user;

	(void)err;
	if (strcmp(parent, "Error"))
		return SCP_OK;
	if (!strcmp(name, "Code"))
		snprintf(r->call->code, sizeof(r->call->code), "%.63s", text);
	else if (!strcmp(name, "Message") && scp__text_printable(text))
		snprintf(r->call->why, sizeof(r->call->why), "%.199s", text);
	else if (!strcmp(name, "Region"))
		snprintf(r->region, 64, "%.63s", text);
	return SCP_OK;
}

void s3_read_error(struct s3_call *c, char region[64])
{
	struct error_reading r = { c, region };

	if (c->answer.len && !c->answer.status)
		(void)s3_xml_read(c->answer.data, c->answer.len, take, &r, NULL);
}

static int64_t clock_ahead_us(const struct s3_call *c)
{
	return c->head.date_us ? scp__now_us() - c->head.date_us : 0;
}

static scp_status classify(const struct s3_call *c, enum advice *advice)
{
	*advice = ADVICE_NONE;
	if (c->head.status == 403 && !*c->code && llabs(clock_ahead_us(c)) > SKEW_US) {
		*advice = ADVICE_CLOCK;
		return SCP_EUNAVAIL;
	}
	for (size_t i = 0; *c->code && i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!strcmp(c->code, codes[i].code)) {
			*advice = codes[i].advice;
			return codes[i].status;
		}
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c->head.status >= ranges[i].from && c->head.status <= ranges[i].to) {
			*advice = ranges[i].advice;
			return ranges[i].status;
		}
	return SCP_EBACKEND;
}

static void advise_clock(const struct s3_call *c, scp_error *err)
{
	long long ahead_s = clock_ahead_us(c) / SECOND_US;

	if (ahead_s)
		scp__prefix(err, "this machine's clock is %lld s %s the server's", llabs(ahead_s),
		    ahead_s < 0 ? "behind" : "ahead of");
	scp__hint(err, "Set this machine's clock (chrony or systemd-timesyncd); S3 takes 15 minutes at most");
}

static void advise(struct s3 *s, const struct s3_call *c, enum advice advice, const char *region, scp_error *err)
{
	const struct s3_config *config = &s->config;

	switch (advice) {
	case ADVICE_KEYS:
		scp__hint(err, "Correct the access key or its secret: %s", s3_credentials_source(s->credentials));
		break;
	case ADVICE_RIGHTS:
		scp__hint(err, "Let this key list bucket %s and get, put and delete its objects, or use another: %s",
		    config->bucket, s3_credentials_source(s->credentials));
		break;
	case ADVICE_BUCKET:
		scp__hint(err, "Make the bucket %s at %s, or correct its name in --storage", config->bucket,
		    config->endpoint.authority);
		break;
	case ADVICE_REGION:
		scp__hint(err, "Set region=%s in --storage (it is %s now)", *region ? region : "the bucket's",
		    config->region);
		break;
	case ADVICE_CLOCK:
		advise_clock(c, err);
		break;
	case ADVICE_LATER:
		scp__retry_after(err, S3_RETRY_AFTER_MS);
		scp__hint(err, "Try again; if it lasts, look at the S3 server %s", config->endpoint.authority);
		break;
	default:
		break;
	}
}

scp_status s3_fail(struct s3 *s, struct s3_call *c, scp_error *err)
{
	char region[64] = "";
	enum advice advice;
	scp_status rc;

	s3_read_error(c, region);
	rc = classify(c, &advice);
	if (rc == SCP_ENOTFOUND && !c->key)
		rc = SCP_EBACKEND;
	if (rc == SCP_ENOTFOUND)
		return scp__fail_as(err, "FileNotFound", "%s: no such file", c->key);
	scp__fail(err, rc, "storage s3://%s: %s%s%.200s: %d %s%s%s", s->config.bucket, c->method, c->key ? " " : "",
	    c->key ? c->key : "", c->head.status, *c->code ? c->code : "without a reason", *c->why ? ": " : "", c->why);
	advise(s, c, advice, *region ? region : c->head.region, err);
	return rc;
}
