#include "nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH_MAX (160 * 1024) /* below what a socket takes at once by default */
#define ANSWER_S 5
#define BEFORE_OTHERS (-400) /* NAT and what else looks at packets comes later */
#define TO_IPV4 16	     /* where an IPv4 header has the address */
#define TO_PORT 2

/* ---- attributes ---- */

static void put(docker_nft *n, uint16_t type, const void *data, size_t len)
{
	struct nlattr head = { .nla_len = (uint16_t)(sizeof(head) + len), .nla_type = type };
	static const char padding[NLA_ALIGNTO];

	(void)scp__buf_append(&n->buf, &head, sizeof(head));
	(void)scp__buf_append(&n->buf, data, len);
	(void)scp__buf_append(&n->buf, padding, (NLA_ALIGNTO - len % NLA_ALIGNTO) % NLA_ALIGNTO);
}

static void put_text(docker_nft *n, uint16_t type, const char *text)
{
	put(n, type, text, strlen(text) + 1);
}

/* Numbers are big-endian here, but in data that is compared. */
static void put_u32(docker_nft *n, uint16_t type, uint32_t value)
{
	value = htonl(value);
	put(n, type, &value, sizeof(value));
}

static size_t nest(docker_nft *n, uint16_t type)
{
	size_t at = n->buf.len;

	put(n, type | NLA_F_NESTED, "", 0);
	return at;
}

static void unnest(docker_nft *n, size_t at)
{
	uint16_t len = (uint16_t)(n->buf.len - at);

	if (!n->buf.status)
		memcpy(n->buf.data + at, &len, sizeof(len));
}

/* ---- messages ---- */

static void message(docker_nft *n, uint16_t type, uint16_t flags, uint8_t family, uint16_t resource)
{
	struct nlmsghdr head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = ++n->seq };
	struct nfgenmsg more = { .nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource) };

	n->message = n->buf.len;
	(void)scp__buf_append(&n->buf, &head, sizeof(head));
	(void)scp__buf_append(&n->buf, &more, sizeof(more));
}

static void close_message(docker_nft *n)
{
	uint32_t len = (uint32_t)(n->buf.len - n->message);

	if (!n->buf.status)
		memcpy(n->buf.data + n->message, &len, sizeof(len));
}

static void batch_mark(docker_nft *n, uint16_t type)
{
	message(n, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	close_message(n);
}

static void request(docker_nft *n, unsigned type, uint16_t flags)
{
	message(n, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, NFPROTO_INET, 0);
}

static void table_request(docker_nft *n, unsigned type, uint16_t flags)
{
	request(n, type, flags);
	put_text(n, NFTA_TABLE_NAME, n->table);
	close_message(n);
}

static void start(docker_nft *n, const char *table)
{
	memset(n, 0, sizeof(*n));
	n->table = table;
	scp__buf_init(&n->buf, BATCH_MAX);
	batch_mark(n, NFNL_MSG_BATCH_BEGIN);
	/* Made if need be, so that removing it is no error. */
	table_request(n, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	table_request(n, NFT_MSG_DELTABLE, 0);
}

void docker_nft_begin(docker_nft *n, const char *table)
{
	start(n, table);
	table_request(n, NFT_MSG_NEWTABLE, NLM_F_CREATE);
}

void docker_nft_chain(docker_nft *n, const char *name, uint32_t hook)
{
	size_t at;

	n->chain = name;
	request(n, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	put_text(n, NFTA_CHAIN_TABLE, n->table);
	put_text(n, NFTA_CHAIN_NAME, name);
	at = nest(n, NFTA_CHAIN_HOOK);
	put_u32(n, NFTA_HOOK_HOOKNUM, hook);
	put_u32(n, NFTA_HOOK_PRIORITY, (uint32_t)BEFORE_OTHERS);
	unnest(n, at);
	put_u32(n, NFTA_CHAIN_POLICY, NF_ACCEPT);
	put_text(n, NFTA_CHAIN_TYPE, "filter");
	close_message(n);
}

/* ---- rules ---- */

struct expression {
	size_t element, data;
};

static struct expression begin(docker_nft *n, const char *name)
{
	struct expression e;

	e.element = nest(n, NFTA_LIST_ELEM);
	put_text(n, NFTA_EXPR_NAME, name);
	e.data = nest(n, NFTA_EXPR_DATA);
	return e;
}

static void end(docker_nft *n, struct expression e)
{
	unnest(n, e.data);
	unnest(n, e.element);
}

static void put_value(docker_nft *n, uint16_t type, const void *value, size_t len)
{
	size_t at = nest(n, type);

	put(n, NFTA_DATA_VALUE, value, len);
	unnest(n, at);
}

static void compare(docker_nft *n, const void *value, size_t len)
{
	struct expression e = begin(n, "cmp");

	put_u32(n, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(n, NFTA_CMP_OP, NFT_CMP_EQ);
	put_value(n, NFTA_CMP_DATA, value, len);
	end(n, e);
}

static void load_meta(docker_nft *n, uint32_t key)
{
	struct expression e = begin(n, "meta");

	put_u32(n, NFTA_META_KEY, key);
	put_u32(n, NFTA_META_DREG, NFT_REG_1);
	end(n, e);
}

static void load_payload(docker_nft *n, uint32_t base, uint32_t offset, uint32_t len)
{
	struct expression e = begin(n, "payload");

	put_u32(n, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(n, NFTA_PAYLOAD_BASE, base);
	put_u32(n, NFTA_PAYLOAD_OFFSET, offset);
	put_u32(n, NFTA_PAYLOAD_LEN, len);
	end(n, e);
}

static void mask(docker_nft *n, uint32_t bits)
{
	struct expression e = begin(n, "bitwise");
	uint32_t none = 0;

	put_u32(n, NFTA_BITWISE_SREG, NFT_REG_1);
	put_u32(n, NFTA_BITWISE_DREG, NFT_REG_1);
	put_u32(n, NFTA_BITWISE_LEN, sizeof(bits));
	put_value(n, NFTA_BITWISE_MASK, &bits, sizeof(bits));
	put_value(n, NFTA_BITWISE_XOR, &none, sizeof(none));
	end(n, e);
}

void docker_nft_rule(docker_nft *n)
{
	request(n, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	put_text(n, NFTA_RULE_TABLE, n->table);
	put_text(n, NFTA_RULE_CHAIN, n->chain);
	n->expressions = nest(n, NFTA_RULE_EXPRESSIONS);
}

void docker_nft_out_by(docker_nft *n, uint32_t if_index)
{
	load_meta(n, NFT_META_OIF);
	compare(n, &if_index, sizeof(if_index));
}

void docker_nft_in_by(docker_nft *n, const char *if_name)
{
	char name[IFNAMSIZ] = "";

	memcpy(name, if_name, strnlen(if_name, sizeof(name) - 1));
	load_meta(n, NFT_META_IIFNAME);
	compare(n, name, sizeof(name));
}

void docker_nft_ipv6(docker_nft *n)
{
	uint8_t family = NFPROTO_IPV6;

	load_meta(n, NFT_META_NFPROTO);
	compare(n, &family, sizeof(family));
}

void docker_nft_to(docker_nft *n, uint32_t address, unsigned prefix)
{
	uint32_t bits = prefix ? htonl(UINT32_MAX << (32 - prefix)) : 0;

	address &= bits;
	load_payload(n, NFT_PAYLOAD_NETWORK_HEADER, TO_IPV4, sizeof(address));
	mask(n, bits);
	compare(n, &address, sizeof(address));
}

void docker_nft_to_port(docker_nft *n, uint8_t protocol, uint16_t port)
{
	port = htons(port);
	load_meta(n, NFT_META_L4PROTO);
	compare(n, &protocol, sizeof(protocol));
	load_payload(n, NFT_PAYLOAD_TRANSPORT_HEADER, TO_PORT, sizeof(port));
	compare(n, &port, sizeof(port));
}

static void put_verdict(docker_nft *n, uint32_t code)
{
	struct expression e = begin(n, "immediate");
	size_t data, verdict;

	put_u32(n, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nest(n, NFTA_IMMEDIATE_DATA);
	verdict = nest(n, NFTA_DATA_VERDICT);
	put_u32(n, NFTA_VERDICT_CODE, code);
	unnest(n, verdict);
	unnest(n, data);
	end(n, e);
}

static void put_reject(docker_nft *n)
{
	struct expression e = begin(n, "reject");
	uint8_t code = NFT_REJECT_ICMPX_ADMIN_PROHIBITED;

	put_u32(n, NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
	put(n, NFTA_REJECT_ICMP_CODE, &code, sizeof(code));
	end(n, e);
}

void docker_nft_then(docker_nft *n, docker_verdict verdict)
{
	if (verdict == DOCKER_REJECT)
		put_reject(n);
	else
		put_verdict(n, verdict == DOCKER_ACCEPT ? NF_ACCEPT : NF_DROP);
	unnest(n, n->expressions);
	close_message(n);
}

/* ---- the kernel ---- */

/* Of the messages only errors are answered, which then come first, and the last one whatever becomes of it. */
static int read_answers(int fd, uint32_t last)
{
	char data[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	int first = 0;

	for (;;) {
		ssize_t n = recv(fd, data, sizeof(data), 0);
		size_t len = n > 0 ? (size_t)n : 0;
		const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)data;

		if (n <= 0)
			return n ? errno : EPROTO;
		for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
			const struct nlmsgerr *e = NLMSG_DATA(head);

			if (head->nlmsg_type != NLMSG_ERROR)
				continue;
			first = first ? first : -e->error;
			/* A batch that isn't let in at all is answered once, by its first message. */
			if (head->nlmsg_seq >= last || head->nlmsg_seq <= 1)
				return first;
		}
	}
}

static int talk(int fd, const docker_nft *n)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_sec = ANSWER_S };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    sendto(fd, n->buf.data, n->buf.len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return errno;
	return read_answers(fd, n->seq - 1);
}

/* Of the last message alone: hundreds of answers would be more than a socket holds. */
static void want_answer(docker_nft *n)
{
	struct nlmsghdr *head = (struct nlmsghdr *)(void *)(n->buf.data + n->message);

	if (!n->buf.status)
		head->nlmsg_flags |= NLM_F_ACK;
}

static int send_all(docker_nft *n)
{
	int fd, rc;

	fd = n->buf.status ? -1 : socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	rc = n->buf.status ? ENOBUFS : fd < 0 ? errno : talk(fd, n);
	if (fd >= 0)
		close(fd);
	scp__buf_free(&n->buf);
	return rc;
}

int docker_nft_end(docker_nft *n)
{
	want_answer(n);
	batch_mark(n, NFNL_MSG_BATCH_END);
	return send_all(n);
}

int docker_nft_look(const char *table)
{
	docker_nft n = { .table = table };

	scp__buf_init(&n.buf, BATCH_MAX);
	table_request(&n, NFT_MSG_GETTABLE, NLM_F_ACK);
	return send_all(&n);
}

int docker_nft_remove(const char *table)
{
	docker_nft n;

	start(&n, table);
	return docker_nft_end(&n);
}
