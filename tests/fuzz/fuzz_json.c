/* JSON: checking and parsing agree, and what was printed reads back as the same text. */
#include <string.h>

#include "fuzz.h"
#include "json.h"

static void print(scp__buf *out, const char *text, size_t len)
{
	scp__json *json = NULL;

	must(scp__json_parse(&json, text, len, "again", NULL) == SCP_OK);
	scp__buf_init(out, 1 << 20);
	must(scp__json_print(out, json) == SCP_OK);
	scp__json_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	scp__json *json = NULL;
	scp_error err = { 0 };
	scp_status parsed = scp__json_parse(&json, text, size, "body", &err);
	scp__buf once, twice;

	must((parsed == SCP_OK) == (scp__json_check(text, size, "body", NULL) == SCP_OK));
	must((parsed == SCP_OK) == (json != NULL));
	scp__json_free(json);
	if (parsed) {
		must(parsed == SCP_EINVAL && err.message[0]);
		return 0;
	}
	print(&once, text, size);
	print(&twice, once.data, once.len);
	must(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	scp__buf_free(&once);
	scp__buf_free(&twice);
	return 0;
}
