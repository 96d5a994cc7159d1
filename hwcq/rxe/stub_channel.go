//go:build !linux || !(amd64 || arm64)

package rxe

import "github.com/evdengine/evd/hwcq"

// Channel is a completion channel that several CQs share. It exists on Linux only.
type Channel struct{}

func (d *Device) OpenChannel() (*Channel, error)   { return nil, errPlatform }
func (c *Channel) Stray() uint64                   { return 0 }
func (c *Channel) Close() error                    { return nil }
func (q *CQ) NotifyAsync(fn func(hwcq.AsyncEvent)) {}
