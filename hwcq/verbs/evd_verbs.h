//go:build verbs && cgo && linux

// What the Go side calls: one crossing for each of its operations. Functions
// that can fail return 0 or a positive errno.

#ifndef EVD_VERBS_H
#define EVD_VERBS_H

#include <infiniband/verbs.h>
#include <stddef.h>
#include <stdint.h>

// evd_wc is hwcq.WC: struct ibv_wc in the layout of struct ib_uverbs_wc.
struct evd_wc {
	uint64_t wr_id;
	uint32_t status, opcode, vendor_err, byte_len, imm, qp_num, src_qp, flags;
	uint16_t pkey_index, slid;
	uint8_t sl, dlid_path, port, pad;
};

// evd_cq is a completion queue with its channel. It is not locked: one call of
// poll and arm at a time, and one of event and wait at a time, is the caller's
// business; the two kinds may meet.
struct evd_cq {
	struct ibv_cq *cq;
	struct ibv_cq_ex *ex; // nonzero: polled through the extended interface
	struct ibv_comp_channel *channel;
	int wake;             // eventfd that ends a wait
	int rxe;              // flags of completions are the kernel's, see fix
	uint32_t unacked;     // events taken and not acknowledged yet
};

// evd_send is a send request. Its pieces follow each other in an array beside.
struct evd_send {
	uint64_t wr_id, remote_addr, compare_add, swap;
	uint32_t opcode, flags, imm, rkey, pieces, pad;
};

struct evd_recv {
	uint64_t wr_id;
	uint32_t pieces, pad;
};

// evd_path is what a queue pair must know to be connected.
struct evd_path {
	uint8_t gid[16];
	uint32_t qpn, psn, local_psn; // psn: the peer's first
	uint16_t lid;
	uint8_t global, port, sgid, mtu, atomics, dest_atomics, timeout, retries, rnr_retries, rnr_timer;
	uint8_t sl, traffic_class, hop_limit;
	uint32_t flow_label;
};

struct evd_device {
	char name[64], node[96];
};

struct evd_async {
	uint64_t id; // of the CQ or QP, or a port's number
	uint32_t type;
	uint32_t what; // EVD_ASYNC_*
};

enum { EVD_ASYNC_DEVICE, EVD_ASYNC_CQ, EVD_ASYNC_QP, EVD_ASYNC_PORT };
enum { EVD_POLL_AUTO, EVD_POLL_PLAIN, EVD_POLL_EXTENDED };
enum { EVD_WAIT_AGAIN, EVD_WAIT_EVENT, EVD_WAIT_WAKE };

int evd_devices(struct evd_device *out, int room, int *count);
int evd_open(const char *name, struct ibv_context **out);
int evd_nonblocking(int fd);
int evd_query_port(struct ibv_context *context, int port, struct ibv_port_attr *out);
int evd_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access, struct ibv_mr **out);
int evd_async_event(struct ibv_context *context, struct evd_async *out);

int evd_cq_open(struct ibv_context *context, int depth, int vector, uint64_t id, int how, int rxe, struct evd_cq **out);
int evd_cq_poll(struct evd_cq *q, struct evd_wc *wc, int room);
int64_t evd_cq_arm(struct evd_cq *q, int solicited, struct evd_wc *wc, int room);
int64_t evd_cq_poll_or_arm(struct evd_cq *q, int solicited, struct evd_wc *wc, int room);
int evd_cq_event(struct evd_cq *q);
int evd_cq_wait(struct evd_cq *q);
int evd_cq_wake(struct evd_cq *q);
int evd_cq_close(struct evd_cq *q);

int evd_qp_open(struct ibv_pd *pd, struct evd_cq *send, struct evd_cq *recv, uint64_t id, int signal_all,
		struct ibv_qp_cap *cap, struct ibv_qp **out);
int evd_qp_init(struct ibv_qp *qp, int port, int access);
int evd_qp_connect(struct ibv_qp *qp, const struct evd_path *p);
int evd_qp_error(struct ibv_qp *qp);
int evd_qp_query(struct ibv_qp *qp, struct ibv_qp_attr *out);

uint64_t evd_post_send(struct ibv_qp *qp, const struct evd_send *wr, int n, struct ibv_sge *sge);
uint64_t evd_post_recv(struct ibv_qp *qp, const struct evd_recv *wr, int n, struct ibv_sge *sge);

#endif
