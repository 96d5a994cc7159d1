// echo: a TCP echo server on an io_uring of one thread: multishot accept, multishot
// receive into provided buffers, send. Prints its port; serves until it is killed.
#include "rival.h"

enum { BUFFERS = 256, SIZE = 2048, GROUP = 0, CONNS = 4096 };
enum { ACCEPT = 1, RECV, SEND };

static struct io_uring ring;
static struct io_uring_buf_ring *avail;
static char *memory;
static struct { int at, end; } rest[BUFFERS]; // of a buffer, what is to be sent

// tag says what completes: the operation, the connection, the buffer.
static uint64_t tag(int op, int fd, int bid) { return (uint64_t)op << 56 | (uint64_t)bid << 32 | (uint32_t)fd; }

static struct io_uring_sqe *sqe(void)
{
	struct io_uring_sqe *e = io_uring_get_sqe(&ring);
	if (!e) {
		check("io_uring_submit", io_uring_submit(&ring));
		e = io_uring_get_sqe(&ring);
	}
	return e;
}

static void give(int bid)
{
	io_uring_buf_ring_add(avail, memory + bid * SIZE, SIZE, bid, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(avail, 1);
}

static void accepting(int fd)
{
	struct io_uring_sqe *e = sqe();
	io_uring_prep_multishot_accept(e, fd, NULL, NULL, 0);
	io_uring_sqe_set_data64(e, tag(ACCEPT, fd, 0));
}

static void receiving(int fd)
{
	struct io_uring_sqe *e = sqe();
	io_uring_prep_recv_multishot(e, fd, NULL, 0, 0);
	e->flags |= IOSQE_BUFFER_SELECT;
	e->buf_group = GROUP;
	io_uring_sqe_set_data64(e, tag(RECV, fd, 0));
}

static void sending(int fd, int bid)
{
	struct io_uring_sqe *e = sqe();
	io_uring_prep_send(e, fd, memory + bid * SIZE + rest[bid].at, rest[bid].end - rest[bid].at, MSG_NOSIGNAL | MSG_WAITALL);
	io_uring_sqe_set_data64(e, tag(SEND, fd, bid));
}

static void completed(struct io_uring_cqe *cqe)
{
	int fd = (int)(uint32_t)cqe->user_data, bid = cqe->user_data >> 32 & 0xffff, more = cqe->flags & IORING_CQE_F_MORE;
	switch (cqe->user_data >> 56) {
	case ACCEPT:
		check("accept", cqe->res);
		setsockopt(cqe->res, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		receiving(cqe->res);
		if (!more)
			accepting(fd);
		break;
	case RECV:
		if (cqe->res > 0) {
			bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
			rest[bid].at = 0;
			rest[bid].end = cqe->res;
			sending(fd, bid);
			if (!more)
				receiving(fd);
		} else if (cqe->res == -ENOBUFS) {
			receiving(fd);
		} else {
			close(fd);
		}
		break;
	case SEND:
		if (cqe->res > 0 && (rest[bid].at += cqe->res) < rest[bid].end)
			sending(fd, bid);
		else
			give(bid);
		break;
	}
}

int main(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof addr;
	int fd = sys("socket", socket(AF_INET, SOCK_STREAM, 0));
	sys("bind", bind(fd, (struct sockaddr *)&addr, sizeof addr));
	sys("listen", listen(fd, 128));
	sys("getsockname", getsockname(fd, (struct sockaddr *)&addr, &len));

	check("io_uring_queue_init", io_uring_queue_init(256, &ring, DEFER));
	memory = mmap(NULL, BUFFERS * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	avail = mmap(NULL, BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || avail == MAP_FAILED)
		sys("mmap", -1);
	struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)avail, .ring_entries = BUFFERS, .bgid = GROUP};
	check("io_uring_register_buf_ring", io_uring_register_buf_ring(&ring, &reg, 0));
	io_uring_buf_ring_init(avail);
	for (int i = 0; i < BUFFERS; i++)
		give(i);
	accepting(fd);
	printf("port %d\n", ntohs(addr.sin_port));
	fflush(stdout);

	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, n = 0;
		int err = io_uring_submit_and_wait(&ring, 1);
		if (err != -EINTR)
			check("io_uring_submit_and_wait", err);
		io_uring_for_each_cqe(&ring, head, cqe) {
			completed(cqe);
			n++;
		}
		io_uring_cq_advance(&ring, n);
	}
}
