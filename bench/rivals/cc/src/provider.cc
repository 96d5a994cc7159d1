#include "provider.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

#include <pthread.h>

namespace {

// Queue is what user space and the kernel share: struct rxe_queue_buf in linux
// include/uapi/rdma/rdma_user_rxe.h.
struct Queue {
	uint32_t log2_elem_size, index_mask, pad1[30];
	uint32_t producer_index, pad2[31];
	uint32_t consumer_index, pad3[31];
	uint8_t data[];
};
static_assert(offsetof(Queue, producer_index) == 128 && offsetof(Queue, consumer_index) == 256 && offsetof(Queue, data) == 384, "");

struct RxeCQ : CompletionQueue {
	Queue *queue;
	pthread_spinlock_t lock;
};

Completion *slot(Queue *q, uint32_t i)
{
	return (Completion *)(q->data + ((size_t)i << q->log2_elem_size));
}

int rxe_poll(CompletionQueue *base, int n, Completion *wc)
{
	RxeCQ *cq = static_cast<RxeCQ *>(base);
	Queue *q = cq->queue;
	int got = 0;
	pthread_spin_lock(&cq->lock);
	for (; got < n; got++) {
		uint32_t c = __atomic_load_n(&q->consumer_index, __ATOMIC_RELAXED);
		if (__atomic_load_n(&q->producer_index, __ATOMIC_ACQUIRE) == c)
			break;
		memcpy(&wc[got], slot(q, c), sizeof *wc);
		__atomic_store_n(&q->consumer_index, (c + 1) & q->index_mask, __ATOMIC_RELEASE);
	}
	pthread_spin_unlock(&cq->lock);
	return got;
}

Context context = {{rxe_poll}};

} // namespace

CompletionQueue *open_cq(unsigned slots)
{
	constexpr unsigned log2 = 7;
	RxeCQ *cq = new RxeCQ;
	size_t size = (sizeof(Queue) + ((size_t)slots << log2) + 4095) / 4096 * 4096;
	cq->context = &context;
	cq->queue = (Queue *)aligned_alloc(4096, size);
	if (!cq->queue)
		throw std::bad_alloc();
	memset((void *)cq->queue, 0, size);
	cq->queue->log2_elem_size = log2;
	cq->queue->index_mask = slots - 1;
	pthread_spin_init(&cq->lock, PTHREAD_PROCESS_PRIVATE);
	return cq;
}

void close_cq(CompletionQueue *base)
{
	RxeCQ *cq = static_cast<RxeCQ *>(base);
	pthread_spin_destroy(&cq->lock);
	free(cq->queue);
	delete cq;
}

void complete(CompletionQueue *base, uint64_t wr_id)
{
	Queue *q = static_cast<RxeCQ *>(base)->queue;
	uint32_t p = q->producer_index;
	slot(q, p)->wr_id = wr_id;
	__atomic_store_n(&q->producer_index, (p + 1) & q->index_mask, __ATOMIC_RELEASE);
}
