/*
 * As much of nf_tables as a wall needs: one table of the namespace that the calling thread is in, put in place or taken
 * away as a whole, in one transaction of the kernel's. No program is called for it: an engine's host needn't have nft.
 */
#ifndef SCP_RUNTIME_DOCKER_NFT_H
#define SCP_RUNTIME_DOCKER_NFT_H

#include <stdbool.h>
#include <stdint.h>

#include <sandboxcp/error.h>

#include "buf.h"

typedef struct docker_nft {
	scp__buf buf;
	const char *table, *chain;
	uint32_t seq;
	size_t message, expressions; /* where the open ones begin */
} docker_nft;

typedef enum docker_verdict { DOCKER_ACCEPT, DOCKER_DROP, DOCKER_REJECT } docker_verdict;

/** A transaction that replaces the table. docker_nft_end() must follow. */
void docker_nft_begin(docker_nft *n, const char *table);
/** @param hook  NF_INET_LOCAL_OUT and the like; rules that follow are this chain's, and what none of them takes passes
 */
void docker_nft_chain(docker_nft *n, const char *name, uint32_t hook);

/** A rule: matches, all of which must hold, and then what becomes of the packet. */
void docker_nft_rule(docker_nft *n);
void docker_nft_out_by(docker_nft *n, uint32_t if_index);
void docker_nft_in_by(docker_nft *n, const char *if_name);
void docker_nft_ipv6(docker_nft *n);
/** Only behind a rule that has dealt with IPv6. `address` as it is on the wire. */
void docker_nft_to(docker_nft *n, uint32_t address, unsigned prefix);
void docker_nft_to_port(docker_nft *n, uint8_t protocol, uint16_t port);
void docker_nft_then(docker_nft *n, docker_verdict verdict);

/** Asks the kernel for it all, or nothing. 0 or an errno. */
int docker_nft_end(docker_nft *n);
/** Whether there is such a table: 0, ENOENT or another errno. Cheap, where a transaction waits for the whole kernel. */
int docker_nft_look(const char *table);
/** Takes the table away; that there is none is fine. 0 or an errno. */
int docker_nft_remove(const char *table);

#endif
