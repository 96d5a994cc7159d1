// The shapes in which events go through a queue. A queue Q of events of E bytes is
//
//	Q()                          of Capacity events
//	Q::multi                     whether it takes more than one producer
//	Q::Producer(Q &)             of one thread, an AnyProducer
//	  size_t push(n, k)          k events with the numbers n, n+1...; how many went in
//	Q::Consumer(Q &)             of one thread
//	  size_t pop(k, sum)         at most k events, their numbers added to sum
//
// and never waits. k is a constant 1 where single events are measured.
#pragma once

#include <algorithm>
#include <memory>

#include "bench.h"

// Event has its number first; the rest is written and copied as well.
template <size_t E> struct Event {
	uint64_t n;
	uint64_t rest[E / 8 - 1];
};

// sum_of is that of the numbers 0..n-1.
inline uint64_t sum_of(uint64_t n) { return n * (n - 1) / 2; }

inline uint64_t round_up(uint64_t n, uint64_t k) { return (n + k - 1) / k * k; }

struct AnyProducer {
	// one_of_many prepares a producer that is not the only one, before any starts.
	void one_of_many() {}
};

// Round is what the threads of a sample share.
struct Round {
	Where where;
	bool one;                      // events go singly; else
	uint64_t batch;                // so many at a time
	Gate gate{};
	std::atomic<bool> over{false}; // nothing more is to be pushed
};

// Budget ends a sample that takes longer than it may. It is asked where the queue was
// empty. On a CPU of one's own a look at the clock each time would show in the result.
struct Budget {
	double end;
	unsigned every, asked = 0;

	Budget(double ns, const Where &w) : end(now_ns() + ns), every(w.pinned ? 1024 : 1) {}

	bool spent() { return ++asked % every == 0 && now_ns() > end; }
};

// Work is a queue and the loops over it that are timed; what starts the threads and
// reads the clocks is compiled once for all of them. A call of it is many events.
struct Work {
	virtual ~Work() = default;

	// One thread: pushes one and pops one; or a batch one by one; or a batch at once.
	enum Order { One, Turns, Batches };
	virtual Sample alone(uint64_t n, uint64_t k, Order) = 0;

	// produce pushes 0..n-1 once the gate is open, or fewer if the round is over
	// before, and returns how many.
	virtual uint64_t produce(Round &, uint64_t n) = 0;

	// consume pops n events, or fewer, but one, if the budget is spent before. It adds
	// up their numbers and returns how many.
	virtual uint64_t consume(Round &, uint64_t n, uint64_t &sum, Budget) = 0;

	// call sends n events there, and answer sends each back through the other queue,
	// without PAUSE.
	virtual Sample call(Round &, Work &back, uint64_t n) = 0;
	virtual void answer(Round &, Work &back, uint64_t n) = 0;
};

template <class Q> class WorkOf final : public Work {
	Q q;

public:
	Sample alone(uint64_t n, uint64_t k, Order order) override
	{
		return order == One ? alone<One>(n, 1) : order == Turns ? alone<Turns>(n, k) : alone<Batches>(n, k);
	}

	uint64_t produce(Round &r, uint64_t n) override
	{
		typename Q::Producer p(q);
		if (!r.where.pinned)
			p.one_of_many();
		r.gate.arrive(r.where);
		return r.one ? feed<true>(p, r, n) : feed<false>(p, r, n);
	}

	uint64_t consume(Round &r, uint64_t n, uint64_t &sum, Budget b) override
	{
		typename Q::Consumer c(q);
		return r.one ? drain<true>(c, r, n, sum, b) : drain<false>(c, r, n, sum, b);
	}

	Sample call(Round &r, Work &other, uint64_t n) override
	{
		typename Q::Producer p(q);
		typename Q::Consumer c(static_cast<WorkOf &>(other).q);
		uint64_t sum = 0;
		r.gate.start(1, r.where);
		Watch watch;
		for (uint64_t i = 0; i < n; i++) {
			while (p.push(i, 1) == 0)
				;
			while (c.pop(1, sum) == 0)
				;
		}
		return watch.stop(sum == sum_of(n));
	}

	void answer(Round &r, Work &other, uint64_t n) override
	{
		typename Q::Consumer c(q);
		typename Q::Producer p(static_cast<WorkOf &>(other).q);
		r.gate.arrive(r.where);
		for (uint64_t i = 0; i < n; i++) {
			uint64_t v = 0;
			while (c.pop(1, v) == 0)
				;
			while (p.push(v, 1) == 0)
				;
		}
	}

private:
	// A function for each order, else the compiler runs out of registers for moodycamel's.
	template <Order order> [[gnu::noinline]] Sample alone(uint64_t n, uint64_t k)
	{
		typename Q::Producer p(q);
		typename Q::Consumer c(q);
		uint64_t sum = 0;
		bool ok = true;
		n = round_up(n, k);
		Watch w;
		if (order == One) {
			for (uint64_t i = 0; i < n; i++)
				ok &= p.push(i, 1) == 1 && c.pop(1, sum) == 1;
		} else if (order == Batches) {
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

	// Single is a template parameter so that the calls have a constant.
	template <bool Single> static uint64_t feed(typename Q::Producer &p, Round &r, uint64_t n)
	{
		uint64_t i = 0;
		while (i < n && !r.over.load(std::memory_order_relaxed)) {
			size_t m = Single ? p.push(i, 1) : p.push(i, std::min(r.batch, n - i));
			if (m == 0)
				r.where.wait();
			i += m;
		}
		return i;
	}

	template <bool Single> static uint64_t drain(typename Q::Consumer &c, Round &r, uint64_t n, uint64_t &sum, Budget &b)
	{
		uint64_t got = 0;
		while (got < n) {
			size_t m = Single ? c.pop(1, sum) : c.pop(r.batch, sum);
			if (m == 0) {
				if (b.spent() && got > 0)
					break;
				r.where.wait();
			}
			got += m;
		}
		return got;
	}
};

// Maker makes a queue of its kind.
using Maker = std::unique_ptr<Work> (*)();

// add_shapes puts the cells of a kind of queue into the table.
void add_shapes(Table &t, const char *impl, long event, bool multi, Maker make);

template <class Q> void add_size(Table &t, const char *impl, long event)
{
	add_shapes(t, impl, event, Q::multi, [] { return std::unique_ptr<Work>(new WorkOf<Q>); });
}

// add_sizes does so for every size of an event.
template <template <size_t> class Q> void add_sizes(Table &t, const char *impl)
{
	add_size<Q<16>>(t, impl, 16);
	add_size<Q<32>>(t, impl, 32);
	add_size<Q<64>>(t, impl, 64);
}
