#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "id.h"

static char folder[64]; /* localfs */

const char *s3_url(const char *bucket, const char *more)
{
	static char url[512];

	snprintf(url, sizeof(url), "s3://%s?endpoint=%s&region=us-east-1&part_mib=5%s", bucket, endpoint, more);
	return url;
}

scp_status open_s3(scp_storage **st, const char *bucket, const char *more)
{
	return scp__storage_open(st, s3_url(bucket, more), NULL, &at.err);
}

static scp_status open_bucket(scp_storage **out, scp_error *err)
{
	char prefix[64] = "&prefix=t/";
	scp_status rc = scp__id_random(prefix + strlen(prefix), 16, err);

	return rc ? rc : scp__storage_open(out, s3_url("contract", prefix), NULL, err);
}

static bool away(bool gone)
{
	return server(gone ? "kill" : "revive") == 0;
}

static scp_status open_folder(scp_storage **out, scp_error *err)
{
	char url[96];

	snprintf(folder, sizeof(folder), "/tmp/scp-contract-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(url, sizeof(url), "file:%s?sync=off", folder);
	return scp__storage_open(out, url, NULL, err);
}

static void remove_folder(void)
{
	ck_assert_int_eq(scp__fs_remove_tree(open("/tmp", O_RDONLY | O_CLOEXEC), folder + 5), 0);
}

const struct storage_subject s3_subject = { open_bucket, NULL, away, 5 << 20 };
const struct storage_subject localfs_subject = { open_folder, remove_folder, NULL, 5 << 20 };

long rss_kib(void)
{
	char line[128];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmHWM:", 6))
			kib = strtol(line + 6, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}
