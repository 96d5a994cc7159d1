// What two CPUs can do at best: a line to and fro, and a stream of events.
#include <memory>
#include <thread>
#include <vector>

#include "bench.h"
#include "shape.h"

namespace {

struct alignas(Line) Word { std::atomic<uint64_t> v{0}; };

// pingpong is one way of a line between two CPUs, without PAUSE.
Sample pingpong(const Request &r, uint64_t n)
{
	Home home;
	Where w = Where::placed(r, 1);
	Word there, back;
	Gate gate;
	std::thread other([&] {
		w.enter(w.producer);
		gate.arrive(w);
		for (uint64_t i = 1; i <= n; i++) {
			while (there.v.load(std::memory_order_acquire) != i)
				;
			back.v.store(i, std::memory_order_release);
		}
	});
	w.enter(w.consumer);
	gate.start(1, w);
	Watch watch;
	for (uint64_t i = 1; i <= n; i++) {
		there.v.store(i, std::memory_order_release);
		while (back.v.load(std::memory_order_acquire) != i)
			;
	}
	Sample s = watch.stop();
	other.join();
	s.ns /= 2 * n;
	return s;
}

// stream moves events of E bytes through 256 KiB, published 32 at a time, the room
// given back a quarter at a time: a queue with nothing but its data.
template <size_t E> Sample stream(const Request &r, uint64_t n)
{
	constexpr uint64_t size = 256 * 1024 / E, mask = size - 1, batch = 32;
	Home home;
	Where w = Where::placed(r, 1);
	std::vector<Event<E>> slots(size);
	Word tail, freed;
	Gate gate;
	n = round_up(n, batch);
	std::thread other([&] {
		w.enter(w.producer);
		gate.arrive(w);
		uint64_t room = size;
		for (uint64_t i = 0; i < n; i += batch) {
			while (i + batch > room) {
				room = freed.v.load(std::memory_order_acquire) + size;
				if (i + batch > room)
					relax();
			}
			for (uint64_t j = i; j < i + batch; j++)
				slots[j & mask] = Event<E>{j, {}};
			tail.v.store(i + batch, std::memory_order_release);
		}
	});
	w.enter(w.consumer);
	gate.start(1, w);
	uint64_t sum = 0, head = 0, credited = 0;
	Watch watch;
	while (head < n) {
		uint64_t t = tail.v.load(std::memory_order_acquire);
		if (t == head) {
			relax();
			continue;
		}
		for (; head < t; head++)
			sum += slots[head & mask].n;
		if (head - credited >= size / 4) {
			credited = head;
			freed.v.store(head, std::memory_order_release);
		}
	}
	Sample s = watch.stop(sum == sum_of(n));
	other.join();
	s.ns /= n;
	return s;
}

} // namespace

void add_lines(Table &t)
{
	t.cells["pingpong"]["limit"][0] = {pingpong, 100};
	t.cells["stream16"]["limit"][0] = {stream<16>};
	t.cells["stream64"]["limit"][0] = {stream<64>};
}
