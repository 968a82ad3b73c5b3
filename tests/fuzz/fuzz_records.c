/* What an executor sends: records, and the result in one of them. It may lie as it likes. */
#include <string.h>

#include "fuzz.h"
#include "run/result.h"

static void read_records(const uint8_t *data, size_t size)
{
	size_t at = 0, used;
	scp__record r;

	while (scp__record_next(data + at, size - at, &r, &used) == SCP_OK) {
		char header[SCP__RECORD_HEADER_MAX];
		size_t len;

		must(used && used <= size - at && r.len <= SCP__RECORD_MAX && memchr(r.name, 0, sizeof(r.name)));
		/* there is one way to write a record */
		len = scp__record_header(header, r.name, r.seq, r.len);
		must(len + r.len == used && memcmp(header, data + at, len) == 0 && r.data == data + at + len);
		at += used;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scp__result result;
	scp_error err = { 0 };

	read_records(data, size);
	if (scp__result_parse(&result, data, size, 1700000000000000, &err) == SCP_OK)
		scp__result_free(&result);
	else
		must(err.message[0]);
	return 0;
}
