package ranks

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// pmiMeeting is in the key-value space of the process manager, by version 1 of PMI:
// lines of key=value words on an open socket.
type pmiMeeting struct {
	fd     uintptr
	within time.Duration

	once   sync.Once // all ranks meet once
	conn   net.Conn
	r      *bufio.Reader
	kvs    string
	notice notice
	err    error
}

const pmiKey = "evdbench"

func (m *pmiMeeting) String() string { return "the process manager (PMI)" }

func (m *pmiMeeting) listen(job string) (net.Listener, func(), error) {
	var ln net.Listener
	m.once.Do(func() {
		if m.err = m.open(); m.err != nil {
			return
		}
		if ln, m.notice, m.err = announce(job); m.err != nil {
			return
		}
		b, _ := json.Marshal(m.notice) // plain data
		if _, m.err = m.ask("put_result", "cmd=put kvsname=%s key=%s value=%s", m.kvs, pmiKey, base64.RawURLEncoding.EncodeToString(b)); m.err == nil {
			m.err = m.barrier()
		}
		if m.err != nil {
			m.err = errors.Join(m.err, ln.Close())
			return
		}
		m.end()
	})
	return ln, func() {}, m.err
}

func (m *pmiMeeting) places() ([]string, string, error) {
	m.once.Do(func() {
		if m.err = m.open(); m.err != nil {
			return
		}
		if m.err = m.barrier(); m.err != nil {
			return
		}
		var a map[string]string
		if a, m.err = m.ask("get_result", "cmd=get kvsname=%s key=%s", m.kvs, pmiKey); m.err != nil {
			return
		}
		b, err := base64.RawURLEncoding.DecodeString(a["value"])
		if err == nil {
			err = json.Unmarshal(b, &m.notice)
		}
		if err != nil {
			m.err = fmt.Errorf("PMI: what rank 0 has left: %w", err)
			return
		}
		m.end()
	})
	return m.notice.places(), m.notice.Job, m.err
}

func (m *pmiMeeting) open() error {
	f := os.NewFile(m.fd, "PMI_FD")
	if f == nil {
		return fmt.Errorf("PMI_FD = %d: no open file", m.fd)
	}
	conn, err := net.FileConn(f) // with a copy of it
	_ = f.Close()
	if err != nil {
		return fmt.Errorf("PMI_FD = %d: %w", m.fd, err)
	}
	m.conn, m.r = conn, bufio.NewReader(conn)
	if _, err := m.ask("response_to_init", "cmd=init pmi_version=1 pmi_subversion=1"); err != nil {
		return err
	}
	a, err := m.ask("my_kvsname", "cmd=get_my_kvsname")
	m.kvs = a["kvsname"]
	return err
}

// end takes leave of the process manager: one that is left without it takes the end of a
// rank for a death, and ends the others. What it answers changes nothing.
func (m *pmiMeeting) end() {
	_, _ = m.ask("finalize_ack", "cmd=finalize")
	_ = m.conn.Close()
}

// barrier returns when all ranks have called it: what was put can be got then.
func (m *pmiMeeting) barrier() error {
	_, err := m.ask("barrier_out", "cmd=barrier_in")
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("PMI: not all ranks have come within %v", m.within)
	}
	return err
}

// ask sends a line and returns the words of the answer.
func (m *pmiMeeting) ask(answer, format string, args ...any) (map[string]string, error) {
	_ = m.conn.SetDeadline(time.Now().Add(m.within))
	if _, err := fmt.Fprintf(m.conn, format+"\n", args...); err != nil {
		return nil, fmt.Errorf("PMI: %w", err)
	}
	line, err := m.r.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("PMI: %w", err)
	}
	words := map[string]string{}
	for _, w := range strings.Fields(line) {
		k, v, _ := strings.Cut(w, "=")
		words[k] = v
	}
	if words["cmd"] != answer || words["rc"] != "" && words["rc"] != "0" {
		return nil, fmt.Errorf("PMI: %q was answered with %q", fmt.Sprintf(format, args...), strings.TrimSpace(line))
	}
	return words, nil
}
