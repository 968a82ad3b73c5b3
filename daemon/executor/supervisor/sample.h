/* What a tree of processes uses. */
#ifndef EXECUTOR_SAMPLE_H
#define EXECUTOR_SAMPLE_H

#include <stdint.h>

/** Memory of all descendants now, in bytes: shared pages counted once where the kernel says so. */
uint64_t sample_tree_bytes(void);

struct sample_io {
	uint64_t read_bytes;
	uint64_t write_bytes;
};

/** This process's own account, which holds those of all that it reaped. `fd`: its /proc/self/io, or -1: all zero. */
struct sample_io sample_io_read(int fd);

#endif
