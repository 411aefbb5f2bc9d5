package transport

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A hijacker hijacks the connection of a writer that middleware may have wrapped, and counts
// the bytes that are read from it.
type hijacker struct {
	http.ResponseWriter
	conn Connection
}

// Hijack returns the connection.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	return &throttledConn{Conn: conn, client: h.conn}, buffered, err
}

// A throttledConn reads no faster than its client may send, whatever the bytes are: messages,
// control frames, or frames without content.
type throttledConn struct {
	net.Conn
	client  Connection
	reading sync.Mutex
	closed  atomic.Bool
}

func (c *throttledConn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	c.client.Throttle(n)
	return n, err
}

func (c *throttledConn) read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	return c.Conn.Read(p)
}

// lingering is the time that a client has to read the last message.
const lingering = time.Second

// Close ends reading and writing. It closes the connection when the client has, or after a
// second: if a connection is closed while its client is sending, the client's system drops
// what the client has not read yet, which would be the reason.
func (c *throttledConn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || c.Conn.SetDeadline(time.Unix(1, 0)) != nil || half.CloseWrite() != nil {
		return c.Conn.Close()
	}
	go c.drain()
	return nil
}

func (c *throttledConn) drain() {
	defer c.Conn.Close()
	c.reading.Lock()
	defer c.reading.Unlock()
	_ = c.Conn.SetReadDeadline(time.Now().Add(lingering))
	rest := make([]byte, 4<<10)
	for {
		n, err := c.Conn.Read(rest)
		if err != nil {
			return
		}
		c.client.Throttle(n)
	}
}
