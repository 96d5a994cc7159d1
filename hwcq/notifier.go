package hwcq

// Notifier is implemented by event sources that one goroutine can wait for
// together with many others: instead of blocking in Wait it is told when to call
// TryWait.
type Notifier interface {
	// Notify has the caller told, from now on, whenever Wait would have returned: of
	// each event that arrives, each Wake, the CQ's Close, and that its device is gone.
	// fn is called then, after it has become visible to TryWait; or, where the kernel
	// tells, the descriptor fd becomes readable. A source may use both. fd is -1 if
	// there is none.
	//
	// What is there already is not told of: call TryWait once after Notify. Several
	// occurrences may be told of at once, so call it until there is no event, or until
	// fd is not readable. A TryWait that finds no event leaves fd unreadable until
	// something new comes.
	//
	// fn runs on the goroutine of whoever caused it, under his locks: it must not
	// block, nor call the CQ. The descriptor stays the source's: it is not to be read
	// nor closed, and is not to be waited for after the CQ was closed.
	//
	// Notify(nil) ends it; a call of fn that has begun may still be under way.
	// While it lasts nobody may be in Wait. TryWait stays with one goroutine at a time.
	// Errors: ErrNotSupported where this source can only be waited for alone,
	// ErrClosed.
	// Concurrency: one Notify at a time; beside everything else.
	Notify(fn func()) (fd int, err error)
}
