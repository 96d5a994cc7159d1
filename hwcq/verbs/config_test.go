package verbs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/param"
)

// Every error names the parameter, its value and what is allowed, and all of
// them are reported at once.
func TestConfigsAreChecked(t *testing.T) {
	for _, c := range []struct {
		err  error
		want []string
	}{
		{Config{}.Validate(), nil},
		{Config{Device: "mlx5_0", Port: 255}.Validate(), nil},
		{Config{Device: "../x"}.Validate(), []string{"verbs: Open: Device = ../x: must be an RDMA device name"}},
		{Config{Device: strings.Repeat("x", 64)}.Validate(), []string{"Device = xxx"}},
		{Config{Device: "..", Port: 256}.Validate(), []string{"Device = ..", "Port = 256: must be 1..255, or 0 for 1"}},
		{CQConfig{}.Validate(), nil},
		{CQConfig{Depth: 1, Vector: 3, Wait: rxe.WaitRuntime, Interface: InterfacePlain}.Validate(), nil},
		{CQConfig{Depth: -1}.Validate(), []string{"verbs: OpenCQ: Depth = -1: must be 1..16777215, or 0 for 1023"}},
		{CQConfig{Depth: 1 << 24, Vector: -1}.Validate(), []string{"Depth = 16777216", "Vector = -1: must be 0 or more"}},
		{CQConfig{Wait: rxe.WaitRead}.Validate(), []string{"Wait = read: must be WaitAuto, WaitPoll or WaitRuntime"}},
		{CQConfig{Interface: 3}.Validate(), []string{"Interface = interface 3: must be InterfaceAuto, InterfacePlain or InterfaceExtended"}},
		{QPConfig{SendCQ: &CQ{}}.Validate(), nil},
		{
			QPConfig{SendDepth: -1, RecvDepth: 1 << 24, MaxSGE: 257, Inline: 1025, Remote: 1}.Validate(),
			[]string{
				"SendCQ = nil: must be an open CQ", "SendDepth = -1", "RecvDepth = 16777216", "MaxSGE = 257: must be 1..256",
				"Inline = 1025: must be 0..1024", "Remote = 1: must be a combination of RemoteWrite, RemoteRead and RemoteAtomic",
			},
		},
	} {
		if c.want == nil {
			require.NoError(t, c.err)
			continue
		}
		require.ErrorIs(t, c.err, param.ErrInvalid)
		for _, w := range c.want {
			require.ErrorContains(t, c.err, w)
		}
	}
}

func TestInterfaceString(t *testing.T) {
	require.Equal(t, "auto", InterfaceAuto.String())
	require.Equal(t, "plain", InterfacePlain.String())
	require.Equal(t, "extended", InterfaceExtended.String())
}
