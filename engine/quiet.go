package engine

import (
	"context"
	"fmt"
)

// Teardown disables upcalls and returns when none runs any more: what the
// upcall uses may be freed then (DAT_UPCALL_TEARDOWN). Events go on collecting.
//
// Errors: ErrSuperseded if somebody enables upcalls while it waits; ctx's error
// if ctx ends first (upcalls stay disabled); ErrClosed. Do not call it from the
// EVD's own upcall, it would wait for itself: there, use Upcall.ModifyUpcall,
// which says so (ErrInUpcall).
//
// An EVD on a CNO has no upcalls, so there is nothing to wait for; it stays there.
//
// Concurrency: from any goroutine; several wait together.
func (d *EVD) Teardown(ctx context.Context) (err error) {
	const op = "engine: Teardown"
	if err := d.valid(op); err != nil {
		return err
	}
	if ctx == nil {
		return nilHandle(op, "ctx")
	}
	if d.e.tracing&TraceAPI != 0 {
		defer func() { d.e.traceAPI(err, "evd_modify_upcall", "evd", d, "upcall_policy", Teardown) }()
	}
	return d.teardown(ctx, op)
}

func (d *EVD) teardown(ctx context.Context, op string) error {
	gen, err := d.disable(op)
	if err != nil {
		return err
	}
	if err := d.e.waitQuiet(ctx, &d.machine, func(s word) (bool, error) {
		if s&bCNO != 0 {
			return true, nil // no upcall runs there, and the slot is not one's
		}
		if s.gen() != gen && s&bCLOSE == 0 {
			return true, ErrSuperseded
		}
		return s.run() == 0, nil
	}); err != nil {
		return fmt.Errorf("%s: EVD %q: %w", op, d.name, err)
	}
	return nil
}

// wakeQuiet wakes the sleepers of waitQuiet, who look again.
func (e *Engine) wakeQuiet() {
	// Under the lock: a sleeper between his compare-and-swap and Wait has it,
	// and hears a broadcast only once he waits.
	e.quietMu.Lock()
	defer e.quietMu.Unlock()
	e.quietCond.Broadcast()
}

// noRun and noUse are what waitQuiet may wait for.
func noRun(s word) (bool, error) { return s.run() == 0, nil }
func noUse(s word) (bool, error) { return s.run() == 0 && s&bTAKE == 0, nil }

// waitQuiet is transition [Q1]: it sleeps until over says so of m's word, or
// ctx ends. What makes over say yes must wake: the quiet rule, or enabling.
func (e *Engine) waitQuiet(ctx context.Context, m *machine, over func(word) (bool, error)) error {
	var stop func() bool
	for {
		s := m.load()
		if yes, err := over(s); yes {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err // a QUIET bit left behind costs one broadcast
		}
		if stop == nil && ctx.Done() != nil {
			stop = context.AfterFunc(ctx, e.wakeQuiet)
			defer stop()
		}
		e.quietMu.Lock()
		// [Q1] QUIET goes up in exactly the word that was not quiet: the one
		// that makes it quiet will see it.
		// The context is looked at again under the lock: its end broadcasts
		// under the lock too, so it comes before this look or after Wait.
		if ctx.Err() == nil && m.word.CompareAndSwap(uint64(s), uint64(s|bQUIET)) {
			e.quietCond.Wait()
		}
		e.quietMu.Unlock()
	}
}
