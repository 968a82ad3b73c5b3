/*
 * Signatures against what AWS publishes: its Signature Version 4 test suite (the cases that concern a service which, as
 * S3, doesn't normalise paths), and the examples of S3's documentation ("Authenticating Requests"). Keys, times and
 * signatures are AWS's; each row is one of its files or examples.
 */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "s3/sigv4.h"
#include "s3/time_text.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FORM "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e" /* of Param1=value1 */
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define TOKEN                                                                                                          \
	"AQoDYXdzEPT//////////"                                                                                        \
	"wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YU"                     \
	"uwthAx7mSEI/qkPpKPi/"                                                                                         \
	"kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8Y"                    \
	"QcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"                                                          \
	"scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICC"                                                   \
	"R/oLxBA=="

struct vector {
	const char *name, *method, *path;
	scp_pair query[3], headers[5]; /* besides Host and X-Amz-Date */
	const char *payload, *signature;
};

static const struct vector suite_vectors[] = {
	{ "get-vanilla", "GET", "/", { { 0 } }, { { 0 } }, EMPTY,
	    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-header-key-duplicate", "GET", "/", { { 0 } },
	    { { "My-Header1", "value2" }, { "My-Header1", "value2" }, { "My-Header1", "value1" } }, EMPTY,
	    "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ "get-header-value-order", "GET", "/", { { 0 } },
	    { { "My-Header1", "value4" }, { "My-Header1", "value1" }, { "My-Header1", "value3" },
		{ "My-Header1", "value2" } },
	    EMPTY, "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01" },
	{ "get-header-value-trim", "GET", "/", { { 0 } },
	    { { "My-Header1", " value1" }, { "My-Header2", " \"a   b   c\"" } }, EMPTY,
	    "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "get-unreserved", "GET", "/" UNRESERVED, { { 0 } }, { { 0 } }, EMPTY,
	    "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ "get-utf8", "GET", "/\341\210\264", { { 0 } }, { { 0 } }, EMPTY,
	    "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
	{ "get-vanilla-empty-query-key", "GET", "/", { { "Param1", "value1" } }, { { 0 } }, EMPTY,
	    "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
	{ "get-vanilla-query-order-key-case", "GET", "/", { { "Param2", "value2" }, { "Param1", "value1" } }, { { 0 } },
	    EMPTY, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "get-vanilla-query-unreserved", "GET", "/", { { UNRESERVED, UNRESERVED } }, { { 0 } }, EMPTY,
	    "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
	{ "get-vanilla-utf8-query", "GET", "/", { { "\341\210\264", "bar" } }, { { 0 } }, EMPTY,
	    "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04" },
	{ "post-header-key-sort", "POST", "/", { { 0 } }, { { "My-Header1", "value1" } }, EMPTY,
	    "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c" },
	{ "post-header-value-case", "POST", "/", { { 0 } }, { { "My-Header1", "VALUE1" } }, EMPTY,
	    "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d" },
	{ "post-sts-header-before", "POST", "/", { { 0 } }, { { "X-Amz-Security-Token", TOKEN } }, EMPTY,
	    "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead" },
	{ "post-vanilla", "POST", "/", { { 0 } }, { { 0 } }, EMPTY,
	    "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-vanilla-query", "POST", "/", { { "Param1", "value1" } }, { { 0 } }, EMPTY,
	    "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11" },
	{ "post-vanilla-query-nonunreserved", "POST", "/", { { "@#$%^", "" }, { "+", "/,?><`\";:\\|][{}" } }, { { 0 } },
	    EMPTY, "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e" },
	{ "post-x-www-form-urlencoded", "POST", "/", { { 0 } },
	    { { "Content-Type", "application/x-www-form-urlencoded" } }, FORM,
	    "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
	{ "post-x-www-form-urlencoded-parameters", "POST", "/", { { 0 } },
	    { { "Content-Type", "application/x-www-form-urlencoded; charset=utf8" } }, FORM,
	    "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe" },
};

static const struct vector s3_vectors[] = {
	{ "GET Object", "GET", "/test.txt", { { 0 } }, { { "Range", "bytes=0-9" }, { "x-amz-content-sha256", EMPTY } },
	    EMPTY, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ "PUT Object", "PUT", "/test$file.text", { { 0 } },
	    { { "Date", "Fri, 24 May 2013 00:00:00 GMT" }, { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
		{ "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" } },
	    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
	    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ "GET Bucket Lifecycle", "GET", "/", { { "lifecycle", "" } }, { { "x-amz-content-sha256", EMPTY } }, EMPTY,
	    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ "Get Bucket (List Objects)", "GET", "/", { { "prefix", "J" }, { "max-keys", "2" } },
	    { { "x-amz-content-sha256", EMPTY } }, EMPTY,
	    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static size_t count(const scp_pair *pairs, size_t max)
{
	size_t n = 0;

	while (n < max && pairs[n].name)
		n++;
	return n;
}

static void assert_signature(const struct vector *v, const struct sigv4_signer *s, const char *host)
{
	char time[SIGV4_TIME_SIZE];
	scp_pair headers[8];
	size_t n = count(v->headers, 5);
	struct sigv4_request q = { v->method, v->path, v->query, count(v->query, 3), headers, n + 2, v->payload };
	scp__buf out;

	memcpy(headers, v->headers, sizeof(v->headers));
	headers[n] = (scp_pair){ "Host", host };
	headers[n + 1] = (scp_pair){ "X-Amz-Date", sigv4_time(time, s->time_us) };
	scp__buf_init(&out, 4096);
	ck_assert_int_eq(sigv4_authorize(&out, s, &q, NULL), SCP_OK);
	ck_assert_msg(!strcmp(strstr(out.data, "Signature=") + 10, v->signature), "%s: %s", v->name, out.data);
	scp__buf_free(&out);
}

START_TEST(signatures_are_those_of_awss_test_suite)
{
	struct sigv4_signer s = { "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL, "us-east-1",
		"service", INT64_C(1440938160000000) };

	assert_signature(&suite_vectors[_i], &s, "example.amazonaws.com");
}
END_TEST

static const struct sigv4_signer s3_signer = { "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL,
	"us-east-1", "s3", INT64_C(1369353600000000) };

START_TEST(signatures_are_those_of_s3s_documentation)
{
	assert_signature(&s3_vectors[_i], &s3_signer, "examplebucket.s3.amazonaws.com");
}
END_TEST

START_TEST(a_presigned_url_is_that_of_s3s_documentation)
{
	scp_pair host = { "host", "examplebucket.s3.amazonaws.com" };
	struct sigv4_request q = { "GET", "/test.txt", NULL, 0, &host, 1, SIGV4_UNSIGNED };
	scp__buf out;

	scp__buf_init(&out, 4096);
	ck_assert_int_eq(sigv4_presign(&out, &s3_signer, &q, 86400, NULL), SCP_OK);
	ck_assert_str_eq(out.data, "X-Amz-Algorithm=AWS4-HMAC-SHA256"
				   "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
				   "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
				   "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
	scp__buf_free(&out);
}
END_TEST

START_TEST(odd_paths_are_encoded_once_and_left_as_they_are)
{
	scp_pair host = { "host", "h" };
	struct sigv4_request q = { "GET", "/a b/+%/\303\251//x/./../~", NULL, 0, &host, 1, SIGV4_UNSIGNED };
	scp__buf out;

	scp__buf_init(&out, 4096);
	ck_assert_int_eq(sigv4_canonical(&out, &q, NULL), SCP_OK);
	ck_assert_str_eq(out.data, "GET\n/a%20b/%2B%25/%C3%A9//x/./../~\n\nhost:h\n\nhost\nUNSIGNED-PAYLOAD");
	scp__buf_free(&out);
}
END_TEST

/* "a-b" stands before "a=": names are compared, not whole parameters. */
START_TEST(parameters_are_sorted_by_their_names)
{
	const scp_pair query[] = { { "a-b", "1" }, { "a", "2" }, { "a", "1" }, { "A", NULL }, { "a.", "&" } };
	scp__buf out;

	scp__buf_init(&out, 4096);
	ck_assert_int_eq(sigv4_query(&out, query, 5, NULL), SCP_OK);
	ck_assert_str_eq(out.data, "A=&a=1&a=2&a-b=1&a.=%26");
	scp__buf_free(&out);
}
END_TEST

START_TEST(times_are_read)
{
	ck_assert_int_eq(s3_time_iso("2015-08-30T12:36:00.250Z"), INT64_C(1440938160250000));
	ck_assert_int_eq(s3_time_iso("2015-08-30T12:36:00Z"), INT64_C(1440938160000000));
	ck_assert_int_eq(s3_time_http("Sun, 30 Aug 2015 12:36:00 GMT"), INT64_C(1440938160000000));
	ck_assert_int_eq(s3_time_http("Sun, 30 anA 2015 12:36:00 GMT"), 0);
	ck_assert_int_eq(s3_time_http("yesterday"), 0);
	ck_assert_int_eq(s3_time_iso(""), 0);
}
END_TEST

Suite *sigv4_suite(void)
{
	Suite *suite = suite_create("sigv4");
	TCase *tc = tcase_create("sigv4");

	tcase_add_loop_test(
	    tc, signatures_are_those_of_awss_test_suite, 0, sizeof(suite_vectors) / sizeof(suite_vectors[0]));
	tcase_add_loop_test(
	    tc, signatures_are_those_of_s3s_documentation, 0, sizeof(s3_vectors) / sizeof(s3_vectors[0]));
	tcase_add_test(tc, a_presigned_url_is_that_of_s3s_documentation);
	tcase_add_test(tc, odd_paths_are_encoded_once_and_left_as_they_are);
	tcase_add_test(tc, parameters_are_sorted_by_their_names);
	tcase_add_test(tc, times_are_read);
	suite_add_tcase(suite, tc);
	return suite;
}
