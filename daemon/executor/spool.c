#include "spool.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_up(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

bool spool_fits(const struct spool_budget *budget, size_t size)
{
	return page_up(size) <= budget->total - budget->used;
}

void spool_free(struct spool_budget *budget, struct spool *spool)
{
	if (spool->bytes)
		(void)munmap(spool->bytes, spool->size);
	budget->used -= spool->size;
	spool->bytes = NULL;
	spool->len = spool->size = 0;
}

int spool_reserve(struct spool_budget *budget, struct spool *spool, size_t size)
{
	void *bytes;

	spool_free(budget, spool);
	size = page_up(size);
	if (!spool_fits(budget, size))
		return -1;
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED)
		return -1;
	(void)madvise(bytes, size, MADV_DONTFORK); /* no supervisor needs it */
	spool->bytes = bytes;
	spool->size = size;
	budget->used += size;
	return 0;
}

void spool_shrink(struct spool_budget *budget, struct spool *spool)
{
	size_t kept = page_up(spool->len);

	if (kept >= spool->size || !kept)
		return;
	(void)munmap(spool->bytes + kept, spool->size - kept);
	budget->used -= spool->size - kept;
	spool->size = kept;
}

char *spool_event_space(struct spool *spool, const char *name, size_t len)
{
	char header[SCP__RECORD_HEADER_MAX];
	size_t header_len = scp__record_header(header, name, spool->seq + 1, len);
	char *at;

	if (spool->size - spool->len < header_len + len)
		return NULL;
	spool->seq++;
	memcpy(spool->bytes + spool->len, header, header_len);
	at = spool->bytes + spool->len + header_len;
	spool->len += header_len + len;
	return at;
}

bool spool_event(struct spool *spool, const char *name, const void *data, size_t len)
{
	char *at = spool_event_space(spool, name, len);

	if (at && len)
		memcpy(at, data, len);
	return at != NULL;
}

size_t spool_find(const struct spool *spool, uint64_t seq)
{
	scp__record record;
	size_t used = 0;
	size_t at = 0;

	while (at < spool->len && !scp__record_next(spool->bytes + at, spool->len - at, &record, &used)) {
		if (record.seq > seq)
			break;
		at += used;
	}
	return at;
}

char *spool_tail(const struct spool *spool)
{
	return spool->bytes + spool->size - SPOOL_TAIL;
}
