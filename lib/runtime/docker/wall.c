/*
 * What a sandbox with a network can't reach. The rules lie in the sandbox's own network namespace, where its code has
 * no right to change them, and whatever happens to the host's firewall or the engine doesn't touch them. Routes would
 * be simpler and aren't enough: who binds a socket to a device, which anybody may, is sent on-link where there is no
 * route.
 */
#include "docker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "nft.h"
#include "pool.h"

#define TABLE "sandboxcp"
#define LOOPBACK_INDEX 1
#define DNS_PORT 53
#define HOST_MAX 256
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* Whatever isn't a public address of one machine: metadata services (169.254.169.254, 100.100.100.200) are in here too,
 * and IPv6 as a whole is shut. */
static const struct {
	uint32_t address;
	unsigned prefix;
} not_public[] = {
	{ IPV4(0, 0, 0, 0), 8 },
	{ IPV4(10, 0, 0, 0), 8 },
	{ IPV4(100, 64, 0, 0), 10 },
	{ IPV4(127, 0, 0, 0), 8 },
	{ IPV4(169, 254, 0, 0), 16 },
	{ IPV4(172, 16, 0, 0), 12 },
	{ IPV4(192, 0, 0, 0), 24 },
	{ IPV4(192, 168, 0, 0), 16 },
	{ IPV4(198, 18, 0, 0), 15 },
	{ IPV4(224, 0, 0, 0), 3 },
};

static void shut(docker_nft *n, uint32_t address, unsigned prefix, docker_verdict verdict)
{
	docker_nft_rule(n);
	docker_nft_to(n, address, prefix);
	docker_nft_then(n, verdict);
}

static bool is_shut(uint32_t address)
{
	for (size_t i = 0; i < COUNT(not_public); i++)
		if (((ntohl(address) ^ not_public[i].address) >> (32 - not_public[i].prefix)) == 0)
			return true;
	return false;
}

/* Names are asked of these, nothing else. */
static void open_resolvers(docker_nft *n, const docker *d)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };
	docker_resolvers r;

	docker_resolvers_read(d, &r);
	for (size_t i = 0; i < 2 * r.count; i++) {
		docker_nft_rule(n);
		docker_nft_to(n, r.address[i / 2], 32);
		docker_nft_to_port(n, protocols[i % 2], DNS_PORT);
		docker_nft_then(n, DOCKER_ACCEPT);
	}
}

/* This host's addresses as they are now. Public ones, that is: the others are shut already. */
static int shut_host(docker_nft *n, docker_verdict verdict)
{
	struct ifaddrs *all;
	unsigned count = 0;

	if (getifaddrs(&all))
		return errno;
	for (const struct ifaddrs *a = all; a && count <= HOST_MAX; a = a->ifa_next) {
		uint32_t address;

		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET)
			continue;
		address = ((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr.s_addr;
		if (is_shut(address))
			continue;
		shut(n, address, 32, verdict);
		count++;
	}
	freeifaddrs(all);
	return count > HOST_MAX ? E2BIG : 0;
}

/* Built outside, where the host's addresses are seen, and sent inside. */
static int build(docker_nft *n, const docker *d, const docker_subnet *subnet)
{
	int rc;

	docker_nft_begin(n, TABLE);
	docker_nft_chain(n, "out", NF_INET_LOCAL_OUT);
	docker_nft_rule(n);
	docker_nft_out_by(n, LOOPBACK_INDEX);
	docker_nft_then(n, DOCKER_ACCEPT);
	docker_nft_rule(n);
	docker_nft_ipv6(n);
	docker_nft_then(n, d->wall_refuses);
	open_resolvers(n, d);
	shut(n, subnet->address, subnet->prefix, d->wall_refuses);
	for (size_t i = 0; i < COUNT(not_public); i++)
		shut(n, htonl(not_public[i].address), not_public[i].prefix, d->wall_refuses);
	rc = shut_host(n, d->wall_refuses);
	return rc;
}

/* ---- in a thread that goes there and ends there ---- */

struct visit {
	docker_nft n;
	int namespace; /* -1: a new one, for trying */
	int rc;
};

static void *visit(void *arg)
{
	struct visit *v = arg;

	v->rc = v->namespace < 0 ? unshare(CLONE_NEWNET) : setns(v->namespace, CLONE_NEWNET);
	v->rc = v->rc ? errno : docker_nft_end(&v->n);
	return NULL;
}

/* 0 or an errno */
static int raise_in(const docker *d, int namespace, const docker_subnet *subnet)
{
	struct visit v = { .namespace = namespace };
	pthread_t thread;
	int rc = build(&v.n, d, subnet);

	if (!rc && scp__thread_start(&thread, "scp-wall", visit, &v, NULL))
		rc = EAGAIN;
	if (!rc) {
		pthread_join(thread, NULL);
		rc = v.rc;
	}
	scp__buf_free(&v.n.buf);
	return rc;
}

/* An answer at once is better than silence, where the kernel can give it. */
void docker_wall_try(docker *d)
{
	const docker_subnet any = { htonl(IPV4(10, 0, 0, 0)), 8 };
	int rc;

	d->wall_refuses = DOCKER_REJECT;
	rc = raise_in(d, -1, &any);
	if (rc && rc != EPERM) {
		d->wall_refuses = DOCKER_DROP;
		rc = raise_in(d, -1, &any);
	}
	if (rc)
		(void)snprintf(d->no_wall, sizeof(d->no_wall), "nf_tables in a network namespace: %s%s", strerror(rc),
		    rc == EPERM ? " (CAP_NET_ADMIN and CAP_SYS_ADMIN are wanted)" : "");
}

static bool is_our_own(int namespace)
{
	struct stat there, here;

	return fstat(namespace, &there) || stat("/proc/thread-self/ns/net", &here) ||
	       (there.st_ino == here.st_ino && there.st_dev == here.st_dev);
}

scp_status docker_wall_raise(docker *d, int namespace, const docker_subnet *subnet, scp_error *err)
{
	int rc;

	/* Whatever the reason: never in the host's. */
	if (is_our_own(namespace))
		return scp__fail(err, SCP_EBACKEND, "the sandbox has no network namespace of its own");
	rc = raise_in(d, namespace, subnet);
	return rc ? scp__fail_errno(err, rc, "shut private addresses off from the sandbox") : SCP_OK;
}

/* ---- on the host ---- */

/* Once more for all that is the host itself, addresses that it will have tomorrow included. */
scp_status docker_wall_host(docker *d, scp_error *err)
{
	char table[48];
	docker_nft n;
	int rc;

	(void)snprintf(table, sizeof(table), TABLE "-%s", d->hash);
	if (!docker_nft_look(table))
		return SCP_OK;
	docker_nft_begin(&n, table);
	docker_nft_chain(&n, "in", NF_INET_LOCAL_IN);
	docker_nft_rule(&n);
	docker_nft_in_by(&n, d->bridge);
	docker_nft_then(&n, DOCKER_DROP);
	rc = docker_nft_end(&n);
	return rc ? scp__fail_errno(err, rc, "shut the host off from its sandboxes") : SCP_OK;
}

void docker_wall_host_remove(docker *d)
{
	char table[48];

	(void)snprintf(table, sizeof(table), TABLE "-%s", d->hash);
	(void)docker_nft_remove(table);
}
