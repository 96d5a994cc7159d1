package prometheus

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
)

// filled is a T in which every number is another one.
func filled[T any]() *T {
	n := int64(0)
	var fill func(reflect.Value)
	fill = func(v reflect.Value) {
		n++
		switch {
		case v.CanUint() && v.Kind() != reflect.Uint8:
			v.SetUint(uint64(n))
		case v.CanInt():
			v.SetInt(n)
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		}
	}
	v := new(T)
	fill(reflect.ValueOf(v).Elem())
	return v
}

// field is the number of a field of filled.
func field(v any, path string) float64 {
	f := reflect.ValueOf(v).Elem()
	for _, name := range strings.Split(path, ".") {
		f = f.FieldByName(name)
	}
	if f.CanUint() {
		return float64(f.Uint())
	}
	return float64(f.Int())
}

// check holds metrics to what they are to tell: name, or name and reason, and field.
func check[T any](t *testing.T, metrics []metric[T], want map[string]string) {
	t.Helper()
	v := filled[T]()
	for _, m := range metrics {
		_, name, _ := strings.Cut(m.desc.String(), `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		if m.reason != "" {
			name += " " + m.reason
		}
		require.Contains(t, want, name)
		if path := want[name]; path != "" { // "": another test has it
			require.InDelta(t, field(v, path), m.value(v), 0, name)
		}
		delete(want, name)
	}
	require.Empty(t, want)
}

func TestMetricsTellTheirCounter(t *testing.T) {
	check(t, ofEngine, map[string]string{
		"evd_engine_workers": "Workers", "evd_engine_evds": "EVDs", "evd_engine_queued_runs": "Queued",
		"evd_engine_queued_runs_max": "QueuedMost", "evd_engine_runs_total": "Runs", "evd_engine_watchdog_looks_total": "Looks",
		"evd_engine_pollers": "Pollers",
	})
	check(t, ofEVD, map[string]string{
		"evd_pending_events": "Pending", "evd_capacity_events": "Capacity", "evd_running_upcalls": "Running",
		"evd_posted_events_total": "Stats.Posted", "evd_rejected_posts_total": "Stats.Rejected", "evd_spilled_events_total": "Stats.Spilled",
		"evd_pending_events_max": "Stats.HighWater", "evd_notified_total": "Stats.Notified", "evd_raised_events_total": "Stats.Raised",
		"evd_delivered_events_total": "Stats.Delivered", "evd_dequeued_events_total": "Stats.Dequeued",
		"evd_hand_overs_total": "Stats.HandOvers", "evd_panics_total": "Stats.Panics",
		"evd_runs_total direct": "Stats.Direct", "evd_runs_total queued": "Stats.QueuedRuns", "evd_runs_total polling": "Stats.PolledRuns",
		"evd_runs_total event": "", "evd_waits_total events": "Stats.Ends.Events", "evd_waits_total time": "Stats.Ends.Time",
		"evd_waits_total context": "Stats.Ends.Context", "evd_waits_total woken": "Stats.Ends.Woken",
		"evd_waits_total unwaitable": "Stats.Ends.Unwaitable", "evd_waits_total closed": "Stats.Ends.Closed", "evd_waits_total dead": "Stats.Ends.Dead",
		"evd_spun_waits_total": "Stats.Ends.Spun", "evd_parked_waits_total": "Stats.Ends.Parked", "evd_wait_budget_seconds": "",
	})
	check(t, ofCQ, map[string]string{
		"evd_cq_completions_total": "Polled", "evd_cq_arms_total": "Arms", "evd_cq_events_total": "Events",
		"evd_cq_spurious_events_total": "Spurious", "evd_cq_sleeps_total": "Sleeps", "evd_cq_wakes_total": "Wakes",
		"evd_cq_stalls_total": "Stalls", "evd_cq_lost_interrupts_total": "LostInterrupts", "evd_cq_polls": "",
		"evd_cq_polling": "", "evd_cq_budget_seconds": "", "evd_cq_budget_changes_total grown": "Grown", "evd_cq_budget_changes_total shrunk": "Shrunk",
		"evd_cq_saved_wakeups_total missed": "Missed", "evd_cq_saved_wakeups_total averted": "Averted",
		"evd_cq_errors_total arm": "ArmErrors", "evd_cq_errors_total wait": "WaitErrs", "evd_cq_errors_total retry": "Retries",
	})
	check(t, ofShared, map[string]string{
		"evd_shared_unrouted_completions_total": "Unrouted", "evd_shared_queue_pairs": "QPs", "evd_shared_reserved_completions": "Reserved",
	})
	check(t, ofPoller, map[string]string{
		"evd_poller_members": "Members", "evd_poller_active_members": "Active", "evd_poller_late_members": "Late",
		"evd_poller_arms_total": "Arms", "evd_poller_arm_errors_total": "ArmErrors", "evd_poller_events_total": "Events",
		"evd_poller_visits_total": "Visits", "evd_poller_passes_total": "Passes", "evd_poller_sleeps_total": "Sleeps",
		"evd_poller_wakes_total": "Wakes", "evd_poller_calls_total": "Calls", "evd_poller_errors_total": "Errors",
	})
}

// Runs that an event of a CQ began: not those in which there was nothing.
func TestEventRuns(t *testing.T) {
	for _, m := range ofEVD {
		if m.reason == "event" {
			require.InDelta(t, 5, m.value(&engine.Query{Stats: engine.Stats{Events: 7, Spurious: 2}}), 0)
			require.Zero(t, m.value(&engine.Query{Stats: engine.Stats{Events: 1, Spurious: 2}}), "read one after the other")
			return
		}
	}
	require.Fail(t, "no such series")
}

// What a poller and a waiter decide by load is told in the units of the system.
func TestAdaptive(t *testing.T) {
	told := 0
	for _, m := range ofCQ {
		switch {
		case strings.Contains(m.desc.String(), `"evd_cq_polling"`):
			require.InDelta(t, 1, m.value(&engine.CQStats{Polling: true}), 0)
			require.Zero(t, m.value(&engine.CQStats{}))
			told++
		case strings.Contains(m.desc.String(), `"evd_cq_budget_seconds"`):
			require.InDelta(t, 250e-6, m.value(&engine.CQStats{Budget: 250 * time.Microsecond}), 1e-12)
			told++
		}
	}
	for _, m := range ofEVD {
		if strings.Contains(m.desc.String(), `"evd_wait_budget_seconds"`) {
			require.InDelta(t, 40e-6, m.value(&engine.Query{WaitBudget: 40 * time.Microsecond}), 1e-12)
			told++
		}
	}
	require.Equal(t, 3, told)
}
