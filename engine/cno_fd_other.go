//go:build !linux

package engine

// eventFD is nothing here: nobody can make one, so there is nothing to raise.
type eventFD struct{}

func (f *eventFD) make(bool) error { return ErrNotSupported }
func (f *eventFD) number() int     { return -1 }
func (f *eventFD) raise()          {}
func (f *eventFD) lower()          {}
func (f *eventFD) close()          {}
