#include "bench.h"
#include "provider.h"

// cpoll polls an empty completion queue n times. That it is one that works shows in a
// completion before and one after.
static Sample cpoll(const Request &, uint64_t n)
{
	CompletionQueue *cq = open_cq(64);
	Completion wc[32] = {};
	complete(cq, 1);
	bool ok = poll_cq(cq, 32, wc) == 1 && wc[0].wr_id == 1;
	uint64_t sum = 0;
	Watch w;
	for (uint64_t i = 0; i < n; i++)
		sum += poll_cq(cq, 32, wc);
	Sample s = w.stop();
	complete(cq, 2);
	s.ok = ok && sum == 0 && poll_cq(cq, 32, wc) == 1 && wc[0].wr_id == 2;
	s.ns /= n;
	close_cq(cq);
	return s;
}

void add_poll(Table &t)
{
	t.cells["cpoll"]["poll"][0] = {cpoll};
}
