#include "sample.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree.h"

/* A small file of /proc, NUL-terminated. */
static bool read_text(const char *path, char *out, size_t out_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, out, out_size - 1);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The number behind "name:" at a line's start. */
static uint64_t field(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len))
			return strtoull(line + len, NULL, 10);
	}
	return 0;
}

static uint64_t resident_bytes(pid_t pid)
{
	char path[64];
	char text[256];
	unsigned long long pages = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (!read_text(path, text, sizeof(text)) || sscanf(text, "%*u %llu", &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t proportional_bytes(pid_t pid)
{
	char path[64];
	char text[1024];

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (!read_text(path, text, sizeof(text)))
		return resident_bytes(pid);
	return field(text, "Pss:") * 1024;
}

uint64_t sample_tree_bytes(void)
{
	static struct tree_process list[TREE_MAX];
	size_t count = tree_list(list, TREE_MAX);
	uint64_t sum = 0;

	if (count == 1)
		return resident_bytes(list[0].pid);
	for (size_t i = 0; i < count; i++)
		sum += proportional_bytes(list[i].pid);
	return sum;
}

struct sample_io sample_io_read(int fd)
{
	struct sample_io io = { 0 };
	char text[512];
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;

	if (n <= 0)
		return io;
	text[n] = '\0';
	io.read_bytes = field(text, "read_bytes:");
	io.write_bytes = field(text, "write_bytes:");
	return io;
}
