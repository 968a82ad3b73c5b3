/* What code in a sandbox may call, for every adapter that takes it from us. */
#ifndef SCP_RUNTIME_SECCOMP_H
#define SCP_RUNTIME_SECCOMP_H

/** The seccomp part of config.json; free(). NULL: no memory. */
char *scp__oci_seccomp_json(void);
/** The same as a profile for Docker, whose engines before 23 don't know defaultErrnoRet. */
char *scp__docker_seccomp_json(void);

#endif
