package bench

// Workloads.
const (
	Lat = "lat" // latency, one event in flight
	BW  = "bw"  // throughput, many events in flight

	// WakeUp is the cost of sleeping: from the event of an armed CQ to the upcall.
	WakeUp = "wake"
	// Jitter is the host's own floor: the gaps in which a spinning goroutine does not run.
	Jitter = "jitter"
)

// Completion queues.
const (
	CQMock  = "mock"
	CQRXE   = "rxe"   // soft-RoCE in pure Go
	CQVerbs = "verbs" // any NIC, through libibverbs: builds with the tag verbs
	CQTCP   = "tcp"   // between two nodes only: TCP, completed by goroutines into a mock CQ
)
