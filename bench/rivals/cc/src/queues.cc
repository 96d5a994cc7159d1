// Our own design in C++, and the header libraries.
#include <new>

#include "shape.h"

#if __has_include(<boost/lockfree/spsc_queue.hpp>)
#include <boost/lockfree/spsc_queue.hpp>
#include <boost/version.hpp>
#define HAVE_BOOST
#endif
#if __has_include(<concurrentqueue/concurrentqueue.h>)
#include <concurrentqueue/concurrentqueue.h>
#define HAVE_MOODY
#endif

namespace {

// Run is the design of package ring: a ticket by compare-and-swap; events written in
// place; a run of them published by one word, the position behind it, in the place of
// its first; credit returned late. What C++ has and Go has not: the publishing store
// is a release one, a plain MOV here. Like package ring with some slack, it may say
// that it is full an eighth too early. A producer writes the number of an event, or all
// of it, as a queue that copies does.
template <size_t E, bool All> class Run {
	static constexpr uint64_t mask = Capacity - 1, slack = Capacity / 8;

	alignas(Line) std::atomic<uint64_t> tail{0};  // next free position
	alignas(Line) std::atomic<uint64_t> freed{0}; // positions below may be reused
	alignas(Line) uint64_t head = 0, end = 0, credited = 0; // consumer
	alignas(Line) Event<E> slots[Capacity] = {};
	alignas(Line) std::atomic<uint64_t> seq[Capacity] = {};

public:
	static constexpr bool multi = true;

	struct Producer : AnyProducer {
		Run &q;
		explicit Producer(Run &q) : q(q) {}

		size_t push(uint64_t n, uint64_t k)
		{
			uint64_t t = q.tail.load(std::memory_order_relaxed);
			do {
				if ((int64_t)(t + k - q.freed.load(std::memory_order_acquire)) > (int64_t)Capacity)
					return 0;
			} while (!q.tail.compare_exchange_weak(t, t + k, std::memory_order_relaxed));
			for (uint64_t i = 0; i < k; i++) {
				if constexpr (All)
					q.slots[(t + i) & mask] = Event<E>{n + i, {}};
				else
					q.slots[(t + i) & mask].n = n + i;
			}
			q.seq[t & mask].store(t + k, std::memory_order_release);
			return k;
		}
	};

	struct Consumer {
		Run &q;
		explicit Consumer(Run &q) : q(q) {}

		size_t pop(uint64_t k, uint64_t &sum)
		{
			uint64_t got = 0;
			while (got < k) {
				if (q.head == q.end) {
					uint64_t e = q.seq[q.head & mask].load(std::memory_order_acquire);
					if (e <= q.head)
						break;
					q.end = e;
				}
				uint64_t m = std::min(k - got, q.end - q.head);
				for (uint64_t i = 0; i < m; i++)
					sum += q.slots[(q.head + i) & mask].n;
				q.head += m;
				got += m;
			}
			if (q.head - q.credited > slack) {
				q.credited = q.head;
				q.freed.store(q.head, std::memory_order_release);
			}
			return got;
		}
	};
};

template <size_t E> using RunNumber = Run<E, false>;
template <size_t E> using RunAll = Run<E, true>;

#ifdef HAVE_MOODY
// Moody is moodycamel::ConcurrentQueue with tokens, which makes it fastest, and with
// memory for Capacity events of each producer taken beforehand. What of it a producer
// has used is that producer's for good: where there are many, each is given its share
// first, else a fast one may take all of it, and another never get a place.
template <size_t E> class Moody {
	moodycamel::ConcurrentQueue<Event<E>> q{Capacity, MaxProducers, 0};

public:
	static constexpr bool multi = true;

	struct Producer : AnyProducer {
		Moody &m;
		moodycamel::ProducerToken token;
		Event<E> buf[MaxBatch] = {};
		explicit Producer(Moody &m) : m(m), token(m.q) {}

		void one_of_many()
		{
			for (size_t i = 0; i < Capacity; i++)
				if (!m.q.enqueue(token, buf[0]))
					throw std::bad_alloc();
			for (size_t i = 0; i < Capacity; i++)
				m.q.try_dequeue_from_producer(token, buf[0]);
		}

		size_t push(uint64_t n, uint64_t k)
		{
			if (k == 1)
				return m.q.try_enqueue(token, Event<E>{n, {}});
			for (uint64_t i = 0; i < k; i++)
				buf[i].n = n + i;
			return m.q.try_enqueue_bulk(token, buf, k) ? k : 0;
		}
	};

	struct Consumer {
		Moody &m;
		moodycamel::ConsumerToken token;
		Event<E> buf[MaxBatch];
		explicit Consumer(Moody &m) : m(m), token(m.q) {}

		size_t pop(uint64_t k, uint64_t &sum)
		{
			size_t got = k == 1 ? m.q.try_dequeue(token, buf[0]) : m.q.try_dequeue_bulk(token, buf, k);
			for (size_t i = 0; i < got; i++)
				sum += buf[i].n;
			return got;
		}
	};
};

#ifdef TESTING
// starve says whether a producer gets a batch in when another has taken all memory.
Sample starve(const Request &, uint64_t)
{
	using Q = Moody<16>;
	auto q = std::make_unique<Q>();
	Q::Producer greedy(*q), last(*q);
	greedy.one_of_many();
	last.one_of_many();
	while (greedy.push(0, 1) == 1)
		;
	Sample s;
	s.ok = last.push(0, MaxBatch) == MaxBatch;
	return s;
}
#endif
#endif

#ifdef HAVE_BOOST
// Boost is boost::lockfree::spsc_queue: one producer, one consumer.
template <size_t E> class Boost {
	boost::lockfree::spsc_queue<Event<E>, boost::lockfree::capacity<Capacity>> q;

public:
	static constexpr bool multi = false;

	struct Producer : AnyProducer {
		Boost &b;
		Event<E> buf[MaxBatch] = {};
		explicit Producer(Boost &b) : b(b) {}

		size_t push(uint64_t n, uint64_t k)
		{
			if (k == 1)
				return b.q.push(Event<E>{n, {}});
			for (uint64_t i = 0; i < k; i++)
				buf[i].n = n + i;
			return b.q.push(buf, k);
		}
	};

	struct Consumer {
		Boost &b;
		Event<E> buf[MaxBatch];
		explicit Consumer(Boost &b) : b(b) {}

		size_t pop(uint64_t k, uint64_t &sum)
		{
			size_t got = k == 1 ? b.q.pop(buf[0]) : b.q.pop(buf, k);
			for (size_t i = 0; i < got; i++)
				sum += buf[i].n;
			return got;
		}
	};
};
#endif

#ifdef TESTING
// Slow has room for one event, which takes a millisecond: it shows what ends a sample in
// time.
template <size_t E> class Slow {
	std::atomic<uint64_t> full{0}, slot{0};
	double since = now_ns();

public:
	static constexpr bool multi = true;

	struct Producer : AnyProducer {
		Slow &q;
		explicit Producer(Slow &q) : q(q) {}

		size_t push(uint64_t n, uint64_t)
		{
			uint64_t none = 0;
			if (!q.full.compare_exchange_strong(none, 1))
				return 0;
			q.slot = n + 1;
			return 1;
		}
	};

	struct Consumer {
		Slow &q;
		explicit Consumer(Slow &q) : q(q) {}

		size_t pop(uint64_t, uint64_t &sum)
		{
			uint64_t n = q.slot;
			if (n == 0 || now_ns() - q.since < 1e6)
				return 0;
			q.since = now_ns();
			sum += n - 1;
			q.slot = 0;
			q.full = 0;
			return 1;
		}
	};
};
#endif

} // namespace

void add_queues(Table &t)
{
	add_sizes<RunNumber>(t, "run");
	add_sizes<RunAll>(t, "run-all");
#ifdef TESTING
	add_size<Slow<16>>(t, "slow", 16);
#endif
#ifdef HAVE_MOODY
	add_sizes<Moody>(t, "moodycamel");
#ifdef TESTING
	t.cells["moodycamel"]["starve"][0] = {starve};
#endif
	t.versions["moodycamel"] = *MOODY ? MOODY : "unknown";
#else
	t.missing.push_back("libconcurrentqueue-dev");
#endif
#ifdef HAVE_BOOST
	add_sizes<Boost>(t, "boost-spsc");
	t.versions["boost"] = BOOST_LIB_VERSION;
#else
	t.missing.push_back("libboost-dev");
#endif
}
