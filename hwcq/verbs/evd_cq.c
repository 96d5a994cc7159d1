//go:build verbs && cgo && linux

// Completion queues: poll, arm, wait. See verbs.h of rdma-core.

#define _GNU_SOURCE
#include "evd_verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

// Completions are polled in place: the provider writes an ibv_wc where the
// caller wants an evd_wc, and only the flags and what is no information change.
_Static_assert(sizeof(struct evd_wc) == 48 && sizeof(struct ibv_wc) == 48, "size of a completion");
#define SAME(a, b) _Static_assert(offsetof(struct evd_wc, a) == offsetof(struct ibv_wc, b), "place of " #a)
SAME(wr_id, wr_id);
SAME(status, status);
SAME(opcode, opcode);
SAME(vendor_err, vendor_err);
SAME(byte_len, byte_len);
SAME(imm, imm_data);
SAME(qp_num, qp_num);
SAME(src_qp, src_qp);
SAME(flags, wc_flags);
SAME(pkey_index, pkey_index);
SAME(slid, slid);
SAME(sl, sl);
SAME(dlid_path, dlid_path_bits);

// Flags of hwcq, which are those of the kernel.
enum { FLAG_GRH = 1, FLAG_IMM = 2, FLAG_INVALID = 4 };

// flags turns those of libibverbs into the kernel's: they differ in the bit for
// an invalidated key. The provider of rxe copies the kernel's completion as it
// is.
static uint32_t flags(const struct evd_cq *q, uint32_t f)
{
	if (q->rxe)
		return f & (FLAG_GRH | FLAG_IMM | FLAG_INVALID);
	return (f & IBV_WC_GRH ? FLAG_GRH : 0) | (f & IBV_WC_WITH_IMM ? FLAG_IMM : 0) |
	       (f & IBV_WC_WITH_INV ? FLAG_INVALID : 0);
}

// failed leaves of a completion that is no success what has a meaning.
static void failed(struct evd_wc *w)
{
	struct evd_wc e = {.wr_id = w->wr_id, .status = w->status, .vendor_err = w->vendor_err, .qp_num = w->qp_num};

	*w = e;
}

// An overrun CQ cannot be polled; nothing comes out of it, and the asynchronous
// event tells. So an error is no completion.
static int poll_plain(struct evd_cq *q, struct evd_wc *wc, int room)
{
	int n = ibv_poll_cq(q->cq, room, (struct ibv_wc *)wc);

	for (int i = 0; i < n; i++) {
		if (wc[i].status != IBV_WC_SUCCESS) {
			failed(&wc[i]);
			continue;
		}
		wc[i].flags = flags(q, wc[i].flags);
		wc[i].port = wc[i].pad = 0;
	}
	return n < 0 ? 0 : n;
}

static const uint64_t wanted = IBV_WC_EX_WITH_BYTE_LEN | IBV_WC_EX_WITH_IMM | IBV_WC_EX_WITH_QP_NUM |
			       IBV_WC_EX_WITH_SRC_QP | IBV_WC_EX_WITH_SLID | IBV_WC_EX_WITH_SL |
			       IBV_WC_EX_WITH_DLID_PATH_BITS;

static void read_ex(struct evd_cq *q, struct evd_wc *w)
{
	struct ibv_cq_ex *x = q->ex;

	memset(w, 0, sizeof *w);
	w->wr_id = x->wr_id;
	w->status = x->status;
	w->qp_num = ibv_wc_read_qp_num(x);
	if (x->status != IBV_WC_SUCCESS) {
		w->vendor_err = ibv_wc_read_vendor_err(x);
		return;
	}
	w->opcode = ibv_wc_read_opcode(x);
	w->byte_len = ibv_wc_read_byte_len(x);
	w->flags = flags(q, ibv_wc_read_wc_flags(x));
	if (w->flags & FLAG_INVALID)
		w->imm = ibv_wc_read_invalidated_rkey(x);
	else if (w->flags & FLAG_IMM)
		w->imm = (uint32_t)ibv_wc_read_imm_data(x);
	w->src_qp = ibv_wc_read_src_qp(x);
	w->slid = (uint16_t)ibv_wc_read_slid(x);
	w->sl = ibv_wc_read_sl(x);
	w->dlid_path = ibv_wc_read_dlid_path_bits(x);
}

// The provider of rxe in rdma-core 44 (providers/rxe/rxe.c, until v51 or so) goes
// one completion too far and unlocks twice when next_poll finds nothing: there
// every completion gets a poll of its own.
static int poll_ex(struct evd_cq *q, struct evd_wc *wc, int room)
{
	struct ibv_poll_cq_attr attr = {0};
	int n = 0;

	if (q->rxe) {
		for (; n < room && !ibv_start_poll(q->ex, &attr); n++) {
			read_ex(q, &wc[n]);
			ibv_end_poll(q->ex);
		}
		return n;
	}
	if (room < 1 || ibv_start_poll(q->ex, &attr))
		return 0;
	do
		read_ex(q, &wc[n++]);
	while (n < room && !ibv_next_poll(q->ex));
	ibv_end_poll(q->ex);
	return n;
}

// evd_cq_poll moves up to room completions and returns how many.
int evd_cq_poll(struct evd_cq *q, struct evd_wc *wc, int room)
{
	return q->ex ? poll_ex(q, wc, room) : poll_plain(q, wc, room);
}

// evd_cq_arm arms and then looks: what came before the arm took effect, and
// raises no event, is among the completions that it returns. Negative: an
// errno.
int64_t evd_cq_arm(struct evd_cq *q, int solicited, struct evd_wc *wc, int room)
{
	int e = ibv_req_notify_cq(q->cq, solicited);

	if (e)
		return -(int64_t)(e < 0 ? -e : e);
	return evd_cq_poll(q, wc, room);
}

// evd_cq_poll_or_arm polls, and only if there is nothing arms and polls again:
// with 0 the caller may sleep.
int64_t evd_cq_poll_or_arm(struct evd_cq *q, int solicited, struct evd_wc *wc, int room)
{
	int n = evd_cq_poll(q, wc, room);

	return n ? n : evd_cq_arm(q, solicited, wc, room);
}

// evd_cq_event takes an event from the channel: 0, or EAGAIN if there is none.
// Acknowledging takes a lock, so many events are acknowledged at once.
int evd_cq_event(struct evd_cq *q)
{
	struct ibv_cq *cq;
	void *context;

	if (ibv_get_cq_event(q->channel, &cq, &context))
		return errno;
	if (++q->unacked >= 256) {
		ibv_ack_cq_events(q->cq, q->unacked);
		q->unacked = 0;
	}
	return 0;
}

// evd_cq_wait sleeps until the channel has an event, which it takes, or the
// eventfd was rung, which it drains. Negative: an errno.
int evd_cq_wait(struct evd_cq *q)
{
	struct pollfd fds[2] = {{.fd = q->channel->fd, .events = POLLIN}, {.fd = q->wake, .events = POLLIN}};
	uint64_t rings;
	int e;

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR ? EVD_WAIT_AGAIN : -errno;
	if (fds[0].revents) {
		e = evd_cq_event(q);
		if (!e)
			return EVD_WAIT_EVENT;
		return e == EAGAIN || e == EINTR ? EVD_WAIT_AGAIN : -e;
	}
	return read(q->wake, &rings, sizeof rings) > 0 ? EVD_WAIT_WAKE : EVD_WAIT_AGAIN;
}

int evd_cq_wake(struct evd_cq *q)
{
	uint64_t one = 1;

	return write(q->wake, &one, sizeof one) < 0 && errno != EAGAIN ? errno : 0;
}

int evd_nonblocking(int fd)
{
	int f = fcntl(fd, F_GETFL);

	if (f < 0 || fcntl(fd, F_SETFL, f | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return errno;
	return 0;
}

static int create(struct ibv_context *context, int depth, int vector, void *id, int how, struct evd_cq *q)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = depth, .cq_context = id, .channel = q->channel, .comp_vector = vector, .wc_flags = wanted,
	};

	if (how != EVD_POLL_PLAIN) {
		errno = EOPNOTSUPP; // where the provider leaves it alone
		q->ex = ibv_create_cq_ex(context, &attr);
		if (q->ex) {
			q->cq = ibv_cq_ex_to_cq(q->ex);
			return 0;
		}
		// A provider without it says so in one of these ways. What else is
		// wrong the plain call will find wrong too.
		if (how == EVD_POLL_EXTENDED ||
		    (errno != EOPNOTSUPP && errno != ENOTSUP && errno != ENOSYS && errno != EINVAL))
			return errno;
	}
	errno = EIO;
	q->cq = ibv_create_cq(context, depth, id, q->channel, vector);
	return q->cq ? 0 : errno;
}

int evd_cq_open(struct ibv_context *context, int depth, int vector, uint64_t id, int how, int rxe, struct evd_cq **out)
{
	struct evd_cq *q = calloc(1, sizeof *q);
	int e;

	if (!q)
		return ENOMEM;
	q->rxe = rxe;
	q->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->wake < 0) {
		e = errno;
		free(q);
		return e;
	}
	errno = EIO;
	q->channel = ibv_create_comp_channel(context);
	if (!q->channel) {
		e = errno;
		goto no_channel;
	}
	e = evd_nonblocking(q->channel->fd);
	if (!e)
		e = create(context, depth, vector, (void *)(uintptr_t)id, how, q);
	if (!e) {
		*out = q;
		return 0;
	}
	ibv_destroy_comp_channel(q->channel);
no_channel:
	close(q->wake);
	free(q);
	return e;
}

// evd_cq_close acknowledges what is left, since ibv_destroy_cq waits for that,
// and releases everything. With EBUSY nothing was released.
int evd_cq_close(struct evd_cq *q)
{
	int e;

	if (q->unacked)
		ibv_ack_cq_events(q->cq, q->unacked);
	q->unacked = 0;
	e = ibv_destroy_cq(q->cq);
	if (e == EBUSY)
		return e;
	ibv_destroy_comp_channel(q->channel);
	close(q->wake);
	free(q);
	return e;
}
