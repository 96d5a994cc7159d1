// A miniature of libibverbs and of its provider for rxe: what a C program runs when it
// polls a completion queue that the kernel's rdma_rxe writes.
#pragma once

#include <cstdint>

struct Completion { // struct ib_uverbs_wc
	uint64_t wr_id;
	uint32_t status, opcode, vendor_err, byte_len, imm, qp_num, src_qp, flags;
	uint16_t pkey_index, slid;
	uint8_t sl, dlid_path_bits, port_num, pad;
};

struct CompletionQueue;

struct Context {
	struct {
		int (*poll_cq)(CompletionQueue *, int, Completion *);
	} ops;
};

struct CompletionQueue { Context *context; };

// poll_cq is what the library has inline: a call through the context's table.
inline int poll_cq(CompletionQueue *cq, int n, Completion *wc)
{
	return cq->context->ops.poll_cq(cq, n, wc);
}

// open_cq lays out an empty queue as the kernel does, and close_cq frees it.
CompletionQueue *open_cq(unsigned slots);
void close_cq(CompletionQueue *cq);

// complete adds a completion, as the kernel does; there must be room.
void complete(CompletionQueue *cq, uint64_t wr_id);
