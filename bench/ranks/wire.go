package ranks

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/evdengine/evd/bench"
)

// protocol is the version of the messages below.
const protocol = 1

// Between rank 0 and each other, lines of JSON over TCP:
//
//	      <-  here      somebody listens who may be rank 0
//	hello ->            who this is, and its settings
//	      <-  welcome   who all are; or error
//	      <-  open      connect the flows
//	ready ->            they are
//	      <-  begin     messages flow
//	stop  <>            no more of them, please
//	part  ->            what this rank has measured
//	      <-  bye       the end; or open again
//
// error may come instead of any, and ends it all.
const (
	msgHere    = "here"
	msgHello   = "hello"
	msgWelcome = "welcome"
	msgOpen    = "open"
	msgReady   = "ready"
	msgBegin   = "begin"
	msgStop    = "stop"
	msgPart    = "part"
	msgBye     = "bye"
	msgError   = "error"
)

type message struct {
	Kind  string   `json:"kind"`
	Hello *hello   `json:"hello,omitempty"`
	All   []member `json:"all,omitempty"`
	Part  []side   `json:"part,omitempty"`
	Error string   `json:"error,omitempty"`
	Class string   `json:"class,omitempty"` // of the error
}

// hello introduces a rank.
type hello struct {
	Protocol int                        `json:"evdbench_ranks"`
	Job      string                     `json:"job"`
	Rank     int                        `json:"rank"`
	Size     int                        `json:"size"`
	Version  string                     `json:"version"`
	Host     string                     `json:"host"`
	Port     int                        `json:"port"` // where its clients find it
	Key      uint64                     `json:"key"`  // what they say there
	Settings map[string]json.RawMessage `json:"settings"`
}

// member is a rank, as all know it.
type member struct {
	Host string `json:"host"` // by its own name
	Addr string `json:"addr"` // as rank 0 sees it; "": on rank 0's host
	Port int    `json:"port"`
	Key  uint64 `json:"key"`
}

// side is one side of a flow, when it is over. One of Report and Error is there.
type side struct {
	Flow    int           `json:"flow"`
	Serving bool          `json:"serving"`
	Report  *bench.Report `json:"report,omitempty"`
	Error   string        `json:"error,omitempty"`
}

const (
	maxLine   = 64 << 20 // of a rank of this job
	maxHello  = 64 << 10 // of whoever comes to rank 0
	writeTime = 10 * time.Second
)

var errLong = errors.New("ranks: a line that is too long")

// wire is one end of a connection between rank 0 and another.
//
// Concurrency: send from any goroutine; receive by one at a time.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
	most int        // bytes of a line that comes
	mu   sync.Mutex // of writes
}

func newWire(conn net.Conn) *wire {
	if t, ok := conn.(*net.TCPConn); ok {
		// A host that is gone without a word is noticed. An error changes nothing.
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 3 * time.Second, Interval: time.Second, Count: 5})
	}
	return &wire{conn: conn, r: bufio.NewReader(conn), most: maxLine}
}

func (w *wire) send(m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.conn.SetWriteDeadline(time.Now().Add(writeTime))
	_, err = w.conn.Write(append(b, '\n'))
	return err
}

func (w *wire) receive() (m message, err error) {
	var line []byte
	for {
		part, err := w.r.ReadSlice('\n')
		if len(line)+len(part) > w.most {
			return m, errLong
		}
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return m, err
		}
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return m, fmt.Errorf("ranks: this is no evdbench: %.80q came", line)
	}
	return m, nil
}

// expect is receive with a limit, of a line of that kind.
func (w *wire) expect(kind string, limit time.Time) (message, error) {
	_ = w.conn.SetReadDeadline(limit)
	defer func() { _ = w.conn.SetReadDeadline(time.Time{}) }()
	m, err := w.receive()
	switch {
	case err != nil:
		return m, err
	case m.Kind == msgError:
		return m, m.failure()
	case m.Kind != kind:
		return m, fmt.Errorf("ranks: %.20q came, and %q was to come", m.Kind, kind)
	}
	return m, nil
}
