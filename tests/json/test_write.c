#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "suites.h"

#define MIB (1024 * 1024)

static scp__buf out;
static scp__json_writer w;

static void setup(void)
{
	scp__buf_init(&out, 8 * MIB);
	scp__jw_init(&w, &out);
}

static void teardown(void)
{
	scp__buf_free(&out);
}

START_TEST(objects_and_arrays_get_their_commas)
{
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "a", "x");
	scp__jw_array(&w, "b");
	scp__jw_int(&w, NULL, -1);
	scp__jw_object(&w, NULL);
	scp__jw_end_object(&w);
	scp__jw_bool(&w, NULL, true);
	scp__jw_end_array(&w);
	scp__jw_string(&w, "c", NULL);
	scp__jw_uint(&w, "d", UINT64_MAX);
	scp__jw_raw(&w, "e", "[1]", 3);
	scp__jw_raw(&w, "f", NULL, 0);
	scp__jw_time(&w, "g", 1000000);
	scp__jw_time(&w, "h", 0);
	scp__jw_end_object(&w);
	ck_assert_str_eq(out.data, "{\"a\":\"x\",\"b\":[-1,{},true],\"c\":null,\"d\":18446744073709551615,\"e\":[1],"
				   "\"f\":null,\"g\":\"1970-01-01T00:00:01.000Z\",\"h\":null}");
}
END_TEST

START_TEST(what_json_forbids_in_strings_is_escaped)
{
	scp__jw_string(&w, NULL, "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9");
	ck_assert_str_eq(out.data, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
}
END_TEST

START_TEST(a_nul_byte_is_escaped)
{
	scp__jw_bytes(&w, NULL, "a\0b", 3, NULL);
	ck_assert_str_eq(out.data, "\"a\\u0000b\"");
}
END_TEST

START_TEST(bad_utf8_is_replaced_and_reported)
{
	bool lossy = false;

	scp__jw_bytes(&w, NULL, "good", 4, &lossy);
	ck_assert(!lossy);
	scp__buf_clear(&out);
	scp__jw_bytes(&w, NULL, "a\xff\"\xc3", 4, &lossy);
	ck_assert(lossy);
	ck_assert_str_eq(out.data, "\"a\xef\xbf\xbd\\\"\xef\xbf\xbd\"");
}
END_TEST

START_TEST(keys_are_escaped_too)
{
	scp__jw_object(&w, NULL);
	scp__jw_null(&w, "a\"\n");
	scp__jw_end_object(&w);
	ck_assert_str_eq(out.data, "{\"a\\\"\\n\":null}");
}
END_TEST

START_TEST(a_mebibyte_of_control_bytes_is_six_and_bounded)
{
	char *bytes = malloc(MIB);
	scp__buf small;

	memset(bytes, 1, MIB);
	scp__jw_bytes(&w, NULL, bytes, MIB, NULL);
	ck_assert_int_eq(out.status, SCP_OK);
	ck_assert_uint_eq(out.len, 6 * MIB + 2);
	scp__buf_init(&small, MIB);
	scp__jw_init(&w, &small);
	scp__jw_bytes(&w, NULL, bytes, MIB, NULL);
	ck_assert_int_eq(small.status, SCP_ETOOBIG);
	ck_assert_uint_le(small.len, MIB);
	scp__buf_free(&small);
	free(bytes);
}
END_TEST

START_TEST(numbers_are_written_shortest_and_read_the_same)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = { { 0.1, "0.1" }, { 1, "1" }, { -3, "-3" }, { 9007199254740992.0, "9007199254740992" },
		{ 1e21, "1e+21" }, { 1.5, "1.5" }, { NAN, "null" }, { -INFINITY, "null" },
		{ 0.30000000000000004, "0.30000000000000004" } };
	static const double hard[] = { DBL_MAX, DBL_MIN, 5e-324, 1 / 3.0, 123456789.12345678, 1e22,
		9007199254740994.0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scp__buf_clear(&out);
		scp__jw_real(&w, NULL, cases[i].value);
		ck_assert_str_eq(out.data, cases[i].text);
	}
	for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++) {
		scp__buf_clear(&out);
		scp__jw_real(&w, NULL, hard[i]);
		ck_assert(strtod(out.data, NULL) == hard[i]);
	}
}
END_TEST

START_TEST(what_was_read_is_printed_the_same)
{
	static const char text[] =
	    "{\"a\":[1,-2.5,9007199254740992,1e+300,true,false,null,\"\\u0001\xc3\xa9\"],\"b\":{},\"c\":[[]]}";
	scp__json *v;

	ck_assert_int_eq(scp__json_parse(&v, text, strlen(text), "text", NULL), SCP_OK);
	ck_assert_int_eq(scp__json_print(&out, v), SCP_OK);
	ck_assert_str_eq(out.data, text);
	scp__json_free(v);
}
END_TEST

START_TEST(the_deepest_value_is_printed)
{
	char text[2 * SCP__JSON_DEPTH + 1] = "";
	scp__json *v;

	memset(text, '[', SCP__JSON_DEPTH);
	memset(text + SCP__JSON_DEPTH, ']', SCP__JSON_DEPTH);
	ck_assert_int_eq(scp__json_parse(&v, text, 2 * SCP__JSON_DEPTH, "text", NULL), SCP_OK);
	ck_assert_int_eq(scp__json_print(&out, v), SCP_OK);
	ck_assert_str_eq(out.data, text);
	scp__json_free(v);
}
END_TEST

START_TEST(long_integers_are_printed_as_they_were_read)
{
	static const char text[] = "[9007199254740993,-123456789012345678901234567890,1,{\"a\":1234567890123456},\"x\","
				   "[18446744073709551615],0.1]";
	scp__json *v;

	ck_assert_int_eq(scp__json_parse(&v, text, sizeof(text) - 1, "text", NULL), SCP_OK);
	ck_assert_int_eq(scp__json_print(&out, v), SCP_OK);
	ck_assert_str_eq(out.data, text);
	ck_assert_double_eq(scp__json_number(scp__json_at(v, 0)), 9007199254740992.0);
	ck_assert_ptr_null(scp__json_string(scp__json_at(v, 0)));
	scp__json_free(v);
}
END_TEST

START_TEST(a_writer_that_goes_too_deep_fails)
{
	for (int i = 0; i < 65; i++)
		scp__jw_array(&w, NULL);
	ck_assert_int_eq(out.status, SCP_EINTERNAL);
}
END_TEST

START_TEST(the_hosts_locale_changes_no_number)
{
	/* A comma; and a point of two bytes. */
	static const char *const locales[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF", "ps_AF.UTF-8" };
	scp__json *v;

	for (size_t i = 0; i < sizeof(locales) / sizeof(locales[0]); i++) {
		if (!setlocale(LC_ALL, locales[i]))
			continue; /* not installed here */
		scp__buf_clear(&out);
		ck_assert_int_eq(scp__json_parse(&v, "[2.25,1.5e1]", 12, "text", NULL), SCP_OK);
		ck_assert_int_eq(scp__json_print(&out, v), SCP_OK);
		ck_assert_str_eq(out.data, "[2.25,15]");
		ck_assert_int_eq(scp__json_check("1.5e999", 7, "text", NULL), SCP_EINVAL);
		scp__json_free(v);
	}
	setlocale(LC_ALL, "C");
}
END_TEST

TCase *json_write_case(void)
{
	TCase *c = tcase_create("write");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, objects_and_arrays_get_their_commas);
	tcase_add_test(c, what_json_forbids_in_strings_is_escaped);
	tcase_add_test(c, a_nul_byte_is_escaped);
	tcase_add_test(c, bad_utf8_is_replaced_and_reported);
	tcase_add_test(c, keys_are_escaped_too);
	tcase_add_test(c, a_mebibyte_of_control_bytes_is_six_and_bounded);
	tcase_add_test(c, numbers_are_written_shortest_and_read_the_same);
	tcase_add_test(c, what_was_read_is_printed_the_same);
	tcase_add_test(c, the_deepest_value_is_printed);
	tcase_add_test(c, long_integers_are_printed_as_they_were_read);
	tcase_add_test(c, a_writer_that_goes_too_deep_fails);
	tcase_add_test(c, the_hosts_locale_changes_no_number);
	return c;
}
