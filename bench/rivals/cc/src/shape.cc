#include "shape.h"

#include <stdexcept>
#include <thread>

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

namespace {

// A sample may take this much longer than it was meant to, in ns. There is no telling
// before how long it will: where producers outnumber the CPUs, in rte_ring each waits,
// without yielding, for all that came before it. When all of them have a place reserved
// there are two events for each turn of the scheduler, and it stays like that.
constexpr double patience = 20e6;

Sample alone(Maker make, const Request &r, uint64_t n, Work::Order order)
{
	return make()->alone(n, r.batch, order);
}

// many producers to one consumer, which times it. One producer is a pinned pair; more
// are not pinned. Whatever came until it ends must be what was pushed until then.
Sample many(Maker make, const Request &r, uint64_t n, uint64_t producers, bool one)
{
	Home home;
	Round round{Where::placed(r, producers), one, one ? 1 : (uint64_t)r.batch};
	const Where &w = round.where;
	auto work = make();
	uint64_t each = round_up(n / producers + 1, round.batch);
	std::vector<uint64_t> pushed(producers);
	std::vector<std::thread> threads;
	for (uint64_t i = 0; i < producers; i++)
		threads.emplace_back([&, i] {
			w.enter(w.producer);
			pushed[i] = work->produce(round, each);
		});
	w.enter(w.consumer);
	round.gate.start(producers, w);
	uint64_t sum = 0;
	Watch watch;
	uint64_t got = work->consume(round, each * producers, sum, Budget(r.ms * 1e6 + patience, w));
	Sample s = watch.stop();
	s.ns /= got;
	s.n = got;
	round.over = true;
	for (auto &t : threads)
		t.join();
	uint64_t all = 0, want = 0;
	for (uint64_t p : pushed) {
		all += p;
		want += sum_of(p);
	}
	if (got < all)
		got += work->consume(round, all - got, sum, Budget(1e9, w));
	s.ok = got == all && sum == want;
	return s;
}

// latency sends an event there and one back through two queues: half of it is one way.
Sample latency(Maker make, const Request &r, uint64_t n)
{
	Home home;
	Round round{Where::placed(r, 1), true, 1};
	const Where &w = round.where;
	auto there = make(), back = make();
	std::thread other([&] {
		w.enter(w.producer);
		there->answer(round, *back, n);
	});
	w.enter(w.consumer);
	Sample s = there->call(round, *back, n);
	other.join();
	s.ns /= 2 * n;
	return s;
}

} // namespace

void add_shapes(Table &t, const char *impl, long event, bool multi, Maker make)
{
	auto add = [&](const std::string &shape, std::function<Sample(const Request &, uint64_t)> run) {
		t.cells[impl][shape][event] = Cell{run};
	};
	for (auto [shape, order] : {std::pair("U1", Work::One), {"U32", Work::Turns}, {"UB", Work::Batches}})
		add(shape, [make, o = order](const Request &r, uint64_t n) { return alone(make, r, n, o); });
	add("LAT", [make](const Request &r, uint64_t n) { return latency(make, r, n); });
	t.cells[impl]["LAT"][event].least = 100; // where the host takes a CPU away they are slow
	for (long k = 1; k <= (multi ? MaxProducers : 1); k++)
		for (bool one : {true, false})
			add(std::to_string(k) + (one ? "P1C" : "P1Cb"), [=](const Request &r, uint64_t n) { return many(make, r, n, k, one); });
}
