package conn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/param"
)

// What is wrong is told before a device is asked.
func TestBadConfig(t *testing.T) {
	cm, exchange := &conn.CM{}, conn.NewExchange()
	for _, x := range []struct {
		m    conn.Manager
		addr string
		cfg  conn.Config
		want string
	}{
		{cm, "10.99.0.1:1", conn.Config{QP: rxe.QPConfig{Type: rxe.UC}}, "QP.Type = UC: must be RC"},
		{cm, "10.99.0.1:1", conn.Config{QP: rxe.QPConfig{Type: rxe.UD}}, "QP.Type = UD: must be RC"},
		{exchange, "127.0.0.1:1", conn.Config{QP: rxe.QPConfig{Type: rxe.UD}}, "QP.Type = UD: must be RC or UC"},
		{cm, "[fe80::1%eth0]:1", conn.Config{}, "addr = [fe80::1%eth0]:1: must be IP:port, without a zone"},
		{cm, "10.99.0.1:0", conn.Config{}, "a port other than 0"},
		{exchange, "127.0.0.1:1", conn.Config{PrivateData: []byte("x")}, "the exchange cannot carry it"},
	} {
		_, err := x.m.Dial(x.addr, x.cfg)
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, x.want)
	}
	_, err := exchange.Dial("127.0.0.1:1", conn.Config{QP: rxe.QPConfig{Type: rxe.UC}})
	require.NotContains(t, err.Error(), "QP.Type")
}
