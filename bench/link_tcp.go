package bench

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// tcpLink is a link without RDMA: two TCP connections, one for the messages of
// each side, and a mock CQ that the goroutines of this process complete into. It
// behaves as a reliable queue pair does. A send completes when the other side
// says that it has the message; one that finds no receive posted waits; a side
// whose peer has gone learns it from its next send.
//
// Each side dials the other for its own messages. The first 8 bytes are the key
// of the other side's address, then come messages of the same size; back come
// running counts of those taken, 8 bytes each.
//
// Concurrency: as every link; its three goroutines end with setError or close.
type tcpLink struct {
	c    *mock.CQ
	ln   net.Listener
	key  uint64
	size int
	mem  []byte
	done sync.WaitGroup
	end  chan struct{} // closed by flush

	mu           sync.Mutex // guards all below
	work         sync.Cond  // something was posted, or it is over
	sends, recvs tcpQueue
	written      uint64   // sends that the kernel has
	acked        uint64   // sends that the peer has
	out, in      net.Conn // nil: not connected
	dead         bool     // the peer has gone: the next send fails
	over         bool     // in error: everything is flushed
}

// tcpQueue is one of the two queues: the requests from done to posted wait.
type tcpQueue struct {
	wrids        []uint64 // of each slot
	posted, done uint64
	wcs          []hwcq.WC
}

const tcpDialTime = 10 * time.Second

func openTCPLink(c linkConfig) (link, error) {
	q, err := mock.New(mock.Config{Depth: c.depth})
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		return nil, errors.Join(err, q.Close())
	}
	var key [8]byte
	_, _ = rand.Read(key[:]) // never fails
	l := &tcpLink{
		c: q, ln: ln, key: binary.LittleEndian.Uint64(key[:]), size: c.size, mem: make([]byte, (c.sends+c.recvs)*c.size),
		sends: newTCPQueue(c.sends), recvs: newTCPQueue(c.recvs), end: make(chan struct{}),
	}
	l.work.L = &l.mu
	return l, nil
}

func newTCPQueue(slots int) tcpQueue {
	return tcpQueue{wrids: make([]uint64, slots), wcs: make([]hwcq.WC, slots)}
}

func (l *tcpLink) cq() hwcq.CQ      { return l.c }
func (l *tcpLink) qpNum() uint32    { return 1 } // of this CQ
func (l *tcpLink) overruns() uint64 { return l.c.Overruns() }

func (l *tcpLink) address() (Address, error) {
	return Address{Port: l.ln.Addr().(*net.TCPAddr).Port, Key: l.key}, nil
}

func (l *tcpLink) sendSlot(i int) []byte { return l.mem[i*l.size:][:l.size] }
func (l *tcpLink) recvSlot(i int) []byte { return l.mem[(len(l.sends.wrids)+i)*l.size:][:l.size] }

func (l *tcpLink) connect(peer Address, ack time.Duration, retries int) error {
	d := net.Dialer{Timeout: tcpDialTime}
	conn, err := d.DialContext(context.Background(), "tcp", net.JoinHostPort(peer.host, strconv.Itoa(peer.Port)))
	if err != nil {
		return err
	}
	if _, err := conn.Write(binary.LittleEndian.AppendUint64(nil, peer.Key)); err != nil {
		return errors.Join(err, conn.Close())
	}
	l.mu.Lock()
	l.out = conn
	l.mu.Unlock()
	l.done.Go(l.write)
	l.done.Go(func() { l.acks(conn) })
	l.done.Go(l.receive)
	l.done.Go(func() { l.watch(ack, retries) })
	return nil
}

func (l *tcpLink) postSends(first, n int, wrid uint64) (int, error) {
	return l.post(&l.sends, first, n, wrid), nil
}

func (l *tcpLink) postRecvs(first, n int, wrid uint64) (int, error) {
	return l.post(&l.recvs, first, n, wrid), nil
}

// post takes requests: those of a node are for the slots in turn.
func (l *tcpLink) post(q *tcpQueue, first, n int, wrid uint64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range n {
		q.wrids[first+i] = wrid + uint64(i)
	}
	q.posted += uint64(n)
	switch {
	case l.over:
		l.complete(q, n, hwcq.StatusWRFlushErr)
	case l.dead && q == &l.sends:
		l.fail()
	}
	l.work.Broadcast()
	return n
}

// complete ends the n oldest requests of a queue. Under mu.
func (l *tcpLink) complete(q *tcpQueue, n int, st hwcq.Status) {
	op := hwcq.OpSend
	if q == &l.recvs {
		op = hwcq.OpRecv
	}
	for i := range n {
		wrid := q.wrids[(q.done+uint64(i))%uint64(len(q.wrids))]
		q.wcs[i] = hwcq.WC{WRID: wrid, Status: st, Opcode: op, ByteLen: uint32(l.size), QPNum: l.qpNum()}
	}
	q.done += uint64(n)
	// Only of a closed CQ, whose completions nobody wants; those dropped are counted.
	_, _ = l.c.CompleteN(q.wcs[:n], false)
}

// fail ends the connection as a request without an answer does: the oldest send
// fails, if there is one, and all others are flushed. Under mu.
func (l *tcpLink) fail() {
	if l.over {
		return
	}
	if l.sends.posted > l.sends.done {
		l.complete(&l.sends, 1, hwcq.StatusRetryExcErr)
	}
	l.flush()
}

// flush moves the queue pair to the error state. Under mu.
func (l *tcpLink) flush() {
	l.over = true
	close(l.end)
	for _, q := range []*tcpQueue{&l.sends, &l.recvs} {
		l.complete(q, int(q.posted-q.done), hwcq.StatusWRFlushErr)
	}
	l.work.Broadcast()
	_ = l.ln.Close()
	for _, c := range []net.Conn{l.out, l.in} {
		if c != nil {
			_ = c.Close()
		}
	}
}

// lost is for a peer that has gone.
func (l *tcpLink) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	if l.sends.posted > l.sends.done {
		l.fail()
	}
}

// write sends what is posted, as much as there is in one piece.
func (l *tcpLink) write() {
	l.mu.Lock()
	defer l.mu.Unlock()
	slots := uint64(len(l.sends.wrids))
	for {
		for !l.over && l.written == l.sends.posted {
			l.work.Wait()
		}
		if l.over {
			return
		}
		first := l.written % slots
		n := min(l.sends.posted-l.written, slots-first)
		b := l.mem[int(first)*l.size : int(first+n)*l.size]
		conn := l.out
		l.mu.Unlock()
		_, err := conn.Write(b)
		l.mu.Lock()
		if err != nil {
			l.mu.Unlock()
			l.lost()
			l.mu.Lock()
			return
		}
		l.written += n
		l.settle()
	}
}

// settle completes the sends that the peer has, and that write is through with.
// Under mu.
func (l *tcpLink) settle() {
	if n := min(l.acked, l.written); !l.over && n > l.sends.done {
		l.complete(&l.sends, int(n-l.sends.done), hwcq.StatusSuccess)
	}
}

// acks reads how many messages the peer has.
func (l *tcpLink) acks(conn net.Conn) {
	r := bufio.NewReader(conn)
	var b [8]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			l.lost()
			return
		}
		if r.Buffered() >= len(b) {
			continue // a later count is there
		}
		n := binary.LittleEndian.Uint64(b[:])
		l.mu.Lock()
		ok := n >= l.acked && n <= l.sends.posted
		if ok {
			l.acked = n
			l.settle()
		}
		l.mu.Unlock()
		if !ok {
			l.lost() // it speaks something else
			return
		}
	}
}

// receive awaits the peer's connection, and puts its messages into the receives.
func (l *tcpLink) receive() {
	conn := l.accept()
	if conn == nil {
		return
	}
	const most = 256 // messages taken before the peer hears of them
	r := bufio.NewReaderSize(conn, 64<<10)
	taken, free := uint64(0), 0
	var b [8]byte
	for {
		for fresh := 0; ; {
			if free == 0 || fresh > 0 && (r.Buffered() < l.size || fresh == most) {
				if fresh > 0 {
					l.mu.Lock()
					if !l.over {
						l.complete(&l.recvs, fresh, hwcq.StatusSuccess)
					}
					l.mu.Unlock()
					binary.LittleEndian.PutUint64(b[:], taken)
					if _, err := conn.Write(b[:]); err != nil {
						return // our sends will tell
					}
				}
				break
			}
			if _, err := io.ReadFull(r, l.recvSlot(int(taken%uint64(len(l.recvs.wrids))))); err != nil {
				return
			}
			taken++
			fresh++
			free--
		}
		l.mu.Lock()
		for !l.over && l.recvs.posted == taken {
			l.work.Wait()
		}
		free = int(l.recvs.posted - taken)
		over := l.over
		l.mu.Unlock()
		if over {
			return
		}
	}
}

// accept returns the connection of the peer; nil: it is over.
func (l *tcpLink) accept() net.Conn {
	for {
		conn, err := l.ln.Accept()
		if err != nil {
			return nil
		}
		var b [8]byte
		_ = conn.SetReadDeadline(time.Now().Add(tcpDialTime))
		if _, err := io.ReadFull(conn, b[:]); err != nil || binary.LittleEndian.Uint64(b[:]) != l.key {
			_ = conn.Close() // somebody else
			continue
		}
		_ = conn.SetReadDeadline(time.Time{})
		l.mu.Lock()
		l.in = conn
		over := l.over
		l.mu.Unlock()
		if over {
			_ = conn.Close()
			return nil
		}
		return conn
	}
}

// watch finds a peer that is silent while sends wait, as when a cable is cut.
// Ticks are counted, not time: after this process was stopped for a while the
// peer gets its chance.
func (l *tcpLink) watch(ack time.Duration, retries int) {
	tick := time.NewTicker(max(ack/2, time.Millisecond))
	defer tick.Stop()
	last, idle := uint64(0), 0
	for {
		select {
		case <-l.end:
			return
		case <-tick.C:
		}
		l.mu.Lock()
		waiting, acked := l.sends.posted > l.sends.done, l.acked
		l.mu.Unlock()
		if !waiting || acked != last {
			last, idle = acked, 0
		} else if idle++; idle > 2*(retries+1) {
			l.lost()
			return
		}
	}
}

func (l *tcpLink) setError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.flush()
	}
	return nil
}

func (l *tcpLink) close() error {
	_ = l.setError()
	l.done.Wait()
	return l.c.Close()
}
