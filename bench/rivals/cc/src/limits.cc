// What one thread can do at best: the operations that a queue is made of.
#include <pthread.h>

#include "bench.h"

namespace {

struct alignas(Line) Word { std::atomic<uint64_t> v{0}; };

// each times op for the numbers 0..n-1; good says whether they were all done.
template <class Op, class Good> Sample each(uint64_t n, Op op, Good good)
{
	Watch w;
	for (uint64_t i = 0; i < n; i++)
		op(i);
	Sample s = w.stop();
	s.ok = good();
	s.ns /= n;
	return s;
}

Sample cas(const Request &, uint64_t n)
{
	Word a;
	return each(n, [&](uint64_t i) { a.v.compare_exchange_strong(i, i + 1); }, [&] { return a.v == n; });
}

Sample xchg(const Request &, uint64_t n)
{
	Word a;
	return each(n, [&](uint64_t i) { a.v.exchange(i + 1); }, [&] { return a.v == n; });
}

// As a queue does it: a ticket on one line, a store that publishes on another.
Sample cas_xchg(const Request &, uint64_t n)
{
	Word a, b;
	return each(n, [&](uint64_t i) {
		a.v.compare_exchange_strong(i, i + 1);
		b.v.exchange(i + 1);
	}, [&] { return a.v == n && b.v == n; });
}

Sample mutex(const Request &, uint64_t n)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	uint64_t volatile done = 0;
	return each(n, [&](uint64_t) {
		pthread_mutex_lock(&m);
		done = done + 1;
		pthread_mutex_unlock(&m);
	}, [&] { return done == n; });
}

} // namespace

void add_limits(Table &t)
{
	t.cells["cas"]["limit"][0] = {cas};
	t.cells["xchg"]["limit"][0] = {xchg};
	t.cells["cas+xchg"]["limit"][0] = {cas_xchg};
	t.cells["mutex"]["limit"][0] = {mutex};
}
