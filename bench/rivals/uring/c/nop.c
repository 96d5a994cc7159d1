// nop: NOPs through an io_uring. Submits a batch, reaps all of it, and again.
// Usage: nop plain|defer BATCH COUNT. Prints completions/s.
#include "rival.h"

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: nop plain|defer BATCH COUNT\n");
		return 2;
	}
	int batch = atoi(argv[2]);
	long count = atol(argv[3]), done = 0;
	struct io_uring ring;
	check("io_uring_queue_init", io_uring_queue_init(256, &ring, strcmp(argv[1], "defer") ? 0 : DEFER));

	double start = now();
	while (done < count) {
		for (int i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, i);
		}
		check("io_uring_submit", io_uring_submit(&ring));
		for (int got = 0; got < batch;) {
			struct io_uring_cqe *cqe;
			unsigned head, n = 0;
			io_uring_for_each_cqe(&ring, head, cqe) {
				check("nop", cqe->res);
				n++;
			}
			io_uring_cq_advance(&ring, n);
			got += n;
			if (got < batch && n == 0)
				check("io_uring_wait_cqe", io_uring_wait_cqe(&ring, &cqe));
		}
		done += batch;
	}
	printf("%.0f\n", done / (now() - start));
	return 0;
}
