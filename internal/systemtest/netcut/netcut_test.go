package netcut

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// echo starts a server that answers each line with the same line.
func echo(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // until the client is gone
			}()
		}
	}()
	return listener.Addr().String()
}

type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, p *Proxy) *client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) say(text string) { _, _ = io.WriteString(c.conn, text) } // what arrives is what matters

func (c *client) hears(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.in, got); err != nil || string(got) != want {
		c.t.Fatalf("it hears %q, %v; want %q", got, err, want)
	}
}

func (c *client) ends(with string) {
	c.t.Helper()
	rest, err := io.ReadAll(c.in)
	if string(rest) != with || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("it hears %q, %v; want %q and the end", rest, err, with)
	}
}

func (c *client) hearsNothing() {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := c.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("it hears %q, %v", b, err)
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Minute))
}

func TestCutAndDown(t *testing.T) {
	p := New(t, echo(t))
	a, b := dial(t, p), dial(t, p)
	a.say("one")
	a.hears("one")
	b.say("two")
	b.hears("two")
	p.Cut()
	a.ends("")
	b.ends("")
	c := dial(t, p)
	c.say("three")
	c.hears("three")
	p.Down()
	c.ends("")
	d := dial(t, p)
	d.ends("")
	p.Up()
	e := dial(t, p)
	e.say("four")
	e.hears("four")
}

func TestHalt(t *testing.T) {
	for _, d := range []Direction{ToServer, ToClient} {
		p := New(t, echo(t))
		a := dial(t, p)
		a.say("one")
		a.hears("one")
		p.Halt(d)
		a.say("two")
		a.hearsNothing()
		b := dial(t, p)
		b.say("new")
		b.hearsNothing()
		p.Flow()
		a.hears("two")
		b.hears("new")
		p.Halt(d)
		a.say("three")
		p.Cut()
		a.ends("")
	}
}

// TestTrap springs at each byte of an exchange, also where the text comes in pieces.
func TestTrap(t *testing.T) {
	const text = "BEGIN lock COMMIT end"
	at := strings.Index(text, "COMMIT")
	for _, pieces := range []int{1, 5, len(text)} {
		for after := range len(text) - at {
			for _, d := range []Direction{ToServer, ToClient} {
				p := New(t, echo(t))
				a := dial(t, p)
				a.say("COMMIT of before ")
				a.hears("COMMIT of before ")
				sprung := p.Trap(d, "COMMIT", after, p.Cut)
				for from := 0; from < len(text); from += (len(text) + pieces - 1) / pieces {
					a.say(text[from:min(from+(len(text)+pieces-1)/pieces, len(text))])
				}
				<-sprung
				heard, _ := io.ReadAll(a.in)
				most := text[:at+max(after, len("COMMIT")-1)]
				if !strings.HasPrefix(most, string(heard)) || pieces == 1 && len(heard) > at+after {
					t.Fatalf("%d pieces, after %d: %q was heard", pieces, after, heard)
				}
			}
		}
	}
}

// TestTrapThatHalts holds back the byte and all after it, and not the one before.
func TestTrapThatHalts(t *testing.T) {
	p := New(t, echo(t))
	a := dial(t, p)
	for after := range 5 {
		sprung := p.Trap(ToServer, "", after, func() { p.Halt(ToServer) })
		text := fmt.Sprint(after, "-hello")
		a.say(text)
		<-sprung
		a.hears(text[:after])
		a.hearsNothing()
		p.Flow()
		a.hears(text[after:])
	}
	p.Trap(ToServer, "", 0, p.Cut)
	p.Disarm()
	a.say("on")
	a.hears("on")
	if n := p.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestDelay(t *testing.T) {
	p := New(t, echo(t))
	a := dial(t, p)
	p.Delay(50 * time.Millisecond)
	begun := time.Now()
	a.say("slow")
	a.hears("slow")
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}
