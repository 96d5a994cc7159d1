//go:build !linux || !(amd64 || arm64)

package rxe

import (
	"fmt"
	"net/netip"
	"runtime"

	"github.com/evdengine/evd/hwcq"
)

var errPlatform = fmt.Errorf("rxe: not supported on this platform (%s/%s): %w", runtime.GOOS, runtime.GOARCH, hwcq.ErrNotSupported)

// Device is an open rxe device. It exists on Linux only; see [Open].
type Device struct{}

// CQ is a completion queue of a Device. It exists on Linux only.
type CQ struct{}

// PD is a protection domain. It exists on Linux only.
type PD struct{}

// QP is a queue pair. It exists on Linux only.
type QP struct{}

// SRQ is a shared receive queue. It exists on Linux only.
type SRQ struct{}

// MW is a memory window. It exists on Linux only.
type MW struct{}

// AH is an address handle. It exists on Linux only.
type AH struct{}

// MR is a registered memory region. It exists on Linux only.
type MR struct{}

// Buffer is memory for a device. It exists on Linux only.
type Buffer struct{}

var (
	_ hwcq.CQ      = (*CQ)(nil)
	_ hwcq.Resizer = (*CQ)(nil)
)

// Devices returns an error matching [hwcq.ErrNotSupported].
func Devices() ([]DeviceInfo, error) { return nil, errPlatform }

// Open returns an error matching [hwcq.ErrNotSupported].
func Open(Config) (*Device, error) { return nil, errPlatform }

// OpenBuffer returns an error matching [hwcq.ErrNotSupported].
func OpenBuffer(size int) (*Buffer, error) { return nil, errPlatform }

// ConnectPair returns an error matching [hwcq.ErrNotSupported].
func ConnectPair(a, b *QP, c ConnectConfig) error { return errPlatform }

// The methods below are never reached: nothing here returns an object. They
// keep programs that use the package compiling.

func (d *Device) Info() DeviceInfo                              { return DeviceInfo{} }
func (d *Device) NumCompVectors() int                           { return 0 }
func (d *Device) QueryDevice() (DeviceAttr, error)              { return DeviceAttr{}, errPlatform }
func (d *Device) QueryPort() (PortAttr, error)                  { return PortAttr{}, errPlatform }
func (d *Device) GIDs() ([]GIDEntry, error)                     { return nil, errPlatform }
func (d *Device) DefaultGID() (GIDEntry, error)                 { return GIDEntry{}, errPlatform }
func (d *Device) GIDByIndex(i int) (GIDEntry, error)            { return GIDEntry{}, errPlatform }
func (d *Device) GIDByAddr(a netip.Addr) (GIDEntry, error)      { return GIDEntry{}, errPlatform }
func (d *Device) GIDByInterface(name string) (GIDEntry, error)  { return GIDEntry{}, errPlatform }
func (d *Device) OpenPD() (*PD, error)                          { return nil, errPlatform }
func (d *Device) OpenCQ(c CQConfig) (*CQ, error)                { return nil, errPlatform }
func (d *Device) Close() error                                  { return nil }
func (p *PD) OpenQP(c QPConfig) (*QP, error)                    { return nil, errPlatform }
func (p *PD) Reg(b *Buffer, access Access) (*MR, error)         { return nil, errPlatform }
func (p *PD) Close() error                                      { return nil }
func (p *PD) OpenMW() (*MW, error)                              { return nil, errPlatform }
func (p *PD) OpenAH(c AHConfig) (*AH, error)                    { return nil, errPlatform }
func (p *PD) OpenSRQ(c SRQConfig) (*SRQ, error)                 { return nil, errPlatform }
func (s *SRQ) PostRecv(wr *RecvWR) error                        { return errPlatform }
func (s *SRQ) PostRecvs(wrs []RecvWR) (int, error)              { return 0, errPlatform }
func (s *SRQ) Depth() int                                       { return 0 }
func (s *SRQ) SetLimit(n int) error                             { return errPlatform }
func (s *SRQ) Resize(depth int) error                           { return errPlatform }
func (s *SRQ) Query() (SRQAttr, error)                          { return SRQAttr{}, errPlatform }
func (s *SRQ) Close() error                                     { return nil }
func (m *MW) RKey() uint32                                      { return 0 }
func (m *MW) Close() error                                      { return nil }
func (a *AH) Close() error                                      { return nil }
func (p *PD) RegBytes(b []byte, a Access) (*MR, error)          { return nil, errPlatform }
func (m *MR) Piece(off, length int) (SGE, error)                { return SGE{}, errPlatform }
func (m *MR) LKey() uint32                                      { return 0 }
func (m *MR) RKey() uint32                                      { return 0 }
func (m *MR) Addr() uint64                                      { return 0 }
func (m *MR) Len() int                                          { return 0 }
func (m *MR) SGE(off, length int) SGE                           { return SGE{} }
func (m *MR) Close() error                                      { return nil }
func (b *Buffer) Bytes() []byte                                 { return nil }
func (b *Buffer) Close() error                                  { return nil }
func (q *QP) Num() uint32                                       { return 0 }
func (q *QP) SendDepth() int                                    { return 0 }
func (q *QP) RecvDepth() int                                    { return 0 }
func (q *QP) MaxInline() int                                    { return 0 }
func (q *QP) Dest() (Dest, error)                               { return Dest{}, errPlatform }
func (q *QP) Connect(remote Dest, c ConnectConfig) error        { return errPlatform }
func (q *QP) Transport() Transport                              { return RC }
func (q *QP) Init() error                                       { return errPlatform }
func (q *QP) Reset() error                                      { return errPlatform }
func (q *QP) Drain() error                                      { return errPlatform }
func (q *QP) Resume() error                                     { return errPlatform }
func (q *QP) ReadyToReceive(remote Dest, c ConnectConfig) error { return errPlatform }
func (q *QP) ReadyToSend(c ConnectConfig) error                 { return errPlatform }
func (q *QP) SetError() error                                   { return errPlatform }
func (q *QP) State() State                                      { return StateReset }
func (q *QP) Query() (QPAttr, error)                            { return QPAttr{}, errPlatform }
func (q *QP) PostSend(wr *SendWR) error                         { return errPlatform }
func (q *QP) PostSends(wrs []SendWR) (int, error)               { return 0, errPlatform }
func (q *QP) PostRecv(wr *RecvWR) error                         { return errPlatform }
func (q *QP) PostRecvs(wrs []RecvWR) (int, error)               { return 0, errPlatform }
func (q *QP) Close() error                                      { return nil }
func (q *QP) ApplyCM(a *CMAttr) error                           { return errPlatform }
func (q *QP) DestFor(c ConnectConfig) (Dest, error)             { return Dest{}, errPlatform }
func (q *QP) Device() *Device                                   { return nil }
func (q *CQ) Poll(dst []hwcq.WC) int                            { return 0 }
func (q *CQ) Pending() bool                                     { return false }
func (q *CQ) Arm(solicitedOnly bool) (bool, error)              { return false, errPlatform }
func (q *CQ) Events() hwcq.EventSource                          { return noEvents{} }
func (q *CQ) Capabilities() hwcq.Capabilities                   { return hwcq.Capabilities{Driver: "rxe"} }
func (q *CQ) WaitMethod() WaitMethod                            { return WaitAuto }
func (q *CQ) Resize(depth int) error                            { return errPlatform }
func (q *CQ) Overruns() uint64                                  { return 0 }
func (q *CQ) Close() error                                      { return nil }

type noEvents struct{}

func (noEvents) Wait() (bool, error)    { return false, errPlatform }
func (noEvents) TryWait() (bool, error) { return false, errPlatform }
func (noEvents) Wake()                  {}
