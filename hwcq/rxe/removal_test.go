package rxe

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRemovalMessage(t *testing.T) {
	msg := func(v ...string) []byte { return []byte(strings.Join(v, "\x00") + "\x00") }
	const node = "infiniband/uverbs1"
	require.True(t, removes(msg("remove@/devices/virtual/infiniband_verbs/uverbs1", "ACTION=remove", "DEVNAME=infiniband/uverbs1", "SEQNUM=1"), node))
	for _, m := range [][]byte{
		nil, msg(""), msg("remove@/x"),
		msg("add@/devices/virtual/infiniband_verbs/uverbs1", "ACTION=add", "DEVNAME=infiniband/uverbs1"),
		msg("remove@/devices/virtual/infiniband_verbs/uverbs10", "DEVNAME=infiniband/uverbs10"),
		msg("remove@/devices/virtual/infiniband_verbs/uverbs1", "XDEVNAME=infiniband/uverbs1"),
	} {
		require.False(t, removes(m, node), "%q", m)
	}
}

// What events are about. An element that is a port's number is no object's id.
func TestAsyncTypes(t *testing.T) {
	var objects, qps []AsyncType
	for n := AsyncType(0); n < 20; n++ {
		if n.ofObject() {
			objects = append(objects, n)
		}
		if n.ofQP() {
			qps = append(qps, n)
		}
	}
	require.Equal(t, []AsyncType{0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16}, objects)
	require.Equal(t, []AsyncType{AsyncQPFatal, AsyncQPReqErr, AsyncQPAccessErr}, qps)
	for n, s := range asyncNames {
		require.Equal(t, s, n.String())
	}
	require.Equal(t, "async event 99", AsyncType(99).String())
}
