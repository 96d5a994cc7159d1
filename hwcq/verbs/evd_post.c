//go:build verbs && cgo && linux

// Posting: a list of requests in one crossing.

#include "evd_verbs.h"

#include <errno.h>
#include <string.h>

// MOST is how many requests are handed to the provider at a time.
enum { MOST = 64 };

// result packs how many requests were taken, and the errno about the next.
// Providers return it with either sign.
static uint64_t result(int taken, int e)
{
	return (uint64_t)taken << 32 | (uint32_t)(e < 0 ? -e : e);
}

static void fill(struct ibv_send_wr *w, const struct evd_send *r, struct ibv_sge *sge)
{
	memset(w, 0, sizeof *w);
	w->wr_id = r->wr_id;
	w->sg_list = sge;
	w->num_sge = r->pieces;
	w->opcode = r->opcode;
	w->send_flags = r->flags;
	w->imm_data = r->imm; // or the key to invalidate: a union
	switch (r->opcode) {
	case IBV_WR_ATOMIC_CMP_AND_SWP:
	case IBV_WR_ATOMIC_FETCH_AND_ADD:
		w->wr.atomic.remote_addr = r->remote_addr;
		w->wr.atomic.compare_add = r->compare_add;
		w->wr.atomic.swap = r->swap;
		w->wr.atomic.rkey = r->rkey;
		break;
	default:
		w->wr.rdma.remote_addr = r->remote_addr;
		w->wr.rdma.rkey = r->rkey;
	}
}

// evd_post_send posts up to MOST requests.
uint64_t evd_post_send(struct ibv_qp *qp, const struct evd_send *wr, int n, struct ibv_sge *sge)
{
	struct ibv_send_wr list[MOST], *bad = NULL;
	int e;

	n = n > MOST ? MOST : n;
	for (int i = 0; i < n; i++) {
		fill(&list[i], &wr[i], sge);
		sge += wr[i].pieces;
		list[i].next = i + 1 < n ? &list[i + 1] : NULL;
	}
	e = ibv_post_send(qp, list, &bad);
	return result(!e ? n : bad ? (int)(bad - list) : 0, e);
}

// evd_post_recv posts up to MOST requests.
uint64_t evd_post_recv(struct ibv_qp *qp, const struct evd_recv *wr, int n, struct ibv_sge *sge)
{
	struct ibv_recv_wr list[MOST], *bad = NULL;
	int e;

	n = n > MOST ? MOST : n;
	for (int i = 0; i < n; i++) {
		list[i] = (struct ibv_recv_wr){.wr_id = wr[i].wr_id, .sg_list = sge, .num_sge = wr[i].pieces};
		sge += wr[i].pieces;
		list[i].next = i + 1 < n ? &list[i + 1] : NULL;
	}
	e = ibv_post_recv(qp, list, &bad);
	return result(!e ? n : bad ? (int)(bad - list) : 0, e);
}
