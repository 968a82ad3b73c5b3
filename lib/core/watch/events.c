#include "events.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_BYTES_MAX = 16 << 20, INDEX_MAX = 32 << 20 };

void scp__events_init(scp__events *e)
{
	memset(e, 0, sizeof(*e));
	scp__buf_init(&e->bytes, EVENTS_BYTES_MAX);
}

void scp__events_free(scp__events *e)
{
	free(e->list);
	scp__buf_free(&e->bytes);
	memset(e, 0, sizeof(*e));
}

static scp_status grow(scp__events *e)
{
	size_t capacity = e->capacity ? e->capacity * 2 : 16;
	scp__event *list;

	if (e->count < e->capacity)
		return SCP_OK;
	list = realloc(e->list, capacity * sizeof(*list));
	if (!list)
		return SCP_ENOMEM;
	e->list = list;
	e->capacity = capacity;
	return SCP_OK;
}

scp_status scp__events_append(scp__events *e, scp_event_kind kind, uint64_t seq, const void *data, size_t len)
{
	size_t offset = e->bytes.len;
	scp_status rc = grow(e);

	if (!rc)
		rc = scp__buf_append(&e->bytes, data, len);
	if (!rc)
		e->list[e->count++] = (scp__event){ seq, offset, (uint32_t)len, kind };
	return rc;
}

static scp_status put_number(scp__buf *out, uint64_t n)
{
	unsigned char bytes[10];
	size_t len = 0;

	do {
		bytes[len] = (unsigned char)(n & 0x7f);
		n >>= 7;
		if (n)
			bytes[len] |= 0x80;
		len++;
	} while (n);
	return scp__buf_append(out, bytes, len);
}

static bool get_number(const unsigned char **p, const unsigned char *end, uint64_t *n)
{
	unsigned shift = 0;

	for (*n = 0; *p < end && shift < 64; shift += 7) {
		unsigned char byte = *(*p)++;

		*n |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

scp_status scp__events_store(const scp__events *e, scp__buf *out, scp__buf *err_out, scp__buf *index)
{
	scp__buf *to[] = { [SCP_EVENT_STDOUT] = out, [SCP_EVENT_STDERR] = err_out, [SCP_EVENT_STATUS] = index };
	uint64_t last = 0;
	scp_status rc = SCP_OK;

	for (size_t i = e->attempt; !rc && i < e->count; i++) {
		const scp__event *v = &e->list[i];

		rc = put_number(index, v->kind);
		if (!rc)
			rc = put_number(index, v->seq - last);
		if (!rc)
			rc = put_number(index, v->len);
		if (!rc)
			rc = scp__buf_append(to[v->kind], e->bytes.data + v->offset, v->len);
		last = v->seq;
	}
	return rc;
}

static scp_status load_plain(
    scp__events *e, const void *out, size_t out_len, const void *err_out, size_t err_len, uint64_t last_seq)
{
	scp_status rc = SCP_OK;

	if (out_len)
		rc = scp__events_append(e, SCP_EVENT_STDOUT, last_seq > 2 ? last_seq - 2 : 1, out, out_len);
	if (!rc && err_len)
		rc = scp__events_append(e, SCP_EVENT_STDERR, last_seq > 2 ? last_seq - 1 : 2, err_out, err_len);
	return rc;
}

scp_status scp__events_load(scp__events *e, const void *index, size_t index_len, const void *out, size_t out_len,
    const void *err_out, size_t err_len, uint64_t last_seq)
{
	const unsigned char *p = index, *end = p + index_len;
	struct {
		const char *data;
		size_t left;
	} from[] = { [SCP_EVENT_STDOUT] = { out, out_len }, [SCP_EVENT_STDERR] = { err_out, err_len } };
	uint64_t kind, delta, len, seq = 0;
	scp_status rc = SCP_OK;

	if (index_len > INDEX_MAX)
		return SCP_ETOOBIG;
	if (!index_len)
		return load_plain(e, out, out_len, err_out, err_len, last_seq);
	while (!rc && p < end) {
		if (!get_number(&p, end, &kind) || !get_number(&p, end, &delta) || !get_number(&p, end, &len))
			return SCP_EBACKEND;
		seq += delta;
		if (kind == SCP_EVENT_STATUS && len <= (size_t)(end - p)) {
			rc = scp__events_append(e, SCP_EVENT_STATUS, seq, p, len);
			p += len;
		} else if ((kind == SCP_EVENT_STDOUT || kind == SCP_EVENT_STDERR) && len <= from[kind].left) {
			rc = scp__events_append(e, (scp_event_kind)kind, seq, from[kind].data, len);
			from[kind].data += len;
			from[kind].left -= len;
		} else {
			return SCP_EBACKEND;
		}
	}
	return rc;
}

uint64_t scp__events_last(const scp__events *e)
{
	return e->count ? e->list[e->count - 1].seq : 0;
}

size_t scp__events_after(const scp__events *e, uint64_t seq)
{
	size_t low = 0, high = e->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (e->list[middle].seq > seq)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
