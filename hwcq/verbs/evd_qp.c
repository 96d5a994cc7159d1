//go:build verbs && cgo && linux

// Reliable connected queue pairs and their states.

#include "evd_verbs.h"

#include <errno.h>
#include <string.h>

// evd_qp_open creates a queue pair in RESET; cap is what is asked for, and then
// what it has.
int evd_qp_open(struct ibv_pd *pd, struct evd_cq *send, struct evd_cq *recv, uint64_t id, int signal_all,
		struct ibv_qp_cap *cap, struct ibv_qp **out)
{
	struct ibv_qp_init_attr a = {
		.qp_context = (void *)(uintptr_t)id, .send_cq = send->cq, .recv_cq = recv->cq,
		.cap = *cap, .qp_type = IBV_QPT_RC, .sq_sig_all = signal_all,
	};

	errno = EIO; // where the provider leaves it alone
	*out = ibv_create_qp(pd, &a);
	if (!*out)
		return errno;
	*cap = a.cap;
	return 0;
}

int evd_qp_init(struct ibv_qp *qp, int port, int access)
{
	struct ibv_qp_attr a = {.qp_state = IBV_QPS_INIT, .port_num = port, .qp_access_flags = access};

	return ibv_modify_qp(qp, &a, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

// evd_qp_connect goes from INIT to RTS.
int evd_qp_connect(struct ibv_qp *qp, const struct evd_path *p)
{
	struct ibv_qp_attr a = {
		.qp_state = IBV_QPS_RTR, .path_mtu = p->mtu, .dest_qp_num = p->qpn, .rq_psn = p->psn,
		.max_dest_rd_atomic = p->dest_atomics, .min_rnr_timer = p->rnr_timer,
		.ah_attr = {.dlid = p->lid, .sl = p->sl, .port_num = p->port, .is_global = p->global},
	};
	int e;

	if (p->global) {
		a.ah_attr.grh.sgid_index = p->sgid;
		a.ah_attr.grh.hop_limit = p->hop_limit;
		a.ah_attr.grh.traffic_class = p->traffic_class;
		a.ah_attr.grh.flow_label = p->flow_label;
		memcpy(&a.ah_attr.grh.dgid, p->gid, sizeof p->gid);
	}
	e = ibv_modify_qp(qp, &a, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
					  IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
	if (e)
		return e;
	memset(&a, 0, sizeof a);
	a.qp_state = IBV_QPS_RTS;
	a.timeout = p->timeout;
	a.retry_cnt = p->retries;
	a.rnr_retry = p->rnr_retries;
	a.sq_psn = p->local_psn;
	a.max_rd_atomic = p->atomics;
	return ibv_modify_qp(qp, &a, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
					     IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

int evd_qp_error(struct ibv_qp *qp)
{
	struct ibv_qp_attr a = {.qp_state = IBV_QPS_ERR};

	return ibv_modify_qp(qp, &a, IBV_QP_STATE);
}

int evd_qp_query(struct ibv_qp *qp, struct ibv_qp_attr *out)
{
	struct ibv_qp_init_attr init;

	return ibv_query_qp(qp, out, IBV_QP_STATE | IBV_QP_ACCESS_FLAGS | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
					     IBV_QP_RQ_PSN | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC | IBV_QP_MAX_DEST_RD_ATOMIC |
					     IBV_QP_MIN_RNR_TIMER | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_CAP,
			    &init);
}
