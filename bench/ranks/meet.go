package ranks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// meeting is how the others find rank 0.
type meeting interface {
	// listen is rank 0's part. forget undoes what it has left for others to find.
	listen(job string) (ln net.Listener, forget func(), err error)
	// places are the addresses to try, now, and the job's name if that is kept there.
	// An error may pass: rank 0 may not be there yet.
	places() (addrs []string, job string, err error)
	String() string
}

// portMeeting is at one of several ports of one of several hosts.
type portMeeting struct {
	hosts []string
	ports []int
}

// ports are where a job listens: below those that systems give out by themselves.
// The next one serves where another program has the first.
func ports(job string) []int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(job))
	const first, n, tries = 20000, 12000, 4
	all := make([]int, tries)
	for i := range all {
		all[i] = first + int((h.Sum32()+uint32(i)*3001)%n)
	}
	return all
}

func (m portMeeting) listen(string) (net.Listener, func(), error) {
	var last error
	for _, p := range m.ports {
		ln, err := net.Listen("tcp", ":"+strconv.Itoa(p))
		if err == nil {
			return ln, func() {}, nil
		}
		last = err
	}
	return nil, nil, last
}

func (m portMeeting) places() (addrs []string, _ string, _ error) {
	for _, p := range m.ports {
		for _, h := range m.hosts {
			addrs = append(addrs, net.JoinHostPort(h, strconv.Itoa(p)))
		}
	}
	return addrs, "", nil
}

func (m portMeeting) String() string {
	if len(m.ports) == 1 && len(m.hosts) == 1 {
		return net.JoinHostPort(m.hosts[0], strconv.Itoa(m.ports[0]))
	}
	return fmt.Sprintf("ports %v of %v", m.ports, m.hosts)
}

// fileMeeting is a file that all can read, or that of one host.
type fileMeeting struct{ path string }

// notice is what rank 0 leaves for the others.
type notice struct {
	Host  string   `json:"host"`
	Addrs []string `json:"addrs"`
	Port  int      `json:"port"`
	Job   string   `json:"job"`
}

// announce is a listener of rank 0, and where it can be found.
func announce(job string) (net.Listener, notice, error) {
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		return nil, notice{}, err
	}
	n := notice{Port: ln.Addr().(*net.TCPAddr).Port, Job: job}
	n.Host, _ = os.Hostname()
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			n.Addrs = append(n.Addrs, ip.IP.String())
		}
	}
	return ln, n, nil
}

// places of a notice: this host first, if it is rank 0's.
func (n notice) places() (addrs []string) {
	if host, err := os.Hostname(); err == nil && host == n.Host {
		addrs = append(addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Port)))
	}
	for _, a := range n.Addrs {
		addrs = append(addrs, net.JoinHostPort(a, strconv.Itoa(n.Port)))
	}
	return addrs
}

func (m fileMeeting) listen(job string) (net.Listener, func(), error) {
	ln, n, err := announce(job)
	if err != nil {
		return nil, nil, err
	}
	if err := m.write(n); err != nil {
		return nil, nil, errors.Join(err, ln.Close())
	}
	return ln, func() { _ = os.Remove(m.path) }, nil
}

// write makes the file appear whole.
func (m fileMeeting) write(n notice) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(m.path), ".evdbench-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), m.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func (m fileMeeting) places() ([]string, string, error) {
	b, err := os.ReadFile(m.path)
	if err != nil {
		return nil, "", err
	}
	var n notice
	if err := json.Unmarshal(b, &n); err != nil {
		return nil, "", fmt.Errorf("%s: %w", m.path, err)
	}
	return n.places(), n.Job, nil
}

func (m fileMeeting) String() string { return "the file " + m.path }

// errStranger is about somebody else who listens where rank 0 was looked for.
var errStranger = errors.New("it is rank 0 of another job, or none")

// seek finds rank 0 and says hello; m is its answer. A refusal ends the search, all
// else only the try.
func seek(ctx context.Context, meet meeting, h hello, limit time.Time) (w *wire, m message, err error) {
	var last error
	for {
		addrs, job, err := meet.places()
		if err != nil {
			last = err
		}
		for _, addr := range addrs {
			if job != "" {
				h.Job = job
			}
			w, m, err := greet(ctx, addr, h, limit)
			var no *refusal
			if err == nil || errors.As(err, &no) {
				return w, m, err
			}
			last = fmt.Errorf("%s: %w", addr, err)
		}
		if last == nil {
			last = errors.New("there is no address to try")
		}
		select {
		case <-ctx.Done():
			return nil, m, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(limit) {
			return nil, m, last
		}
	}
}

// hereTime is how long somebody who was called may take to say that he is here. Others who
// listen at one of the ports may say nothing, and rank 0 be at the next.
var hereTime = 3 * time.Second

func greet(ctx context.Context, addr string, h hello, limit time.Time) (_ *wire, m message, err error) {
	d := net.Dialer{Timeout: time.Second, Deadline: limit}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, m, err
	}
	w := newWire(conn)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	if _, err = w.expect(msgHere, time.Now().Add(hereTime)); err == nil {
		err = w.send(message{Kind: msgHello, Hello: &h})
	}
	if err == nil {
		// All must have come first.
		m, err = w.expect(msgWelcome, limit.Add(writeTime))
	}
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, m, err
	}
	return w, m, nil
}
