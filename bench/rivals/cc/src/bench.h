// What every measurement needs: a clock, CPUs, a table of what there is.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "request.h"

// Line is the distance that keeps two words from disturbing each other: two lines,
// because some processors fetch them in pairs.
constexpr size_t Line = 128;

constexpr size_t Capacity = 1024; // of every queue, in events
constexpr long MaxBatch = 256;
constexpr long MaxProducers = 16;

// Sample is what one run of a cell gave.
struct Sample {
	double ns = 0;     // of all of it
	bool ok = true;    // the events that came out are those that went in
	long nivcsw = 0;   // involuntary context switches of the process meanwhile
	uint64_t n = 0;    // events, if not as many as were asked for
};

// Cell is something to measure: run does it for n events; a shape with batches rounds
// n up.
struct Cell {
	std::function<Sample(const Request &, uint64_t n)> run;
	uint64_t least = 1000; // events of the first try
};

// Table has the cells by impl, shape and event size; 0: the size does not matter.
struct Table {
	std::map<std::string, std::map<std::string, std::map<long, Cell>>> cells;
	std::vector<std::string> missing; // Debian packages
	std::map<std::string, std::string> versions;
};

void add_limits(Table &t);
void add_lines(Table &t);
void add_queues(Table &t);
void add_rte(Table &t);
void add_poll(Table &t);

inline double now_ns()
{
	timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

inline long switches()
{
	rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_nivcsw;
}

inline void relax()
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	asm volatile("isb" ::: "memory");
#endif
}

// Watch times a window.
struct Watch {
	long sw = switches();
	double t = now_ns();

	Sample stop(bool ok = true)
	{
		double ns = now_ns() - t;
		return {ns, ok, switches() - sw, 0};
	}
};

// Where says on which CPUs the threads of a shape run.
struct Where {
	bool pinned;           // one CPU each, and waiting by PAUSE alone
	int producer, consumer; // CPUs, if pinned
	int cpus;              // how many for all, if not; 0: all that are allowed

	// placed is r's wish for so many producers. It throws where the CPUs are not to be had.
	static Where placed(const Request &r, long producers);

	void enter(int cpu) const; // puts the calling thread where it belongs
	void wait() const;         // one turn of waiting for the other side
};

// Home puts the calling thread back where it was.
struct Home {
	cpu_set_t was;
	Home() { sched_getaffinity(0, sizeof was, &was); }
	~Home() { sched_setaffinity(0, sizeof was, &was); }
};

// Gate lets n threads start together with the one that times them.
struct Gate {
	std::atomic<int> here{0};
	std::atomic<bool> open{false};

	void arrive(const Where &w)
	{
		here.fetch_add(1);
		while (!open.load(std::memory_order_acquire))
			w.wait();
	}
	void start(int n, const Where &w)
	{
		while (here.load() != n)
			w.wait();
		open.store(true);
	}
};
