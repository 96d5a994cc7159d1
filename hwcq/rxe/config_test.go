package rxe

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/param"
)

func TestValidate(t *testing.T) {
	require.NoError(t, Config{}.Validate())
	require.NoError(t, CQConfig{}.Validate())
	require.NoError(t, QPConfig{SendCQ: new(CQ)}.Validate())
	require.NoError(t, ConnectConfig{}.Validate())
	require.NoError(t, ConnectConfig{MTU: 4096, AckTimeout: time.Second, Retries: -1, RNRRetries: 3, MinRNRTimer: 31}.Validate())

	for name, err := range map[string]error{
		"Device":      Config{Device: "a/b"}.Validate(),
		"Depth":       CQConfig{Depth: -1}.Validate(),
		"Vector":      CQConfig{Vector: -1}.Validate(),
		"Wait":        CQConfig{Wait: 9}.Validate(),
		"SendCQ":      QPConfig{}.Validate(),
		"SendDepth":   QPConfig{SendDepth: -1}.Validate(),
		"RecvDepth":   QPConfig{RecvDepth: -1}.Validate(),
		"MaxSGE":      QPConfig{MaxSGE: -1}.Validate(),
		"Inline":      QPConfig{Inline: 513}.Validate(),
		"Remote":      QPConfig{Remote: LocalWrite}.Validate(),
		"SGID.Index":  ConnectConfig{SGID: GIDEntry{Index: 256}}.Validate(),
		"MTU":         ConnectConfig{MTU: 1500}.Validate(),
		"AckTimeout":  ConnectConfig{AckTimeout: -1}.Validate(),
		"Retries":     ConnectConfig{Retries: 8}.Validate(),
		"RNRRetries":  ConnectConfig{RNRRetries: -2}.Validate(),
		"MinRNRTimer": ConnectConfig{MinRNRTimer: 32}.Validate(),
	} {
		require.ErrorIs(t, err, param.ErrInvalid, name)
		require.ErrorContains(t, err, name)
	}
}

func TestValidateNewer(t *testing.T) {
	cq := new(CQ)
	for _, c := range []QPConfig{
		{SendCQ: cq, Type: UC, Remote: RemoteWrite},
		{SendCQ: cq, Type: UD, QKey: 7},
		{SendCQ: cq, SRQ: new(SRQ)},
		{SendCQ: cq, Remote: RemoteWrite | RemoteRead | RemoteAtomic},
	} {
		require.NoError(t, c.Validate())
	}
	require.NoError(t, SRQConfig{Limit: 128}.Validate())
	require.NoError(t, AHConfig{Remote: GID{1}}.Validate())
	require.NoError(t, ConnectConfig{MaxDestRDAtomic: -1, MaxRDAtomic: 255, FlowLabel: 1<<20 - 1}.Validate())

	for want, err := range map[string]error{
		"Type":            QPConfig{SendCQ: cq, Type: 3}.Validate(),
		"on UC":           QPConfig{SendCQ: cq, Type: UC, Remote: RemoteRead}.Validate(),
		"nothing on UD":   QPConfig{SendCQ: cq, Type: UD, Remote: RemoteWrite}.Validate(),
		"QKey":            QPConfig{SendCQ: cq, QKey: 1}.Validate(),
		"RecvDepth":       QPConfig{SendCQ: cq, SRQ: new(SRQ), RecvDepth: 1}.Validate(),
		"Depth":           SRQConfig{Depth: -1}.Validate(),
		"MaxSGE":          SRQConfig{MaxSGE: -1}.Validate(),
		"Limit":           SRQConfig{Depth: 4, Limit: 5}.Validate(),
		"Remote":          AHConfig{}.Validate(),
		"SGID.Index":      AHConfig{Remote: GID{1}, SGID: GIDEntry{Index: 256}}.Validate(),
		"FlowLabel":       AHConfig{Remote: GID{1}, FlowLabel: 1 << 20}.Validate(),
		"FlowLabel =":     ConnectConfig{FlowLabel: 1 << 20}.Validate(),
		"MaxRDAtomic":     ConnectConfig{MaxRDAtomic: -1}.Validate(),
		"MaxDestRDAtomic": ConnectConfig{MaxDestRDAtomic: 256}.Validate(),
	} {
		require.ErrorIs(t, err, param.ErrInvalid, want)
		require.ErrorContains(t, err, want)
	}
}

// All problems are reported, not just the first.
func TestValidateJoins(t *testing.T) {
	err := QPConfig{SendDepth: -1, MaxSGE: -9}.Validate()
	for _, name := range []string{"SendCQ", "SendDepth", "MaxSGE"} {
		require.ErrorContains(t, err, name)
	}
}

func TestStrings(t *testing.T) {
	require.Equal(t, "RTS", StateRTS.String())
	require.Equal(t, "state 9", State(9).String())
	require.Equal(t, "ACTIVE", PortActive.String())
	require.Equal(t, "port state 77", PortState(77).String())
	require.Equal(t, "RoCE v2", GIDTypeRoCEv2.String())
	require.Equal(t, "GID type 9", GIDType(9).String())
	require.Equal(t, "CQ error", AsyncCQErr.String())
	require.Equal(t, "async event 9999", AsyncType(9999).String())
}
