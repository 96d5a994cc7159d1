// Helpers of the C programs that evd is compared with.
#pragma once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DEFER = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };

// check ends the program if a call has failed; n is -errno or the result.
static inline int check(const char *what, int n)
{
	if (n < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(-n));
		exit(1);
	}
	return n;
}

// sys is check for calls that set errno.
static inline int sys(const char *what, int n)
{
	return check(what, n < 0 ? -errno : n);
}

static inline double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}
