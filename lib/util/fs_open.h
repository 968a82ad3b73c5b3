/* Private to util: openat2 as scp__fs_open() does it, with further RESOLVE_ flags. */
#ifndef SCP_UTIL_FS_OPEN_H
#define SCP_UTIL_FS_OPEN_H

#include <stdint.h>
#include <sys/types.h>

int scp__fs_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t more_resolve);

#endif
