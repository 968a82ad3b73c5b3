/* Chunked bodies: whether they come at once or byte by byte, the same bytes come out, and the same end. */
#include <string.h>

#include "fuzz.h"
#include "internal.h"

struct outcome {
	enum http__chunked_got end; /* MORE: all was taken and it isn't over */
	size_t used, body;
	uint64_t hash;
};

static struct outcome decode(const char *data, size_t size, size_t piece)
{
	struct outcome o = { HTTP__CHUNKED_MORE, 0, 0, 14695981039346656037u };
	struct http__chunked d;

	http__chunked_init(&d);
	while (o.used < size && (o.end == HTTP__CHUNKED_MORE || o.end == HTTP__CHUNKED_DATA)) {
		size_t left = size - o.used, len = left < piece ? left : piece, used = 0, n = 0;
		const char *body = NULL;

		o.end = http__chunked_next(&d, data + o.used, len, &used, &body, &n);
		must(used <= len);
		must(used || o.end == HTTP__CHUNKED_BAD || o.end == HTTP__CHUNKED_END);
		if (o.end == HTTP__CHUNKED_DATA) {
			must(body >= data + o.used && body + n <= data + o.used + used);
			for (size_t i = 0; i < n; i++)
				o.hash = (o.hash ^ (unsigned char)body[i]) * 1099511628211u;
			o.body += n;
		}
		o.used += used;
	}
	if (o.end == HTTP__CHUNKED_DATA)
		o.end = HTTP__CHUNKED_MORE;
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole = decode((const char *)data, size, size ? size : 1);
	struct outcome bytes = decode((const char *)data, size, 1);

	must(whole.end == bytes.end && whole.body == bytes.body && whole.hash == bytes.hash);
	must(whole.body <= size);
	if (whole.end == HTTP__CHUNKED_END)
		must(whole.used == bytes.used);
	return 0;
}
