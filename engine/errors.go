package engine

import (
	"errors"
	"os"

	"github.com/evdengine/evd/internal/param"
)

// Errors of this package. Test with errors.Is.
var (
	// ErrClosed is returned by every operation on a closed Engine or EVD.
	ErrClosed = os.ErrClosed

	// ErrEventsPending is the refusal to enable upcalls while an event is
	// pending in the ring, in flight, or on one of the EVD's CQs. Nothing
	// changed: dequeue the events and enable again.
	ErrEventsPending = errors.New("engine: events pending")

	// ErrFull is returned by Post and PostCM when the ring has no room, nor the list
	// behind it if there is one (OverflowSpill). The event was not queued.
	ErrFull = errors.New("engine: EVD full")

	// ErrBusy is returned by Dequeue when there is nothing to hand out but
	// the EVD may not be empty either: another consumer is taking at this moment,
	// or a producer has reserved a slot and not committed it yet. Try again.
	// ModifyUpcall returns it when an upcall function is to be replaced while
	// upcalls are enabled or running, NewEVD and NewSharedCQ for a CQ that feeds
	// something already, NewEndpoint, Join and Reserve for a QP number that is taken, closing a shared
	// CQ that EVDs have joined, and closing or resizing the async EVD; ModifyCNO
	// while an upcall still runs, Resize to less and Wait while a run has an exclusive
	// EVD to itself, closing a CNO that is in use, and a CNOWaiter that
	// another goroutine is using.
	ErrBusy = errors.New("engine: busy")

	// ErrTooSmall is the refusal of Resize to make an EVD smaller than what it
	// holds, or than what is reserved in it. Nothing changed.
	ErrTooSmall = errors.New("engine: more events pending than would fit")

	// ErrCredits is matched by the error for more credits than there are places.
	ErrCredits = errors.New("engine: too many credits")

	// ErrNoCredit is returned by Acquire when fewer credits are free.
	ErrNoCredit = errors.New("engine: no credit")

	// ErrCreditsRequired is matched by the error for joining a shared CQ without
	// credits.
	ErrCreditsRequired = errors.New("engine: a shared CQ is joined with credits only")

	// ErrStream is returned for an event or a CQ of a stream that the EVD was
	// not created with.
	ErrStream = errors.New("engine: stream not fed to this EVD")

	// ErrUpcallOver is returned by the methods of an Upcall handle whose
	// upcall has returned.
	ErrUpcallOver = errors.New("engine: upcall has returned")

	// ErrInUpcall is returned for a Teardown from inside the upcall. Upcalls are
	// disabled all the same.
	ErrInUpcall = errors.New("engine: called from inside the upcall")

	// ErrSuperseded is returned by Teardown when somebody enabled upcalls while
	// it waited.
	ErrSuperseded = errors.New("engine: superseded by a later change of policy")

	// ErrWaiter is returned while a waiter has the EVD to himself: by a second
	// Wait, by Dequeue, and by what would enable upcalls.
	ErrWaiter = errors.New("engine: a waiter has the EVD")

	// ErrEnabled is returned by Wait and ModifyCNO while upcalls are enabled.
	ErrEnabled = errors.New("engine: upcalls are enabled")

	// ErrOnCNO is returned by Wait and by what would enable upcalls, or replace
	// their function, while the EVD is on a CNO.
	ErrOnCNO = errors.New("engine: the EVD is on a CNO")

	// ErrExclusive is matched by the refusal of what an exclusive EVD cannot have: a
	// CNO, a shared CQ, another enabling policy than SingleInstance.
	ErrExclusive = errors.New("engine: the EVD is exclusive")

	// ErrNotOwner is returned by CNOWaiter.Done for an EVD that the waiter does not
	// have, or not any more.
	ErrNotOwner = errors.New("engine: the waiter does not have this EVD")

	// ErrNotSupported is matched by the error of what this system does not have.
	ErrNotSupported = errors.ErrUnsupported

	// ErrUnwaitable is returned by Wait on an EVD that was set unwaitable,
	// before or meanwhile.
	ErrUnwaitable = errors.New("engine: EVD is unwaitable")

	// ErrWoken is returned by Wait when Wake was called.
	ErrWoken = errors.New("engine: woken without an event")

	// ErrThreshold is matched by the error for a threshold that can never be
	// reached, or is none.
	ErrThreshold = errors.New("engine: bad threshold")

	// ErrMerge is matched by the error for streams that may not feed one EVD
	// together.
	ErrMerge = errors.New("engine: streams do not merge")

	// ErrNilHandle is matched by the error for a nil or zero handle.
	ErrNilHandle = errors.New("engine: nil handle")

	// ErrForeign is matched by the error for a handle of another engine.
	ErrForeign = errors.New("engine: handle of another engine")

	// ErrInvalid is matched by every error about a bad argument. The message
	// names the parameter, its value and what is allowed.
	ErrInvalid = param.ErrInvalid
)

// ParamError is the type of the errors that match ErrInvalid.
type ParamError = param.Error

func nilHandle(op, name string) error {
	return param.Wrong(ErrNilHandle, op, name, "nil", "what its constructor returned")
}
