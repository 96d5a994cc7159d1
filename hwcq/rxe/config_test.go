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
		"Depth":       CQConfig{Depth: 32768}.Validate(),
		"Vector":      CQConfig{Vector: -1}.Validate(),
		"Wait":        CQConfig{Wait: 9}.Validate(),
		"SendCQ":      QPConfig{}.Validate(),
		"SendDepth":   QPConfig{SendDepth: -1}.Validate(),
		"RecvDepth":   QPConfig{RecvDepth: 16385}.Validate(),
		"MaxSGE":      QPConfig{MaxSGE: 33}.Validate(),
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

// All problems are reported, not just the first.
func TestValidateJoins(t *testing.T) {
	err := QPConfig{SendDepth: -1, MaxSGE: 99}.Validate()
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
