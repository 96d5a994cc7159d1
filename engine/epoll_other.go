//go:build !linux

package engine

import "fmt"

// epoll does not exist here: sources that tell by a descriptor are refused.
type epoll struct{}

func newEpoll() (*epoll, error) {
	return nil, fmt.Errorf("%w: a source that tells by a descriptor needs Linux", ErrNotSupported)
}

func (*epoll) add(int, *member) error   { return ErrNotSupported }
func (*epoll) del(int, *member)         {}
func (*epoll) look(func(*member)) error { return ErrNotSupported }
func (*epoll) wait(func(*member)) error { return ErrNotSupported }
func (*epoll) wake()                    {}
func (*epoll) close() error             { return nil }
