package evdexpvar

import (
	"encoding/json"
	"expvar"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Config{Workers: 3})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

type shown struct {
	Engine struct {
		Workers, EVDs int
		Pollers       int
		Total         struct{ Posted uint64 }
	}
	EVDs []struct {
		ID                              uint32
		Name, Policy, Streams           string
		CNO                             string
		Ready, Waitable, Waiting, Armed bool
		Capacity, Running, Pending      int
		Stats                           struct{ Posted, Delivered uint64 }
		CQs                             []struct {
			Mode   string
			Polled uint64
		}
	}
	Shared []struct {
		ID         uint32
		Name, Mode string
		QPs        int
		Polled     *uint64
	}
	Pollers []struct {
		ID            uint32
		Name, CPU     string
		Members       int
		Arms, Sleeps  *uint64
		Wakes, Visits *uint64
	}
}

// get reads the variable as a client of /debug/vars does.
func get(t *testing.T, name string) (s shown) {
	t.Helper()
	w := httptest.NewRecorder()
	expvar.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/debug/vars", nil))
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &all))
	require.NoError(t, json.Unmarshal(all[name], &s))
	return s
}

func TestPublish(t *testing.T) {
	e := newEngine(t)
	cq, err := mock.New(mock.Config{})
	require.NoError(t, err)
	defer cq.Close()
	done := make(chan bool, 1)
	d, err := e.NewEVD(engine.EVDConfig{
		Name: "io", Streams: engine.DTO | engine.Software, CQs: []hwcq.CQ{cq}, Mode: engine.ModeEvent,
		Dispatch: engine.DispatchInline, Policy: engine.SingleInstance, Upcall: func(*engine.Upcall) { done <- true },
	})
	require.NoError(t, err)
	require.NoError(t, d.Post(engine.Event{}))
	<-done
	_, err = cq.Complete(hwcq.WC{}, false)
	require.NoError(t, err)
	<-done
	require.NoError(t, Publish("evd", e))
	s := get(t, "evd")
	require.Equal(t, 3, s.Engine.Workers)
	require.Equal(t, 1, s.Engine.EVDs)
	require.Empty(t, s.Shared)
	require.EqualValues(t, 1, s.Engine.Total.Posted)
	require.Len(t, s.EVDs, 1)
	require.Equal(t, "io", s.EVDs[0].Name)
	require.Equal(t, "single_instance", s.EVDs[0].Policy)
	require.EqualValues(t, 1, s.EVDs[0].Stats.Posted)
	require.Len(t, s.EVDs[0].CQs, 1)
	require.Equal(t, "event", s.EVDs[0].CQs[0].Mode)
	require.EqualValues(t, 1, s.EVDs[0].CQs[0].Polled)
	require.EqualValues(t, 2, s.EVDs[0].Stats.Delivered)
	require.EqualValues(t, d.ID(), s.EVDs[0].ID)
	require.Equal(t, "software|dto", s.EVDs[0].Streams)
	require.Empty(t, s.EVDs[0].CNO)

	c, err := e.NewCNO(engine.CNOConfig{Name: "told"})
	require.NoError(t, err)
	on, err := e.NewEVD(engine.EVDConfig{Name: "on", CNO: c, Capacity: 4})
	require.NoError(t, err)
	require.NoError(t, on.Post(engine.Event{}))
	q, o := on.Query(), get(t, "evd").EVDs[1]
	require.Equal(t, "told", o.CNO)
	require.True(t, o.Ready)
	require.Equal(t, []bool{q.Ready, q.Waitable, q.Waiting, q.Armed}, []bool{o.Ready, o.Waitable, o.Waiting, o.Armed})
	require.Equal(t, [3]int{4, 0, 1}, [3]int{o.Capacity, o.Running, o.Pending})
	require.NoError(t, on.Close())
	require.NoError(t, c.Close())

	cq2, err := mock.New(mock.Config{})
	require.NoError(t, err)
	defer cq2.Close()
	sh, err := e.NewSharedCQ(engine.SharedCQConfig{Name: "all", CQ: cq2, Mode: engine.ModeEvent})
	require.NoError(t, err)
	_, err = d.Join(sh, 7, 1)
	require.NoError(t, err)
	s = get(t, "evd")
	require.Len(t, s.Shared, 1)
	require.Equal(t, "all", s.Shared[0].Name)
	require.Equal(t, sh.ID(), s.Shared[0].ID)
	require.Equal(t, "event", s.Shared[0].Mode)
	require.Equal(t, 1, s.Shared[0].QPs)
	require.NotNil(t, s.Shared[0].Polled)
	require.Len(t, s.EVDs[0].CQs, 1, "its own")

	require.NoError(t, d.Close())
	require.NoError(t, sh.Close())
	s = get(t, "evd")
	require.Empty(t, s.Shared)
	require.Empty(t, s.EVDs)
	require.EqualValues(t, 2, s.Engine.Total.Posted, "what closed EVDs had counted stays")
}

func TestPublishAgain(t *testing.T) {
	a, b := newEngine(t), newEngine(t)
	require.NoError(t, Publish("again", a))
	_, err := b.NewEVD(engine.EVDConfig{Name: "b"})
	require.NoError(t, err)
	require.Empty(t, get(t, "again").EVDs)
	require.NoError(t, Publish("again", b))
	require.Len(t, get(t, "again").EVDs, 1)
}

func TestPublishRefused(t *testing.T) {
	e := newEngine(t)
	require.ErrorIs(t, Publish("", e), engine.ErrInvalid)
	require.ErrorIs(t, Publish("nil", nil), engine.ErrNilHandle)
	require.ErrorIs(t, Publish("nil", &engine.Engine{}), engine.ErrNilHandle)
	require.Nil(t, expvar.Get("nil"))
	err := Publish("memstats", e)
	require.ErrorIs(t, err, engine.ErrInvalid)
	require.ErrorContains(t, err, "memstats")
}

func TestPublishPollers(t *testing.T) {
	e := newEngine(t)
	require.NoError(t, Publish("pollers", e))
	require.Empty(t, get(t, "pollers").Pollers)
	g, err := e.NewPoller(engine.PollerConfig{Name: "many"})
	require.NoError(t, err)
	for range 3 {
		cq, err := mock.New(mock.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, cq.Close()) })
		_, err = e.NewEVD(engine.EVDConfig{CQs: []hwcq.CQ{cq}, Poller: g})
		require.NoError(t, err)
	}
	s := get(t, "pollers")
	require.Equal(t, 1, s.Engine.Pollers)
	require.Len(t, s.Pollers, 1)
	p := s.Pollers[0]
	require.Equal(t, "many", p.Name)
	require.Equal(t, "any CPU", p.CPU)
	require.EqualValues(t, 1, p.ID)
	require.Equal(t, 3, p.Members)
	for _, n := range []*uint64{p.Arms, p.Sleeps, p.Wakes, p.Visits} {
		require.NotNil(t, n)
	}
}
