// client: sends messages to an echo server over several connections, one in flight
// on each, and looks at every byte that comes back. Prints messages/s.
// Usage: client PORT CONNECTIONS SECONDS
#include "rival.h"

enum { BYTES = 64, MOST = 256 };

static struct io_uring ring;
static struct conn {
	int fd;
	uint64_t sent; // the number of the message in flight
	uint64_t out[BYTES / 8], in[BYTES / 8];
} conns[MOST];

// ask sends the next message of a connection and receives its echo.
static void ask(int i)
{
	struct conn *c = &conns[i];
	c->sent++;
	for (int k = 0; k < BYTES / 8; k++)
		c->out[k] = (uint64_t)i << 56 ^ c->sent << 3 ^ k;
	struct io_uring_sqe *e = io_uring_get_sqe(&ring);
	io_uring_prep_send(e, c->fd, c->out, BYTES, MSG_NOSIGNAL | MSG_WAITALL);
	e->flags |= IOSQE_CQE_SKIP_SUCCESS;
	io_uring_sqe_set_data64(e, MOST);
	e = io_uring_get_sqe(&ring);
	io_uring_prep_recv(e, c->fd, c->in, BYTES, MSG_WAITALL);
	io_uring_sqe_set_data64(e, i);
}

int main(int argc, char **argv)
{
	int n = argc == 4 ? atoi(argv[2]) : 0;
	if (n < 1 || n > MOST) {
		fprintf(stderr, "usage: client PORT CONNECTIONS SECONDS, of connections at most %d\n", MOST);
		return 2;
	}
	double seconds = atof(argv[3]);
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	check("io_uring_queue_init", io_uring_queue_init(2 * MOST, &ring, DEFER));
	for (int i = 0; i < n; i++) {
		conns[i].fd = sys("socket", socket(AF_INET, SOCK_STREAM, 0));
		sys("connect", connect(conns[i].fd, (struct sockaddr *)&addr, sizeof addr));
		setsockopt(conns[i].fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		ask(i);
	}
	long done = 0;
	double warm = now() + seconds / 6, start = 0, end = warm + seconds, t;
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, k = 0;
		int err = io_uring_submit_and_wait(&ring, 1);
		if (err != -EINTR)
			check("io_uring_submit_and_wait", err);
		io_uring_for_each_cqe(&ring, head, cqe) {
			k++;
			int i = cqe->user_data;
			check(i == MOST ? "send" : "recv", cqe->res);
			if (i == MOST || cqe->res != BYTES || memcmp(conns[i].in, conns[i].out, BYTES)) {
				fprintf(stderr, "connection %d, message %llu: not what was sent (%d bytes)\n", i, (unsigned long long)conns[i % MOST].sent, cqe->res);
				return 1;
			}
			done++;
			ask(i);
		}
		io_uring_cq_advance(&ring, k);
		t = now();
		if (!start && t > warm) {
			start = t;
			done = 0;
		}
		if (t > end)
			break;
	}
	printf("%.0f\n", done / (t - start));
	return 0;
}
