//go:build !verbs || !cgo || !linux

package verbs

import (
	"fmt"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

var errBuild = fmt.Errorf("verbs: %w: this program was built without libibverbs: build it with -tags verbs, on Linux, with cgo (Debian: gcc, libibverbs-dev)", hwcq.ErrNotSupported)

// Available tells whether this build has libibverbs.
const Available = false

// Device is an open RDMA device. It exists in builds with the tag verbs only.
type Device struct{}

// CQ is a completion queue of a Device. It exists in builds with the tag verbs only.
type CQ struct{}

// PD is a protection domain. It exists in builds with the tag verbs only.
type PD struct{}

// QP is a queue pair. It exists in builds with the tag verbs only.
type QP struct{}

// MR is a registered memory region. It exists in builds with the tag verbs only.
type MR struct{}

// Buffer is memory for a device. It exists in builds with the tag verbs only.
type Buffer struct{}

var _ hwcq.CQ = (*CQ)(nil)

// Devices returns an error matching [hwcq.ErrNotSupported].
func Devices() ([]DeviceInfo, error) { return nil, errBuild }

// Open returns an error matching [hwcq.ErrNotSupported].
func Open(Config) (*Device, error) { return nil, errBuild }

// OpenBuffer returns an error matching [hwcq.ErrNotSupported].
func OpenBuffer(size int) (*Buffer, error) { return nil, errBuild }

// ConnectPair returns an error matching [hwcq.ErrNotSupported].
func ConnectPair(a, b *QP, c rxe.ConnectConfig) error { return errBuild }

// The methods below are never reached: nothing here returns an object. They
// keep programs that use the package compiling.

func (d *Device) Info() DeviceInfo                     { return DeviceInfo{} }
func (d *Device) NumCompVectors() int                  { return 0 }
func (d *Device) QueryDevice() (rxe.DeviceAttr, error) { return rxe.DeviceAttr{}, errBuild }

func (d *Device) QueryPort() (rxe.PortAttr, error)                 { return rxe.PortAttr{}, errBuild }
func (d *Device) GIDs() ([]rxe.GIDEntry, error)                    { return nil, errBuild }
func (d *Device) DefaultGID() (rxe.GIDEntry, error)                { return rxe.GIDEntry{}, errBuild }
func (d *Device) OpenPD() (*PD, error)                             { return nil, errBuild }
func (d *Device) OpenCQ(c CQConfig) (*CQ, error)                   { return nil, errBuild }
func (d *Device) Close() error                                     { return nil }
func (p *PD) OpenQP(c QPConfig) (*QP, error)                       { return nil, errBuild }
func (p *PD) Reg(b *Buffer, access rxe.Access) (*MR, error)        { return nil, errBuild }
func (p *PD) RegBytes(b []byte, access rxe.Access) (*MR, error)    { return nil, errBuild }
func (p *PD) Close() error                                         { return nil }
func (m *MR) LKey() uint32                                         { return 0 }
func (m *MR) RKey() uint32                                         { return 0 }
func (m *MR) Addr() uint64                                         { return 0 }
func (m *MR) Len() int                                             { return 0 }
func (m *MR) SGE(off, length int) rxe.SGE                          { return rxe.SGE{} }
func (m *MR) Close() error                                         { return nil }
func (b *Buffer) Bytes() []byte                                    { return nil }
func (b *Buffer) Close() error                                     { return nil }
func (q *QP) Num() uint32                                          { return 0 }
func (q *QP) SendDepth() int                                       { return 0 }
func (q *QP) RecvDepth() int                                       { return 0 }
func (q *QP) MaxInline() int                                       { return 0 }
func (q *QP) DestFor(c rxe.ConnectConfig) (rxe.Dest, error)        { return rxe.Dest{}, errBuild }
func (q *QP) Dest() (rxe.Dest, error)                              { return rxe.Dest{}, errBuild }
func (q *QP) Connect(remote rxe.Dest, c rxe.ConnectConfig) error   { return errBuild }
func (q *QP) SetError() error                                      { return errBuild }
func (q *QP) State() rxe.State                                     { return rxe.StateReset }
func (q *QP) Query() (rxe.QPAttr, error)                           { return rxe.QPAttr{}, errBuild }
func (q *QP) PostSend(wr *rxe.SendWR) error                        { return errBuild }
func (q *QP) PostSends(wrs []rxe.SendWR) (int, error)              { return 0, errBuild }
func (q *QP) PostRecv(wr *rxe.RecvWR) error                        { return errBuild }
func (q *QP) PostRecvs(wrs []rxe.RecvWR) (int, error)              { return 0, errBuild }
func (q *QP) Close() error                                         { return nil }
func (q *CQ) Poll(dst []hwcq.WC) int                               { return 0 }
func (q *CQ) Pending() bool                                        { return false }
func (q *CQ) Arm(solicitedOnly bool) (bool, error)                 { return false, errBuild }
func (q *CQ) PollOrArm(dst []hwcq.WC, solicited bool) (int, error) { return 0, errBuild }
func (q *CQ) Events() hwcq.EventSource                             { return noEvents{} }
func (q *CQ) Capabilities() hwcq.Capabilities                      { return hwcq.Capabilities{Driver: "verbs"} }
func (q *CQ) WaitMethod() rxe.WaitMethod                           { return rxe.WaitAuto }
func (q *CQ) Extended() bool                                       { return false }
func (q *CQ) NotifyAsync(fn func(hwcq.AsyncEvent))                 {}
func (q *CQ) Overruns() uint64                                     { return 0 }
func (q *CQ) Close() error                                         { return nil }

type noEvents struct{}

func (noEvents) Wait() (bool, error)    { return false, errBuild }
func (noEvents) TryWait() (bool, error) { return false, errBuild }
func (noEvents) Wake()                  {}
