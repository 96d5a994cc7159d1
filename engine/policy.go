package engine

import (
	"fmt"

	"github.com/evdengine/evd/internal/param"
)

// Policy says when an EVD's upcall is called. The values are those of
// DAT_UPCALL_POLICY (kdat.h, DAT 2.0); those above Many are ManyLimit's.
type Policy int

const (
	// Teardown: no upcalls, and the call that sets it returns only when none
	// runs any more. As a state it is Disable.
	Teardown Policy = -1
	// Disable: no upcalls. Events collect; dequeue them.
	Disable Policy = 0
	// SingleInstance: one upcall at a time, for as long as events come.
	SingleInstance Policy = 1
	// NotificationOnly: one upcall at a time, without events: the consumer
	// dequeues, in the upcall or elsewhere. It is called again and again while
	// something is pending.
	NotificationOnly Policy = 2
	// Many: as many upcalls at a time as the engine has workers
	// (Config.Workers), with different events. They run on workers, whatever
	// the EVD's Dispatch. Events are begun in order, but which upcall is done
	// first is anybody's guess.
	Many Policy = 100
)

// MaxInstances is the most that ManyLimit can be asked for.
const MaxInstances = 1024

// ManyLimit is Many with at most n upcalls at a time, 1..MaxInstances. The
// engine has at least n workers from then on.
func ManyLimit(n int) Policy { return Many + Policy(n) }

func (p Policy) String() string {
	switch {
	case p == Teardown:
		return "teardown"
	case p == Disable:
		return "disable"
	case p == SingleInstance:
		return "single_instance"
	case p == NotificationOnly:
		return "notification_only"
	case p == Many:
		return "many"
	case p > Many && p <= Many+MaxInstances:
		return fmt.Sprintf("many(%d)", int(p-Many))
	}
	return fmt.Sprintf("policy(%d)", int(p))
}

// level is the policy as it stands in the state word.
func (e *Engine) level(p Policy) level {
	switch {
	case p == SingleInstance:
		return 1 << limShift
	case p == NotificationOnly:
		return 1<<limShift | level(bNOTE)
	case p == Many:
		return level(e.cfg.Workers) << limShift
	case p > Many:
		return level(p-Many) << limShift
	}
	return levelDisabled
}

// policyOf is the policy that a level stands for.
func policyOf(l level) Policy {
	switch {
	case l == levelDisabled, word(l)&bCNO != 0:
		return Disable
	case word(l)&bNOTE != 0:
		return NotificationOnly
	case l.lim() == 1:
		return SingleInstance
	}
	return ManyLimit(int(l.lim()))
}

func (p Policy) check(op string) error {
	switch {
	case p >= Teardown && p <= NotificationOnly, p >= Many && p <= Many+MaxInstances:
		return nil
	}
	return param.Invalid(op, "policy", p, fmt.Sprintf("Disable, SingleInstance, NotificationOnly, Many, ManyLimit(1..%d) or Teardown", MaxInstances))
}
