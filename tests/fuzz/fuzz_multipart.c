/* multipart/form-data with the boundary "x": whether it comes at once or byte by byte, the same parts come out. */
#include <string.h>

#include "fuzz.h"
#include "multipart.h"

struct outcome {
	uint64_t hash;
	size_t parts, ends, bytes;
	int fed, ended;
};

static void mix(struct outcome *o, const void *data, size_t len)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < len; i++)
		o->hash = (o->hash ^ at[i]) * 1099511628211u;
}

static int on_part(void *user, const multipart_part *part)
{
	struct outcome *o = user;

	must(o->parts == o->ends && part->name);
	o->parts++;
	mix(o, part->name, strlen(part->name) + 1);
	if (part->filename)
		mix(o, part->filename, strlen(part->filename) + 1);
	if (part->content_type)
		mix(o, part->content_type, strlen(part->content_type) + 1);
	return 0;
}

static int on_data(void *user, const void *data, size_t len)
{
	struct outcome *o = user;

	must(o->parts == o->ends + 1);
	o->bytes += len;
	mix(o, data, len);
	return 0;
}

static int on_part_end(void *user)
{
	struct outcome *o = user;

	o->ends++;
	must(o->parts == o->ends);
	mix(o, "|", 1);
	return 0;
}

static struct outcome parse(const uint8_t *data, size_t size, size_t piece)
{
	static const multipart_handler handler = { on_part, on_data, on_part_end };
	struct outcome o = { .hash = 14695981039346656037u };
	multipart *m = multipart_new("multipart/form-data; boundary=x", 4, &handler, &o, NULL);

	must(m);
	for (size_t at = 0; at < size && !o.fed; at += piece)
		o.fed = multipart_feed(m, data + at, size - at < piece ? size - at : piece);
	o.ended = o.fed ? -1 : multipart_end(m);
	must(!o.fed || multipart_error(m));
	must(o.ended || o.parts == o.ends);
	multipart_free(m);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole = parse(data, size, size ? size : 1), bytes = parse(data, size, 1);

	must(whole.fed == bytes.fed && whole.ended == bytes.ended && whole.parts == bytes.parts);
	must(whole.bytes <= size && bytes.bytes <= size);
	if (!whole.fed)
		must(whole.bytes == bytes.bytes && whole.hash == bytes.hash);
	return 0;
}
