// Package bench measures the engine: latency with one event in flight and
// throughput with many, over a mock completion queue or a soft-RoCE device.
//
// Start with [Run], which takes a [Config] and returns a [Report]; the report
// prints itself as text or JSON. The pieces can be used alone: [Clock], a
// calibrated TSC stopwatch; [Hist], a constant-memory histogram; [Producer]
// and [Checker], which number events where they are made and check them where
// they end.
//
// Every workload goes through the engine's upcalls. Events are counted at the
// edges, by the producers and by the consumer, and the counts are compared
// with each other and with the engine's own: see [Conservation].
//
// The package neither prints nor exits.
package bench
