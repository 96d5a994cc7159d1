// DPDK's rte_ring, in memory of our own: no start of its environment layer.
#include "shape.h"

#ifdef HAVE_DPDK
#include <new>
#include <stdexcept>

#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_hts.h>
#include <rte_ring_rts.h>

namespace {

enum Sync { MP, SP, RTS, HTS }; // of the producers; there is one consumer

template <size_t E, Sync S> class Rte {
	rte_ring *r;

public:
	static constexpr bool multi = S != SP;

	// One of the Capacity places stays free.
	Rte()
	{
		constexpr unsigned flags = RING_F_SC_DEQ | (S == SP ? RING_F_SP_ENQ : S == RTS ? RING_F_MP_RTS_ENQ : S == HTS ? RING_F_MP_HTS_ENQ : 0);
		ssize_t size = rte_ring_get_memsize_elem(E, Capacity);
		r = size < 0 ? nullptr : (rte_ring *)::operator new(size, std::align_val_t(Line));
		if (!r)
			throw std::runtime_error("rte_ring_get_memsize_elem refuses");
		memset((void *)r, 0, size);
		if (rte_ring_init(r, "rival", Capacity, flags) != 0)
			throw std::runtime_error("rte_ring_init refuses");
	}
	~Rte() { ::operator delete(r, std::align_val_t(Line)); }
	Rte(const Rte &) = delete;

	struct Producer : AnyProducer {
		rte_ring *r;
		Event<E> buf[MaxBatch] = {};
		explicit Producer(Rte &q) : r(q.r) {}

		size_t push(uint64_t n, uint64_t k)
		{
			for (uint64_t i = 0; i < k; i++)
				buf[i].n = n + i;
			if constexpr (S == MP)
				return rte_ring_mp_enqueue_bulk_elem(r, buf, E, k, nullptr);
			else if constexpr (S == SP)
				return rte_ring_sp_enqueue_bulk_elem(r, buf, E, k, nullptr);
			else if constexpr (S == RTS)
				return rte_ring_mp_rts_enqueue_bulk_elem(r, buf, E, k, nullptr);
			else
				return rte_ring_mp_hts_enqueue_bulk_elem(r, buf, E, k, nullptr);
		}
	};

	struct Consumer {
		rte_ring *r;
		Event<E> buf[MaxBatch];
		explicit Consumer(Rte &q) : r(q.r) {}

		size_t pop(uint64_t k, uint64_t &sum)
		{
			size_t got = rte_ring_sc_dequeue_burst_elem(r, buf, E, k, nullptr);
			for (size_t i = 0; i < got; i++)
				sum += buf[i].n;
			return got;
		}
	};
};

template <size_t E> using RteMP = Rte<E, MP>;
template <size_t E> using RteSP = Rte<E, SP>;
template <size_t E> using RteRTS = Rte<E, RTS>;
template <size_t E> using RteHTS = Rte<E, HTS>;

} // namespace

void add_rte(Table &t)
{
	add_sizes<RteMP>(t, "rte-mp");
	add_sizes<RteSP>(t, "rte-sp");
	add_sizes<RteRTS>(t, "rte-rts");
	add_sizes<RteHTS>(t, "rte-hts");
	t.versions["dpdk"] = std::to_string(RTE_VER_YEAR) + "." + std::to_string(RTE_VER_MONTH) + "." + std::to_string(RTE_VER_MINOR);
}

#else

void add_rte(Table &t)
{
#if __has_include(<dpdk/rte_ring.h>)
	t.missing.push_back("pkg-config"); // which says how to compile with it
#else
	t.missing.push_back("libdpdk-dev");
#endif
}

#endif
