package bench

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
)

// FuzzHello: whatever a client says first, the server says what is wrong with
// it, or takes it for a configuration that its own check then judges; what
// passes that can be opened.
func FuzzHello(f *testing.F) {
	c := Config{Workload: BW, CQ: CQRXE, Server: "x:1", Count: 10}.WithDefaults()
	b, err := json.Marshal(message{Kind: msgHello, Version: controlVersion, Config: &c, Address: &Address{QPN: 1, GID: "::1", MTU: 1024}})
	require.NoError(f, err)
	f.Add(string(b) + "\n")
	f.Add("GET / HTTP/1.1\r\n\r\n")
	f.Add(`{"kind":"hello","evdbench":1,"config":{"depth":-1,"outstanding":9223372036854775807,"size":-5},"address":{}}` + "\n")
	f.Add(`{"kind":"error","error":"no"}` + "\n")
	f.Add(`{"kind":"error"}` + "\n")
	f.Add(strings.Repeat("x", maxLine))
	f.Fuzz(func(t *testing.T, text string) {
		client, server := net.Pipe()
		defer server.Close()
		go func() {
			_, _ = client.Write([]byte(text))
			_ = client.Close()
		}()
		c, _, err := newControl(server).hello(helloTime)
		if err != nil {
			require.NotEmpty(t, printable(err.Error()))
			return
		}
		c.CQ, c.Dev, c.Server, c.serving = CQRXE, "", "", true
		if err := c.Validate(); err != nil {
			require.ErrorIs(t, err, engine.ErrInvalid)
			return
		}
		c = c.WithDefaults()
		sends, recvs := c.slots()
		require.Positive(t, sends)
		require.Positive(t, recvs)
		require.LessOrEqual(t, sends+recvs, c.Depth, "the CQ never overruns")
		require.LessOrEqual(t, (sends+recvs)*c.Size, 3*maxSlots)
		require.NotNil(t, modes[c.Mode])
	})
}
