//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Body lengths are what the kernel's structures have: it checks the total.
func TestCommandLengths(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		want int
	}{
		"query port": {encQueryPort(1), 16},
		"reg mr":     {encRegMR(1, 2, 3, 4), 40},
		"create cq":  {encCreateCQ(1, 2, 3, -1), 32},
		"create qp":  {encCreateQP(1, 2, 3, 4, QPConfig{}), 56},
		"modify qp":  {(&qpModify{}).encode(), 112},
		"query qp":   {words(resp, 1, 2), 16},
		"destroy cq": {words(resp, 1, 0), 16},
		"create ah":  {encCreateAH(1, pathAttr{}), 56},
		"destroy qp": {words(resp, 1, 0), 16},
	} {
		require.Len(t, c.body, c.want, name)
	}
}

func TestHotCommands(t *testing.T) {
	b := make([]byte, 64)
	require.Equal(t, armLen, hotCommand(b, cmdReqNotifyCQ, words(nil, 0x55, 1), 0))
	require.Equal(t, []byte{23, 0, 0, 0, 4, 0, 0, 0, 0x55, 0, 0, 0, 1, 0, 0, 0}, b[:16])
	n := hotCommand(b, cmdPostSend, words([]uint64{0xabcd}, 0x66, 0, 0, sendWRSize), 1)
	require.Equal(t, doorbellLen, n)
	require.Equal(t, []byte{28, 0, 0, 0, 8, 0, 1, 0, 0xcd, 0xab}, b[:10])
	require.EqualValues(t, 0x66, le.Uint32(b[16:]))
	require.EqualValues(t, 56, le.Uint32(b[28:]))
}

func TestEncode(t *testing.T) {
	require.Equal(t, words([]uint64{0, 0x1000, 0x2000, 0x1000}, 3, 7), encRegMR(0x1000, 0x2000, 3, 7), "hca_va is the address")
	b := encCreateCQ(0x55, 7, 1, -1)
	require.EqualValues(t, 0x55, le.Uint64(b[8:]), "user_handle")
	require.EqualValues(t, []byte{7, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0}, b[16:])
	b = encCreateQP(0x55, 1, 2, 3, QPConfig{SendDepth: 4, RecvDepth: 5, MaxSGE: 6, Inline: 7, SignalAll: true})
	require.EqualValues(t, 0x55, le.Uint64(b[8:]), "user_handle")
	for i, want := range []uint32{1, 2, 3, 0, 4, 5, 6, 6, 7} { // pd, scq, rcq, srq, send and recv wr, sge, inline
		require.Equal(t, want, le.Uint32(b[16+4*i:]), "word %d", i)
	}
	require.Equal(t, []byte{1, 2, 0, 0}, b[52:], "sq_sig_all, qp_type, is_srq")
	require.Equal(t, []byte{0, 2, 0, 0}, encCreateQP(0, 0, 0, 0, QPConfig{})[52:])
	require.Equal(t, []byte{0, 3, 0, 0}, encCreateQP(0, 0, 0, 0, QPConfig{Type: UC})[52:])
	require.Equal(t, []byte{0, 4, 0, 0}, encCreateQP(0, 0, 0, 0, QPConfig{Type: UD})[52:])

	b = encCreateQP(0, 0, 0, 0, QPConfig{Type: UD, SRQ: &SRQ{handle: 0x88}, SignalAll: true})
	require.EqualValues(t, 0x88, le.Uint32(b[28:]), "srq_handle")
	require.Equal(t, []byte{1, 4, 1, 0}, b[52:], "sq_sig_all, qp_type, is_srq")

	b = encCreateAH(0x66, pathAttr{remote: GID{15: 9}, sgid: 3, tclass: 5, flow: 0x77})
	require.EqualValues(t, 0x66, le.Uint32(b[16:]), "pd_handle")
	require.EqualValues(t, 9, b[24+15], "dgid")
	require.EqualValues(t, 0x77, le.Uint32(b[24+16:]), "flow_label")
	require.Equal(t, []byte{3, hopLimit, 5}, b[24+20:24+23], "sgid_index, hop_limit, traffic_class")
	require.Equal(t, []byte{1, 1}, b[24+29:24+31], "is_global, port_num")
}

// Each answer has another value in every byte, so that no two fields can be
// mixed up.
func TestDecode(t *testing.T) {
	b := make([]byte, 200)
	for i := range b {
		b[i] = byte(i)
	}
	word := func(off int) int { return int(le.Uint32(b[off:])) }

	dev, err := decQueryDevice(b[:176])
	require.NoError(t, err)
	require.Equal(t, DeviceAttr{
		MaxQP: word(52), MaxQPWR: word(56), MaxSGE: word(64), MaxCQ: word(72), MaxCQE: word(76),
		MaxMR: word(80), MaxPD: word(84), Ports: 171,
		MaxMRSize: le.Uint64(b[24:]), MaxQPRDAtomic: word(88), MaxQPInitRDAtomic: word(100),
		MaxMW: word(120), MaxAH: word(144), MaxSRQ: word(156), MaxSRQWR: word(160), MaxSRQSGE: word(164),
	}, dev)

	port := append([]byte(nil), b[:40]...)
	port[27], port[28] = 5, 3
	got, err := decQueryPort(port)
	require.NoError(t, err)
	require.Equal(t, PortAttr{State: 26, MaxMTU: 4096, ActiveMTU: 1024, GIDTableLen: word(16), LinkLayer: 37}, got)

	qp := append([]byte(nil), b[:128]...)
	qp[110], qp[117] = 4, 14
	attr, err := decQueryQP(qp)
	require.NoError(t, err)
	require.Equal(t, QPAttr{
		State: 108, SQDraining: true, RQPSN: uint32(word(88)), SQPSN: uint32(word(92)), DestQPN: uint32(word(96)), PathMTU: 2048,
		QKey: uint32(word(84)), Access: Access(word(100)), SignalAll: true,
		RemoteGID: GID(b[:16]), FlowLabel: uint32(word(16)), SGIDIndex: 24, HopLimit: 25, TrafficClass: 26,
		MaxRDAtomic: 113, MaxDestRDAtomic: 114, MinRNRTimer: 115, AckTimeout: ackUnit << 14, Retries: 118, RNRRetries: 119,
		SendDepth: word(64), RecvDepth: word(68), SendSGE: word(72), RecvSGE: word(76), Inline: word(80),
	}, attr)

	cq, err := decCreateCQ(b[:8], b[8:24])
	require.NoError(t, err)
	require.Equal(t, cqCreated{handle: uint32(word(0)), depth: uint32(word(4)), ring: mmInfo{le.Uint64(b[8:]), uint32(word(16))}}, cq)

	srq, err := decQuerySRQ(b[:16])
	require.NoError(t, err)
	require.Equal(t, SRQAttr{Depth: word(0), MaxSGE: word(4), Limit: word(8)}, srq)

	made, err := decCreateQP(b[:32], b[32:64])
	require.NoError(t, err)
	require.Equal(t, qpCreated{
		handle: uint32(word(0)), qpn: uint32(word(4)), sendDepth: uint32(word(8)), recvDepth: uint32(word(12)),
		sendSGE: uint32(word(16)), recvSGE: uint32(word(20)), inline: uint32(word(24)),
		rq: mmInfo{le.Uint64(b[32:]), uint32(word(40))}, sq: mmInfo{le.Uint64(b[48:]), uint32(word(56))},
	}, made)

	ev, err := decAsync(b[:16])
	require.NoError(t, err)
	require.Equal(t, asyncDesc{element: le.Uint64(b), kind: AsyncType(word(8))}, ev)

	gids, err := decGIDs(b[:2*gidEntSize], 2)
	require.NoError(t, err)
	require.Equal(t, GIDEntry{
		GID: GID(b[32:48]), Index: word(48), Port: word(52), Type: GIDType(word(56)), IfIndex: word(60),
	}, gids[1])
	_, err = decGIDs(b[:2*gidEntSize], 3)
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestEncodeModifyQP(t *testing.T) {
	m := qpModify{
		handle: 0x11, mask: 0x22, state: StateRTR, access: RemoteWrite,
		remote:   Dest{LID: 0x33, QPN: 0x44, PSN: 0x55},
		path:     pathAttr{remote: GID{15: 9}, sgid: 1, tclass: 3, flow: 0x88},
		localPSN: 0x66, qkey: 0x99, mtu: 3, timeout: 14, retry: 7, rnr: 6, minRNR: 12, initRD: 4, destRD: 8,
	}
	b := m.encode()
	require.EqualValues(t, 9, b[15], "dgid")
	require.EqualValues(t, 0x33, le.Uint16(b[20:]), "dlid")
	require.EqualValues(t, 0x88, le.Uint32(b[16:]), "flow_label")
	require.Equal(t, []byte{1, hopLimit, 3}, b[24:27], "sgid_index, hop_limit, traffic_class")
	require.EqualValues(t, 0x99, le.Uint32(b[72:]), "qkey")
	require.EqualValues(t, 1, b[30], "is_global")
	require.EqualValues(t, 1, b[31], "port_num")
	require.EqualValues(t, 0x11, le.Uint32(b[64:]), "qp_handle")
	require.EqualValues(t, 0x22, le.Uint32(b[68:]), "attr_mask")
	require.EqualValues(t, 0x55, le.Uint32(b[76:]), "rq_psn is the peer's")
	require.EqualValues(t, 0x66, le.Uint32(b[80:]), "sq_psn")
	require.EqualValues(t, 0x44, le.Uint32(b[84:]), "dest_qp_num")
	require.EqualValues(t, RemoteWrite, le.Uint32(b[88:]), "access")
	require.EqualValues(t, StateRTR, b[96], "qp_state")
	require.EqualValues(t, 3, b[98], "path_mtu")
	require.Equal(t, []byte{4, 8, 12, 1, 14, 7, 6}, b[101:108])
}

func TestCodes(t *testing.T) {
	require.EqualValues(t, 14, ackCode(ackUnit<<14))
	require.EqualValues(t, 15, ackCode(ackUnit<<14+1))
	require.EqualValues(t, 1, ackCode(time.Nanosecond))
	require.EqualValues(t, 31, ackCode(ackUnit<<31))
	require.Equal(t, ackUnit<<14, ackTime(14))
	require.Zero(t, ackTime(0))
	require.Zero(t, ackTime(32))
	for code, bytes := range map[uint8]int{1: 256, 3: 1024, 5: 4096} {
		require.Equal(t, code, mtuCode(bytes))
		require.Equal(t, bytes, mtuBytes(code))
	}
	require.Zero(t, mtuCode(1500))
	require.Zero(t, mtuBytes(0))
	require.Zero(t, mtuBytes(6))
	require.EqualValues(t, 0, retryCount(-1))
	require.EqualValues(t, 7, retryCount(7))
}

// Answers of any length and content are decoded or refused, never a fault.
func FuzzDecode(f *testing.F) {
	f.Add(make([]byte, 200), make([]byte, 32), uint64(2))
	f.Add([]byte{1}, []byte{}, ^uint64(0))
	f.Fuzz(func(t *testing.T, core, driver []byte, n uint64) {
		_, _ = decQueryDevice(core)
		_, _ = decQueryPort(core)
		if a, err := decQueryQP(core); err == nil {
			_ = a.State.String()
		}
		_, _ = decQuerySRQ(core)
		_, _ = decCreateCQ(core, driver)
		_, _ = decCreateQP(core, driver)
		if a, err := decAsync(core); err == nil {
			_ = a.kind.String()
		}
		if g, err := decGIDs(core, n); err == nil && uint64(len(g)) != n {
			t.Fatalf("%d GIDs, want %d", len(g), n)
		}
	})
}
