package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/evdengine/evd/engine"
)

// metric is a metric, or one series of it where it has a label reason.
type metric[T any] struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	reason string
	value  func(*T) float64
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func counter[T any](name, help string, value func(*T) uint64, labels ...string) metric[T] {
	return metric[T]{desc(name, help, labels...), prometheus.CounterValue, "", func(s *T) float64 { return float64(value(s)) }}
}

func gauge[T any](name, help string, value func(*T) float64, labels ...string) metric[T] {
	return metric[T]{desc(name, help, labels...), prometheus.GaugeValue, "", value}
}

// reason is one more series of a metric that has the label.
type reason[T any] struct {
	name  string
	value func(*T) uint64
}

// byReason are the series of a counter with the label reason.
func byReason[T any](name, help string, labels []string, series ...reason[T]) (out []metric[T]) {
	d := desc(name, help, append(labels, "reason")...)
	for _, r := range series {
		out = append(out, metric[T]{d, prometheus.CounterValue, r.name, func(s *T) float64 { return float64(r.value(s)) }})
	}
	return out
}

var (
	evdLabels = []string{"evd", "id"}
	cqLabels  = []string{"evd", "id", "cq"}

	sharedLabels = []string{"id", "cq"}
	pollerLabels = []string{"poller", "id"}

	total   = desc("evd_engine_events_total", "Events of all EVDs, those closed included, by what became of them.", "what")
	batches = desc("evd_batch_size_events", "Upcalls, by how many events they got.", evdLabels...)
)

var ofEngine = []metric[engine.EngineStats]{
	gauge("evd_engine_workers", "Goroutines that run queued upcalls.", func(s *engine.EngineStats) float64 { return float64(s.Workers) }),
	gauge("evd_engine_evds", "EVDs that are not closed.", func(s *engine.EngineStats) float64 { return float64(s.EVDs) }),
	gauge("evd_engine_pollers", "Pollers of many CQs that are not closed.", func(s *engine.EngineStats) float64 { return float64(s.Pollers) }),
	gauge("evd_engine_queued_runs", "Runs that wait for a worker.", func(s *engine.EngineStats) float64 { return float64(s.Queued) }),
	gauge("evd_engine_queued_runs_max", "The most runs that waited at once.", func(s *engine.EngineStats) float64 { return float64(s.QueuedMost) }),
	counter("evd_engine_runs_total", "Runs that workers took up.", func(s *engine.EngineStats) uint64 { return s.Runs }),
	counter("evd_engine_watchdog_looks_total", "Looks of the watchdog.", func(s *engine.EngineStats) uint64 { return s.Looks }),
}

var ofEVD = append([]metric[engine.Query]{
	gauge("evd_pending_events", "Events that wait, at least.", func(q *engine.Query) float64 { return float64(q.Pending) }, evdLabels...),
	gauge("evd_capacity_events", "Events that the ring holds at least.", func(q *engine.Query) float64 { return float64(q.Capacity) }, evdLabels...),
	gauge("evd_running_upcalls", "Upcalls that run or may begin.", func(q *engine.Query) float64 { return float64(q.Running) }, evdLabels...),
	counter("evd_posted_events_total", "Events accepted from posters.", func(q *engine.Query) uint64 { return q.Stats.Posted }, evdLabels...),
	counter("evd_rejected_posts_total", "Posts refused because the ring was full.", func(q *engine.Query) uint64 { return q.Stats.Rejected }, evdLabels...),
	counter("evd_spilled_events_total", "Of those accepted: went to the list behind a full ring.", func(q *engine.Query) uint64 { return q.Stats.Spilled }, evdLabels...),
	gauge("evd_pending_events_max", "The most events that ring and list held.", func(q *engine.Query) float64 { return float64(q.Stats.HighWater) }, evdLabels...),
	counter("evd_notified_total", "Times that the CNO was told.", func(q *engine.Query) uint64 { return q.Stats.Notified }, evdLabels...),
	counter("evd_raised_events_total", "Connection events and async errors that the engine made.", func(q *engine.Query) uint64 { return q.Stats.Raised }, evdLabels...),
	counter("evd_delivered_events_total", "Events handed to upcalls.", func(q *engine.Query) uint64 { return q.Stats.Delivered }, evdLabels...),
	counter("evd_dequeued_events_total", "Events handed out by Dequeue and Wait.", func(q *engine.Query) uint64 { return q.Stats.Dequeued }, evdLabels...),
	counter("evd_hand_overs_total", "Times that the budget was used up.", func(q *engine.Query) uint64 { return q.Stats.HandOvers }, evdLabels...),
	counter("evd_spun_waits_total", "Waits that got their events while the waiter spun.", func(q *engine.Query) uint64 { return q.Stats.Ends.Spun }, evdLabels...),
	counter("evd_parked_waits_total", "Times that a waiter went to sleep.", func(q *engine.Query) uint64 { return q.Stats.Ends.Parked }, evdLabels...),
	gauge("evd_wait_budget_seconds", "How long a waiter spins now before it sleeps (wait mode adaptive).", func(q *engine.Query) float64 { return q.WaitBudget.Seconds() }, evdLabels...),
	counter("evd_panics_total", "Upcalls that panicked.", func(q *engine.Query) uint64 { return q.Stats.Panics }, evdLabels...),
}, append(
	byReason("evd_runs_total", "What began runs: a post on its own goroutine, a worker, a poller that polls, an event of a CQ.", evdLabels,
		reason[engine.Query]{"direct", func(q *engine.Query) uint64 { return q.Stats.Direct }},
		reason[engine.Query]{"queued", func(q *engine.Query) uint64 { return q.Stats.QueuedRuns }},
		reason[engine.Query]{"polling", func(q *engine.Query) uint64 { return q.Stats.PolledRuns }},
		reason[engine.Query]{"event", func(q *engine.Query) uint64 { return q.Stats.Events - min(q.Stats.Events, q.Stats.Spurious) }},
	),
	byReason("evd_waits_total", "Waits that returned, by why.", evdLabels,
		reason[engine.Query]{"events", func(q *engine.Query) uint64 { return q.Stats.Ends.Events }},
		reason[engine.Query]{"time", func(q *engine.Query) uint64 { return q.Stats.Ends.Time }},
		reason[engine.Query]{"context", func(q *engine.Query) uint64 { return q.Stats.Ends.Context }},
		reason[engine.Query]{"woken", func(q *engine.Query) uint64 { return q.Stats.Ends.Woken }},
		reason[engine.Query]{"unwaitable", func(q *engine.Query) uint64 { return q.Stats.Ends.Unwaitable }},
		reason[engine.Query]{"closed", func(q *engine.Query) uint64 { return q.Stats.Ends.Closed }},
		reason[engine.Query]{"dead", func(q *engine.Query) uint64 { return q.Stats.Ends.Dead }},
	)...)...)

var ofCQ = append([]metric[engine.CQStats]{
	counter("evd_cq_completions_total", "Completions taken from the CQ.", func(s *engine.CQStats) uint64 { return s.Polled }, cqLabels...),
	counter("evd_cq_arms_total", "Successful arms.", func(s *engine.CQStats) uint64 { return s.Arms }, cqLabels...),
	counter("evd_cq_events_total", "One-shot events received.", func(s *engine.CQStats) uint64 { return s.Events }, cqLabels...),
	counter("evd_cq_spurious_events_total", "Events that found the CQ empty.", func(s *engine.CQStats) uint64 { return s.Spurious }, cqLabels...),
	counter("evd_cq_sleeps_total", "Times that the poller went from polling to sleeping.", func(s *engine.CQStats) uint64 { return s.Sleeps }, cqLabels...),
	counter("evd_cq_wakes_total", "Times that it came back.", func(s *engine.CQStats) uint64 { return s.Wakes }, cqLabels...),
	counter("evd_cq_stalls_total", "Times that the ring was full and a completion had to wait.", func(s *engine.CQStats) uint64 { return s.Stalls }, cqLabels...),
	counter("evd_cq_lost_interrupts_total", "Completions that only the watchdog found.", func(s *engine.CQStats) uint64 { return s.LostInterrupts }, cqLabels...),
	gauge("evd_cq_polls", "1 if the CQ is polled without ever sleeping (mode spin), else 0.", func(s *engine.CQStats) float64 {
		if s.Mode == engine.ModeSpin {
			return 1
		}
		return 0
	}, cqLabels...),
	gauge("evd_cq_polling", "1 if the CQ is polled at this moment, 0 if its poller sleeps; mode adaptive goes from one to the other by load.", func(s *engine.CQStats) float64 {
		if s.Polling {
			return 1
		}
		return 0
	}, cqLabels...),
	gauge("evd_cq_budget_seconds", "How long the poller polls now before it sleeps (mode adaptive).", func(s *engine.CQStats) float64 { return s.Budget.Seconds() }, cqLabels...),
}, append(
	byReason("evd_cq_budget_changes_total", "Changes of that: longer, since a completion came soon after the poller slept; shorter, since none came for long.", cqLabels,
		reason[engine.CQStats]{"grown", func(s *engine.CQStats) uint64 { return s.Grown }},
		reason[engine.CQStats]{"shrunk", func(s *engine.CQStats) uint64 { return s.Shrunk }},
	), append(
		byReason("evd_cq_saved_wakeups_total", "Arms that came after a completion which the look behind them found: the consumer's (missed), the poller's on its way to sleep (averted).", cqLabels,
			reason[engine.CQStats]{"missed", func(s *engine.CQStats) uint64 { return s.Missed }},
			reason[engine.CQStats]{"averted", func(s *engine.CQStats) uint64 { return s.Averted }},
		),
		byReason("evd_cq_errors_total", "What failed: an arm, a wait for an event; and tries to arm again.", cqLabels,
			reason[engine.CQStats]{"arm", func(s *engine.CQStats) uint64 { return s.ArmErrors }},
			reason[engine.CQStats]{"wait", func(s *engine.CQStats) uint64 { return s.WaitErrs }},
			reason[engine.CQStats]{"retry", func(s *engine.CQStats) uint64 { return s.Retries }},
		)...)...)...)

var ofShared = []metric[engine.SharedStats]{
	counter("evd_shared_unrouted_completions_total", "Completions of QP numbers that nobody had joined with.", func(s *engine.SharedStats) uint64 { return s.Unrouted }, sharedLabels...),
	gauge("evd_shared_queue_pairs", "QP numbers that EVDs have joined with.", func(s *engine.SharedStats) float64 { return float64(s.QPs) }, sharedLabels...),
	gauge("evd_shared_reserved_completions", "Places of the CQ that are reserved for them.", func(s *engine.SharedStats) float64 { return float64(s.Reserved) }, sharedLabels...),
}

var ofPoller = []metric[engine.PollerStats]{
	gauge("evd_poller_members", "CQs that the poller waits for.", func(s *engine.PollerStats) float64 { return float64(s.Members) }, pollerLabels...),
	gauge("evd_poller_active_members", "Of them: polled now.", func(s *engine.PollerStats) float64 { return float64(s.Active) }, pollerLabels...),
	gauge("evd_poller_late_members", "Of them: back off, since an arm or a wait has failed.", func(s *engine.PollerStats) float64 { return float64(s.Late) }, pollerLabels...),
	counter("evd_poller_arms_total", "Successful arms of CQs.", func(s *engine.PollerStats) uint64 { return s.Arms }, pollerLabels...),
	counter("evd_poller_events_total", "One-shot events received.", func(s *engine.PollerStats) uint64 { return s.Events }, pollerLabels...),
	counter("evd_poller_visits_total", "Members looked after since they were told of.", func(s *engine.PollerStats) uint64 { return s.Visits }, pollerLabels...),
	counter("evd_poller_passes_total", "Rounds over the active members.", func(s *engine.PollerStats) uint64 { return s.Passes }, pollerLabels...),
	counter("evd_poller_arm_errors_total", "Failed arms.", func(s *engine.PollerStats) uint64 { return s.ArmErrors }, pollerLabels...),
	counter("evd_poller_errors_total", "Failed sleeps, and failed attempts to go to the poller's CPU.", func(s *engine.PollerStats) uint64 { return s.Errors }, pollerLabels...),
	counter("evd_poller_sleeps_total", "Times that the goroutine went to sleep.", func(s *engine.PollerStats) uint64 { return s.Sleeps }, pollerLabels...),
	counter("evd_poller_wakes_total", "Times that it woke up.", func(s *engine.PollerStats) uint64 { return s.Wakes }, pollerLabels...),
	counter("evd_poller_calls_total", "Wake-ups by who had something for it, or a timer; the others were by descriptors.", func(s *engine.PollerStats) uint64 { return s.Calls }, pollerLabels...),
}
