#include "bench.h"

#include <algorithm>
#include <stdexcept>

static std::vector<int> allowed()
{
	static const std::vector<int> all = [] {
		cpu_set_t s;
		std::vector<int> v;
		if (sched_getaffinity(0, sizeof s, &s) == 0)
			for (int i = 0; i < CPU_SETSIZE; i++)
				if (CPU_ISSET(i, &s))
					v.push_back(i);
		return v;
	}();
	return all;
}

Where Where::placed(const Request &r, long producers)
{
	std::vector<int> cpu = allowed();
	if (producers > 1)
		return {false, -1, -1, (int)r.cpus};
	if (cpu.size() < 2)
		throw std::runtime_error("a pair of threads needs two CPUs");
	Where w{true, cpu[0], cpu[1], 0};
	if (r.cpu0 >= 0)
		w.producer = r.cpu0;
	if (r.cpu1 >= 0)
		w.consumer = r.cpu1;
	for (int c : {w.producer, w.consumer})
		if (std::find(cpu.begin(), cpu.end(), c) == cpu.end())
			throw std::runtime_error("CPU " + std::to_string(c) + " is not one that this process may use");
	if (w.producer == w.consumer)
		throw std::runtime_error("cpu0 and cpu1 are the same");
	return w;
}

void Where::enter(int cpu) const
{
	cpu_set_t s;
	CPU_ZERO(&s);
	if (pinned) {
		CPU_SET(cpu, &s);
	} else {
		int n = 0;
		for (int c : allowed())
			if (cpus == 0 || n++ < cpus)
				CPU_SET(c, &s);
	}
	sched_setaffinity(0, sizeof s, &s);
}

void Where::wait() const
{
	if (pinned) {
		relax();
		return;
	}
	for (int i = 0; i < 16; i++)
		relax();
	sched_yield();
}
