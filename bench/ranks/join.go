package ranks

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/internal/param"
)

// Config is what the ranks do. All must be given the same; rank 0 looks.
type Config struct {
	// Bench is each flow's: Lat or BW, over a CQ that another node can reach.
	Bench bench.Config

	// Pattern is one of Patterns; "": the first.
	Pattern string

	// Devs are the devices of the ranks of each host, in turn; none: the first there is.
	Devs []string

	// Wait is how long ranks are waited for: to come, and to connect; 0: 30 s.
	Wait time.Duration

	// Rendezvous is the HOST:PORT at which rank 0 is, RendezvousFile a file that all can
	// read, in which rank 0 says so. Neither: as the launcher's environment says.
	Rendezvous     string
	RendezvousFile string
}

// DefaultWait is how long ranks are waited for.
const DefaultWait = 30 * time.Second

func (c Config) withDefaults() Config {
	if c.Pattern == "" {
		c.Pattern = Pairs
	}
	if c.Wait == 0 {
		c.Wait = DefaultWait
	}
	return c
}

// Validate returns all that is wrong with the configuration for so many ranks, named
// as evdbench's flags. Errors match engine.ErrInvalid.
func (c Config) Validate(size int) error {
	c = c.withDefaults()
	bad := func(name string, value any, allowed string) error {
		return param.Invalid("ranks: Join", name, value, allowed)
	}
	var errs []error
	if !slices.Contains(Patterns(), c.Pattern) {
		errs = append(errs, bad("pattern", fmt.Sprintf("%q", c.Pattern), strings.Join(Patterns(), ", ")))
	}
	if c.Pattern == Pairs && size%2 != 0 {
		errs = append(errs, bad("pattern", Pairs, fmt.Sprintf("another with %d ranks: pairs need an even number", size)))
	}
	if c.Wait < 0 || c.Wait > time.Hour {
		errs = append(errs, bad("wait", c.Wait, "more than 0 and at most 1h"))
	}
	if c.Rendezvous != "" {
		if _, err := endpoint(c.Rendezvous); err != nil {
			errs = append(errs, bad("rendezvous", fmt.Sprintf("%q", c.Rendezvous), "HOST:PORT, with a port of 1..65535"))
		}
		if c.RendezvousFile != "" {
			errs = append(errs, bad("rendezvous-file", c.RendezvousFile, "left out with rendezvous"))
		}
	}
	b := c.Bench
	b.Server = "rank:1" // each flow has one
	if len(c.Devs) > 0 {
		b.Dev = c.Devs[0]
	}
	return errors.Join(append(errs, b.Validate())...)
}

func endpoint(addr string) (portMeeting, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return portMeeting{}, err
	}
	n, err := net.LookupPort("tcp", port)
	if err != nil || n == 0 || host == "" {
		return portMeeting{}, errors.New("no host or port")
	}
	return portMeeting{hosts: []string{host}, ports: []int{n}}, nil
}

// Group is this rank's part in a job whose ranks have found each other.
//
// Concurrency: one goroutine at a time.
type Group struct {
	place Place
	cfg   Config
	flows []flow
	all   []member
	host  string // by which rank 0 is reached
	ln    net.Listener
	key   uint64                // what clients say that come
	calls map[int]chan net.Conn // clients that have come, by flow
	ends  sync.WaitGroup

	root  *wire   // others: to rank 0
	wires []*wire // rank 0: to each other, by rank
	in    chan arrival
	lost  map[int]error // rank 0: those that are
	gone  chan struct{} // closed by Close
}

// arrival is what has come from a rank.
type arrival struct {
	rank int
	m    message
	err  error
}

// Join waits until all ranks of the job have found rank 0. The error tells which have
// not come within the limit, which have other settings or another version, or, where
// that is rank 0's to say, is ErrTold.
func Join(ctx context.Context, place Place, cfg Config) (*Group, error) {
	cfg = cfg.withDefaults()
	if place.Size < 2 {
		return nil, param.Invalid("ranks: Join", "n", place.Size, "2 or more: start it with several ranks, as in mpirun -n 4")
	}
	if err := cfg.Validate(place.Size); err != nil {
		return nil, err
	}
	meet, err := place.meeting(cfg)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		return nil, err
	}
	g := &Group{
		place: place, cfg: cfg, flows: flows(cfg.Pattern, place.Size), ln: ln,
		key: newKey(), calls: map[int]chan net.Conn{}, in: make(chan arrival), lost: map[int]error{}, gone: make(chan struct{}),
	}
	for i, f := range g.flows {
		if f.server == place.Rank {
			g.calls[i] = make(chan net.Conn, 1)
		}
	}
	h := hello{
		Protocol: protocol, Job: place.job, Rank: place.Rank, Size: place.Size, Version: bench.Version(),
		Port: ln.Addr().(*net.TCPAddr).Port, Key: g.key, Settings: cfg.settings(),
	}
	h.Host, _ = os.Hostname()
	limit := time.Now().Add(cfg.Wait)
	if place.Rank == 0 {
		err = g.gather(ctx, meet, h, limit)
	} else {
		err = g.find(ctx, meet, h, limit)
	}
	if err != nil {
		return nil, errors.Join(err, g.Close())
	}
	g.ends.Go(g.accept)
	return g, nil
}

func newKey() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

func (p Place) meeting(cfg Config) (meeting, error) {
	switch {
	case cfg.Rendezvous != "":
		return endpoint(cfg.Rendezvous)
	case cfg.RendezvousFile != "":
		return fileMeeting{cfg.RendezvousFile}, nil
	case p.wrong != nil:
		return nil, fmt.Errorf("%w: give --rendezvous HOST:PORT or --rendezvous-file", p.wrong)
	case p.meet == nil:
		return nil, fmt.Errorf("ranks: the environment of %s does not say where rank 0 is: give --rendezvous HOST:PORT or --rendezvous-file", p.Launcher)
	}
	if m, ok := p.meet.(*pmiMeeting); ok {
		m.within = cfg.Wait
	}
	return p.meet, nil
}

// settings are all that must be the same.
func (c Config) settings() map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	b, _ := json.Marshal(c.Bench.WithDefaults()) // plain data: cannot fail
	_ = json.Unmarshal(b, &m)
	put := func(name string, v any) { m[name], _ = json.Marshal(v) }
	put("pattern", c.Pattern)
	put("dev", strings.Join(c.Devs, ","))
	return m
}

// differ says how a rank's hello is at odds with rank 0's; "": it is not.
func (own *hello) differ(h *hello) string {
	switch {
	case h.Protocol != own.Protocol || h.Version != own.Version:
		return fmt.Sprintf("is evdbench %s (protocol %d), and rank 0 is %s (protocol %d)", h.Version, h.Protocol, own.Version, own.Protocol)
	case h.Size != own.Size:
		return fmt.Sprintf("is one of %d, and rank 0 of %d", h.Size, own.Size)
	}
	var names []string
	for name, v := range own.Settings {
		if string(h.Settings[name]) != string(v) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	name := names[0]
	return fmt.Sprintf("has %s = %s, and rank 0 has %s: all ranks must be given the same",
		strings.TrimSuffix(name, "_ns"), h.Settings[name], own.Settings[name])
}

// find is the part of the others.
func (g *Group) find(ctx context.Context, meet meeting, h hello, limit time.Time) error {
	w, m, err := seek(ctx, meet, h, limit)
	var no *refusal
	switch {
	case errors.As(err, &no):
		return fmt.Errorf("%w: %s", ErrTold, no.text)
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &LostError{0, fmt.Errorf("it was not found within %v at %v: %w", g.cfg.Wait, meet, err)}
	}
	g.root, g.all = w, m.All
	g.host, _, _ = net.SplitHostPort(w.conn.RemoteAddr().String())
	if len(g.all) != g.place.Size {
		return &LostError{0, fmt.Errorf("it knows %d ranks of %d", len(g.all), g.place.Size)}
	}
	return nil
}
