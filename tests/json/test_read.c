#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "suites.h"

static scp__json *parsed(const char *text)
{
	scp_error err = { 0 };
	scp__json *v;

	ck_assert_msg(!scp__json_parse(&v, text, strlen(text), "body", &err), "%s: %s", text, err.message);
	return v;
}

/* Both ways of reading refuse it, and the message holds `part`. */
static void refuse_bytes(const char *text, size_t len, const char *part)
{
	scp_error err = { 0 };
	scp__json *v = (scp__json *)&err;

	ck_assert_msg(scp__json_parse(&v, text, len, "body", &err) == SCP_EINVAL, "accepted: %s", text);
	ck_assert_ptr_null(v);
	ck_assert_msg(strstr(err.message, "body") != NULL, "%s", err.message);
	ck_assert_msg(strstr(err.message, part) != NULL, "%s: %s", text, err.message);
	ck_assert_int_eq(scp__json_check(text, len, "body", NULL), SCP_EINVAL);
}

static void refuse(const char *text, const char *part)
{
	refuse_bytes(text, strlen(text), part);
}

START_TEST(trailing_bytes_are_refused)
{
	refuse("{} x", "byte 3");
	refuse("1 2", "byte 2");
	refuse("{}{}", "behind");
	refuse("[1]]", "behind");
	refuse_bytes("{}\0", 3, "behind");
	scp__json_free(parsed(" \t\r\n{} \t\r\n"));
}
END_TEST

START_TEST(twin_keys_are_refused_whatever_their_spelling)
{
	refuse("{\"a\":1,\"b\":2,\"a\":3}", "\"a\" is there twice, again at byte 14");
	refuse("{\"a\":1,\"\\u0061\":2}", "twice");
	refuse("{\"\xc3\xa9\":1,\"\\u00e9\":2}", "twice");
	refuse("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\uDE00\":2}", "twice");
	refuse("{\"\\n\\/\":1,\"\\u000a/\":2}", "twice");
	refuse("[{\"x\":{\"a\":1,\"a\":1}}]", "twice");
	refuse("{\"\":1,\"\":1}", "twice");
}
END_TEST

START_TEST(like_keys_of_different_objects_or_case_are_no_twins)
{
	scp__json *v = parsed("{\"a\":{\"a\":1},\"A\":2,\"b\":[{\"a\":1},{\"a\":2}],\"aa\":3,\"\":4}");

	ck_assert_uint_eq(scp__json_size(v), 5);
	scp__json_free(v);
}
END_TEST

START_TEST(invalid_utf8_is_refused_with_its_place)
{
	refuse("\"ab\xff\"", "byte 3: no valid UTF-8");
	refuse("\"\xc0\xaf\"", "byte 1");	  /* overlong */
	refuse("\"\xed\xa0\x80\"", "byte 1");	  /* a surrogate */
	refuse("\"\xf4\x90\x80\x80\"", "byte 1"); /* beyond U+10FFFF */
	refuse("\"\xe2\x82\"", "byte 1");	  /* cut off */
	refuse("\xef\xbb\xbf{}", "a value is expected");
}
END_TEST

START_TEST(keys_are_found_in_their_exact_case_only)
{
	scp__json *v = parsed("{\"Code\":1,\"code\":2}");

	ck_assert_double_eq(scp__json_number(scp__json_get(v, "code")), 2);
	ck_assert_double_eq(scp__json_number(scp__json_get(v, "Code")), 1);
	ck_assert_ptr_null(scp__json_get(v, "CODE"));
	scp__json_free(v);
}
END_TEST

START_TEST(a_nul_in_a_string_is_refused)
{
	refuse("\"a\\u0000b\"", "byte 2: \\u0000");
	refuse("{\"a\\u0000\":1}", "\\u0000");
	refuse_bytes("\"a\0b\"", 5, "control character");
}
END_TEST

START_TEST(half_a_surrogate_pair_is_refused)
{
	refuse("\"\\ud800\"", "surrogate");
	refuse("\"\\udc00\"", "surrogate");
	refuse("\"\\ud800\\ud800\"", "surrogate");
	refuse("\"\\ud800x\"", "surrogate");
	refuse("\"\\ud83d\\n\"", "surrogate");
}
END_TEST

START_TEST(escapes_mean_their_characters)
{
	scp__json *v = parsed("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"");

	ck_assert_str_eq(scp__json_string(v), "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80");
	scp__json_free(v);
	refuse("\"\\x41\"", "escape");
	refuse("\"\\u12g4\"", "hexadecimal");
	refuse("\"\\", "byte");
	refuse("\"\\u12", "hexadecimal");
}
END_TEST

static char *nested(int depth, const char *open, const char *close)
{
	scp__buf b;

	scp__buf_init(&b, 1 << 20);
	for (int i = 0; i < depth; i++)
		scp__buf_puts(&b, open);
	scp__buf_puts(&b, "1");
	for (int i = 0; i < depth; i++)
		scp__buf_puts(&b, close);
	return scp__buf_detach(&b);
}

START_TEST(depth_64_is_read_and_depth_65_is_not)
{
	static const char *const kinds[][2] = { { "[", "]" }, { "{\"a\":", "}" } };
	char *text;

	for (int i = 0; i < 2; i++) {
		text = nested(64, kinds[i][0], kinds[i][1]);
		scp__json_free(parsed(text));
		free(text);
		text = nested(65, kinds[i][0], kinds[i][1]);
		refuse(text, "deeper than 64 levels");
		free(text);
	}
	text = nested(100000, "[", "]");
	refuse(text, "deeper");
	free(text);
}
END_TEST

START_TEST(bounds_say_how_deep_and_how_many)
{
	const scp__json_bounds deep = { .depth = 65 }, few = { .depth = 64, .values = 3 };
	char *text = nested(65, "[", "]");
	scp_error err = { 0 };
	scp__json *v;

	ck_assert_int_eq(scp__json_parse_within(&v, text, strlen(text), "text", &deep, &err), SCP_OK);
	scp__json_free(v);
	free(text);
	ck_assert_int_eq(scp__json_parse_within(&v, "[1,{}]", 6, "text", &few, &err), SCP_OK);
	scp__json_free(v);
	ck_assert_int_eq(scp__json_parse_within(&v, "[1,[],1]", 8, "text", &few, &err), SCP_EINVAL);
	ck_assert_ptr_null(v);
	ck_assert_str_eq(err.message, "text: more than 3 values");
}
END_TEST

START_TEST(what_is_no_json_number_is_refused)
{
	static const char *const odd[] = { "NaN", "Infinity", "-Infinity", "-", "+1", "01", "-01", "1.", ".5", "1e",
		"1e+", "1.e1", "0x10", "1-2", "--1", "1,0" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		refuse(odd[i], "byte");
}
END_TEST

START_TEST(numbers_beyond_a_double_are_refused)
{
	char long_one[80];

	refuse("1e999", "too large");
	refuse("[0,-1e400]", "byte 3: a number too large");
	memset(long_one, '1', 64);
	long_one[64] = '\0';
	refuse(long_one, "63 characters");
	long_one[63] = '\0';
	scp__json_free(parsed(long_one));
	scp__json_free(parsed("1e-999"));
}
END_TEST

START_TEST(malformed_texts_are_refused)
{
	static const char *const odd[] = { "", " ", "{", "[", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{'a':1}",
		"tru", "True", "nul", "\"", "\"a", "[1 2]", "{\"a\":}", "[,1]", "]", "}", "\x01{}", "\f1", "/**/1",
		"\"\t\"", "{\"a\":1]" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		refuse(odd[i], "byte");
}
END_TEST

START_TEST(every_cut_of_a_text_is_refused)
{
	static const char text[] = "{\"a\":[1.5e3,true,\"\\ud83d\\ude00\xc3\xa9\",{\"b\":null}]}";
	char *copy;

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		copy = malloc(len ? len : 1); /* of its exact size, so that a sanitizer sees a read behind it */
		memcpy(copy, text, len);
		ck_assert_int_eq(scp__json_check(copy, len, "cut", NULL), SCP_EINVAL);
		free(copy);
	}
	scp__json_free(parsed(text));
}
END_TEST

START_TEST(integers_are_exact_or_refused)
{
	scp__json *v = parsed("{\"half\":1.5,\"big\":9007199254740993,\"huge\":1e300,\"edge\":9007199254740991,"
			      "\"low\":-9007199254740991,\"one\":1.0,\"text\":\"1\",\"null\":null}");
	int64_t n = 77;
	scp_error err = { 0 };

	ck_assert_int_eq(scp__json_get_int(v, "half", 0, 10, &n, &err), SCP_EINVAL);
	ck_assert_str_eq(err.message, "half is 1.5; it must be an integer from 0 to 10");
	ck_assert_int_eq(scp__json_get_int(v, "big", INT64_MIN, INT64_MAX, &n, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp__json_get_int(v, "huge", INT64_MIN, INT64_MAX, &n, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp__json_get_int(v, "one", 2, 10, &n, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp__json_get_int(v, "one", -10, 0, &n, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp__json_get_int(v, "text", 0, 10, &n, &err), SCP_EINVAL);
	ck_assert_str_eq(err.message, "text is a string; it must be an integer");
	ck_assert_int_eq(scp__json_get_int(v, "null", 0, 10, &n, NULL), SCP_OK);
	ck_assert_int_eq(scp__json_get_int(v, "missing", 0, 10, &n, NULL), SCP_OK);
	ck_assert_int_eq(n, 77);
	ck_assert_int_eq(scp__json_get_int(v, "edge", 0, INT64_MAX, &n, NULL), SCP_OK);
	ck_assert_int_eq(n, 9007199254740991);
	ck_assert_int_eq(scp__json_get_int(v, "low", INT64_MIN, 0, &n, NULL), SCP_OK);
	ck_assert_int_eq(n, -9007199254740991);
	ck_assert_int_eq(scp__json_get_int(v, "one", 1, 1, &n, NULL), SCP_OK);
	ck_assert_int_eq(n, 1);
	scp__json_free(v);
}
END_TEST

START_TEST(members_of_a_wrong_type_are_named)
{
	scp__json *v = parsed("{\"s\":\"text\",\"b\":true,\"o\":{}}");
	const char *s = NULL;
	bool b = false;
	scp_error err = { 0 };

	ck_assert_int_eq(scp__json_get_string(v, "s", &s, &err), SCP_OK);
	ck_assert_str_eq(s, "text");
	ck_assert_int_eq(scp__json_get_bool(v, "b", &b, &err), SCP_OK);
	ck_assert(b);
	ck_assert_int_eq(scp__json_get_string(v, "o", &s, &err), SCP_EINVAL);
	ck_assert_str_eq(err.message, "o is an object; it must be a string");
	ck_assert_int_eq(scp__json_get_bool(v, "s", &b, &err), SCP_EINVAL);
	ck_assert_str_eq(err.message, "s is a string; it must be true or false");
	ck_assert_str_eq(s, "text");
	scp__json_free(v);
}
END_TEST

START_TEST(unknown_members_are_named)
{
	static const char *const names[] = { "a", "b", NULL };
	scp__json *good = parsed("{\"b\":1}"), *bad = parsed("{\"a\":1,\"A\":2}"), *array = parsed("[]");
	scp_error err = { 0 };

	ck_assert_int_eq(scp__json_only(good, "body", names, &err), SCP_OK);
	ck_assert_int_eq(scp__json_only(bad, "body", names, &err), SCP_EINVAL);
	ck_assert_str_eq(err.message, "body: unknown field \"A\"");
	ck_assert_int_eq(scp__json_only(array, "body", names, &err), SCP_EINVAL);
	ck_assert_str_eq(err.message, "body is an array; it must be an object");
	scp__json_free(good);
	scp__json_free(bad);
	scp__json_free(array);
}
END_TEST

START_TEST(members_are_reached_by_index)
{
	scp__json *v = parsed("{\"list\":[null,false,-2.5,\"x\",[],{}],\"last\":1}");
	const scp__json *list = scp__json_at(v, 0);
	static const scp__json_type types[] = { SCP__JSON_NULL, SCP__JSON_BOOL, SCP__JSON_NUMBER, SCP__JSON_STRING,
		SCP__JSON_ARRAY, SCP__JSON_OBJECT };

	ck_assert_str_eq(scp__json_key(list), "list");
	ck_assert_str_eq(scp__json_key(scp__json_at(v, 1)), "last");
	ck_assert_ptr_null(scp__json_at(v, 2));
	ck_assert_uint_eq(scp__json_size(list), 6);
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(scp__json_typeof(scp__json_at(list, i)), types[i]);
	ck_assert_double_eq(scp__json_number(scp__json_at(list, 2)), -2.5);
	ck_assert_ptr_null(scp__json_string(scp__json_at(list, 2)));
	ck_assert_ptr_null(scp__json_key(scp__json_at(list, 2)));
	scp__json_free(v);
}
END_TEST

TCase *json_read_case(void)
{
	TCase *c = tcase_create("read");

	tcase_add_test(c, trailing_bytes_are_refused);
	tcase_add_test(c, twin_keys_are_refused_whatever_their_spelling);
	tcase_add_test(c, like_keys_of_different_objects_or_case_are_no_twins);
	tcase_add_test(c, invalid_utf8_is_refused_with_its_place);
	tcase_add_test(c, keys_are_found_in_their_exact_case_only);
	tcase_add_test(c, a_nul_in_a_string_is_refused);
	tcase_add_test(c, half_a_surrogate_pair_is_refused);
	tcase_add_test(c, escapes_mean_their_characters);
	tcase_add_test(c, depth_64_is_read_and_depth_65_is_not);
	tcase_add_test(c, bounds_say_how_deep_and_how_many);
	tcase_add_test(c, what_is_no_json_number_is_refused);
	tcase_add_test(c, numbers_beyond_a_double_are_refused);
	tcase_add_test(c, malformed_texts_are_refused);
	tcase_add_test(c, every_cut_of_a_text_is_refused);
	tcase_add_test(c, integers_are_exact_or_refused);
	tcase_add_test(c, members_of_a_wrong_type_are_named);
	tcase_add_test(c, unknown_members_are_named);
	tcase_add_test(c, members_are_reached_by_index);
	return c;
}
