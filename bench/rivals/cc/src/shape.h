// The shapes in which events go through a queue. A queue Q of events of E bytes is
//
//	Q()                          of Capacity events
//	Q::multi                     whether it takes more than one producer
//	Q::Producer(Q &)             of one thread
//	  size_t push(n, k)          k events with the numbers n, n+1...; how many went in
//	Q::Consumer(Q &)             of one thread
//	  size_t pop(k, sum)         at most k events, their numbers added to sum
//
// and never waits. k is a constant 1 where single events are measured.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "bench.h"

// Event has its number first; the rest is written and copied as well.
template <size_t E> struct Event {
	uint64_t n;
	uint64_t rest[E / 8 - 1];
};

// sum_of is that of the numbers 0..n-1.
inline uint64_t sum_of(uint64_t n) { return n * (n - 1) / 2; }

inline uint64_t round_up(uint64_t n, uint64_t k) { return (n + k - 1) / k * k; }

// One goroutine's worth: U1 pushes one and pops one; U32 pushes and pops single events,
// a batch of them in turn; UB pushes and pops batches.
template <class Q> Sample alone(const Request &r, uint64_t n, bool one, bool batched)
{
	auto q = std::make_unique<Q>();
	typename Q::Producer p(*q);
	typename Q::Consumer c(*q);
	uint64_t sum = 0, k = one ? 1 : r.batch;
	bool ok = true;
	n = round_up(n, k);
	Watch w;
	if (one) {
		for (uint64_t i = 0; i < n; i++)
			ok &= p.push(i, 1) == 1 && c.pop(1, sum) == 1;
	} else if (batched) {
		for (uint64_t i = 0; i < n; i += k) {
			ok &= p.push(i, k) == k;
			for (uint64_t got = 0, m; ok && got < k; got += m)
				ok &= (m = c.pop(k - got, sum)) > 0;
		}
	} else {
		for (uint64_t i = 0; i < n; i += k) {
			for (uint64_t j = 0; j < k; j++)
				ok &= p.push(i + j, 1) == 1;
			for (uint64_t j = 0; j < k; j++)
				ok &= c.pop(1, sum) == 1;
		}
	}
	Sample s = w.stop();
	s.ok = ok && sum == sum_of(n);
	s.ns /= n;
	return s;
}

// feed pushes n events. One is a template parameter so that the calls have a constant.
template <class Q, bool One> void feed(Q &q, const Where &w, uint64_t n, uint64_t k)
{
	typename Q::Producer p(q);
	if (One) {
		for (uint64_t i = 0; i < n; i++)
			while (p.push(i, 1) == 0)
				w.wait();
		return;
	}
	for (uint64_t i = 0; i < n; i += k)
		for (uint64_t put = 0; put < k;) {
			size_t m = p.push(i + put, k - put);
			if (m == 0)
				w.wait();
			put += m;
		}
}

template <class Q, bool One> uint64_t drain(Q &q, const Where &w, uint64_t n, uint64_t k)
{
	typename Q::Consumer c(q);
	uint64_t sum = 0;
	for (uint64_t got = 0; got < n;) {
		size_t m = One ? c.pop(1, sum) : c.pop(k, sum);
		if (m == 0)
			w.wait();
		got += m;
	}
	return sum;
}

// Many producers to one consumer, which times it. One producer is a pinned pair; more
// are not pinned.
template <class Q, bool One> Sample many(const Request &r, uint64_t n, long producers)
{
	Home home;
	Where w = Where::placed(r, producers);
	auto q = std::make_unique<Q>();
	uint64_t k = One ? 1 : r.batch;
	uint64_t each = round_up(n / producers + 1, k);
	Gate gate;
	std::vector<std::thread> threads;
	for (long i = 0; i < producers; i++)
		threads.emplace_back([&] {
			w.enter(w.producer);
			gate.arrive(w);
			feed<Q, One>(*q, w, each, k);
		});
	w.enter(w.consumer);
	gate.start(producers, w);
	Watch watch;
	uint64_t sum = drain<Q, One>(*q, w, each * producers, k);
	Sample s = watch.stop(sum == producers * sum_of(each));
	for (auto &t : threads)
		t.join();
	s.ns /= each * producers;
	return s;
}

// latency sends an event there and one back through two queues, without PAUSE: half of
// it is one way.
template <class Q> Sample latency(const Request &r, uint64_t n)
{
	Home home;
	Where w = Where::placed(r, 1);
	auto there = std::make_unique<Q>(), back = std::make_unique<Q>();
	Gate gate;
	std::thread other([&] {
		w.enter(w.producer);
		typename Q::Consumer c(*there);
		typename Q::Producer p(*back);
		gate.arrive(w);
		for (uint64_t i = 0; i < n; i++) {
			uint64_t v = 0;
			while (c.pop(1, v) == 0)
				;
			while (p.push(v, 1) == 0)
				;
		}
	});
	w.enter(w.consumer);
	typename Q::Producer p(*there);
	typename Q::Consumer c(*back);
	gate.start(1, w);
	uint64_t sum = 0;
	Watch watch;
	for (uint64_t i = 0; i < n; i++) {
		while (p.push(i, 1) == 0)
			;
		while (c.pop(1, sum) == 0)
			;
	}
	Sample s = watch.stop(sum == sum_of(n));
	other.join();
	s.ns /= 2 * n;
	return s;
}

// add_shapes puts Q's cells into the table.
template <class Q> void add_shapes(Table &t, const char *impl, long event)
{
	auto add = [&](const char *shape, std::function<Sample(const Request &, uint64_t)> run) {
		t.cells[impl][shape][event] = Cell{run};
	};
	add("U1", [](const Request &r, uint64_t n) { return alone<Q>(r, n, true, false); });
	add("U32", [](const Request &r, uint64_t n) { return alone<Q>(r, n, false, false); });
	add("UB", [](const Request &r, uint64_t n) { return alone<Q>(r, n, false, true); });
	add("LAT", latency<Q>);
	t.cells[impl]["LAT"][event].least = 100; // where the host takes a CPU away they are slow
	for (long k = 1; k <= (Q::multi ? MaxProducers : 1); k++) {
		std::string name = std::to_string(k) + "P1C";
		add(name.c_str(), [k](const Request &r, uint64_t n) { return many<Q, true>(r, n, k); });
		add((name + "b").c_str(), [k](const Request &r, uint64_t n) { return many<Q, false>(r, n, k); });
	}
}

// add_sizes is add_shapes for every size of an event.
template <template <size_t> class Q> void add_sizes(Table &t, const char *impl)
{
	add_shapes<Q<16>>(t, impl, 16);
	add_shapes<Q<32>>(t, impl, 32);
	add_shapes<Q<64>>(t, impl, 64);
}
