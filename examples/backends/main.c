/*
 * A plane on a database and a storage of one's own: rows in a file by plain_database.c, workspaces and outputs in this
 * process's memory, and on the disk only while a session has a container. From the top folder, as root:
 *   build/examples/backends/own-plane /var/tmp/mine
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sandboxcp/sandboxcp.h>

#include "memory_storage.h"
#include "plain_database.h"

static const char code[] = "with open('out.txt', 'w') as f:\n"
			   "    f.write(open('in.txt').read().upper())\n"
			   "print('written')\n";

static scp_status print_object(void *user, const scp_object *object, scp_error *err)
{
	(void)user;
	(void)err;
	printf(
	    "the storage has %s, %llu bytes\n", strrchr(object->key, '/') + 1, (unsigned long long)object->size_bytes);
	return SCP_OK;
}

static scp_status list_storage(scp_storage *st, scp_error *err)
{
	scp_list_options all = { .struct_size = sizeof(all), .recursive = true };
	char next[1401] = "";

	return st->ops->list(st, "sessions", "", &all, print_object, NULL, next, sizeof(next), err);
}

/* Files can be put while it is being made only where the storage is its folder: here it must be running. */
static scp_status create(scp_session **out, scp_plane *plane, scp_error *err)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;
	scp_status rc;

	spec.template_id = "python-basic";
	rc = scp_session_create(&s, plane, &spec, err);
	if (!rc)
		rc = scp_session_wait(out, plane, s->id, 60000, err);
	scp_session_free(s);
	return rc;
}

static scp_status run(scp_plane *plane, const char *session, scp_error *err)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	scp_status rc;

	spec.language = SCP_PYTHON;
	spec.code = code;
	rc = scp_run(&e, plane, session, &spec, err);
	if (!rc)
		printf("%s: %.*s%.*s", e->result, (int)e->out_len, e->out, (int)e->err_len, e->err);
	scp_execution_free(e);
	return rc;
}

/* Ownership moves when the plane opens: until then they are ours to close. */
static scp_status open_plane(scp_plane **out, const char *folder, scp_storage **st, scp_error *err)
{
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;
	char path[512];
	scp_status rc;

	(void)mkdir(folder, 0700);
	snprintf(path, sizeof(path), "%s/plain.db", folder);
	options.state_dir = folder;
	rc = plain_database_open(&options.database, path, err);
	if (!rc)
		rc = memory_storage_open(&options.storage, 1 << 30, err);
	*st = options.storage;
	if (!rc)
		rc = scp_plane_open(out, &options, err);
	if (rc && options.storage)
		options.storage->ops->close(options.storage);
	if (rc && options.database)
		options.database->ops->close(options.database);
	return rc;
}

int main(int argc, char **argv)
{
	scp_error err = { SCP_EINVAL, 0, "", "usage: own-plane FOLDER", "" };
	scp_plane *plane = NULL;
	scp_storage *st = NULL;
	scp_session *s = NULL;
	scp_status rc = argc == 2 ? open_plane(&plane, argv[1], &st, &err) : SCP_EINVAL;

	if (!rc && !(rc = create(&s, plane, &err)) &&
	    !(rc = scp_file_put_bytes(NULL, plane, s->id, "in.txt", "from memory", 11, &err)) &&
	    !(rc = run(plane, s->id, &err)))
		rc = list_storage(st, &err);
	if (rc)
		fprintf(stderr, "%s\n%s\n", err.message, err.hint);
	if (s)
		(void)scp_session_terminate(NULL, plane, s->id, NULL);
	scp_session_free(s);
	scp_plane_close(plane);
	return rc ? 1 : 0;
}
