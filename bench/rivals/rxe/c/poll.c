// poll DEVICE COUNT: polls an empty completion queue so many times by ibv_poll_cq, 16
// completions at most, and prints how long one took.
#include <infiniband/verbs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	struct ibv_context *ctx = NULL;
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_wc wc[16];
	struct ibv_cq *cq;
	double start, took;
	long count, got = 0;

	if (argc != 3 || (count = atol(argv[2])) <= 0) {
		fprintf(stderr, "usage: poll DEVICE COUNT\n");
		return 2;
	}
	for (int i = 0; list && list[i] && !ctx; i++)
		if (!strcmp(ibv_get_device_name(list[i]), argv[1]))
			ctx = ibv_open_device(list[i]);
	if (!ctx)
		return fail(argv[1]);
	cq = ibv_create_cq(ctx, 1023, NULL, NULL, 0);
	if (!cq)
		return fail("ibv_create_cq");
	start = now();
	for (long i = 0; i < count; i++)
		got += ibv_poll_cq(cq, 16, wc);
	took = now() - start;
	if (got) {
		fprintf(stderr, "an empty CQ had completions, or failed: %ld\n", got);
		return 1;
	}
	printf("%.3f ns\n", took / count);
	return ibv_destroy_cq(cq) || ibv_close_device(ctx);
}
