// Package smtptest is a server of SMTP for tests, which replies as a test says.
package smtptest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Server knows the user ada with the password pw.
type Server struct {
	Addr        string         // "127.0.0.1:41234"
	Roots       *x509.CertPool // trust it
	Certificate []byte         // of Roots, as PEM

	Options Options
	listen  net.Listener
	tls     *tls.Config
	conns   sync.WaitGroup

	mu       sync.Mutex
	replies  map[string][]string // by the beginning of a command, in order; then 250
	changed  chan struct{}       // closed when there is another command or message
	commands []string
	messages []string
}

// Options are how a server is reached. The zero Options offer STARTTLS.
type Options struct {
	TLS   bool // from the beginning
	Plain bool // do not offer STARTTLS
}

// Start starts a server, which ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{Options: o, replies: map[string][]string{}, changed: make(chan struct{})}
	var cert tls.Certificate
	cert, s.Roots, s.Certificate = certificate(t)
	s.tls = &tls.Config{Certificates: []tls.Certificate{cert}}
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = listen.Addr().String()
	if s.listen = listen; o.TLS {
		s.listen = tls.NewListener(listen, s.tls)
	}
	s.conns.Go(func() {
		for {
			conn, err := s.listen.Accept()
			if err != nil {
				return
			}
			s.conns.Go(func() {
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = s.listen.Close()
		s.conns.Wait()
	})
	return s
}

// On adds replies to commands that begin with a text, each for one command; then the usual one
// follows. The command after a message is END. "drop" ends the connection, and "wait" never replies.
func (s *Server) On(command string, replies ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies[command] = append(s.replies[command], replies...)
}

// Seen returns the messages that the server has taken, and the commands that it has read.
func (s *Server) Seen() (messages, commands []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages), slices.Clone(s.commands)
}

// Await waits until what the server has seen is as done says.
func (s *Server) Await(t testing.TB, what string, done func(messages, commands []string) bool) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		s.mu.Lock()
		messages, commands, changed := slices.Clone(s.messages), slices.Clone(s.commands), s.changed
		s.mu.Unlock()
		if done(messages, commands) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("waited for %s; there are %d messages, and the commands %q", what, len(messages), commands)
		}
	}
}

// change notes that there is something new. The caller holds the lock.
func (s *Server) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// reply returns the reply to a command; "" is the usual one.
func (s *Server) reply(command string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, command)
	s.change()
	for begins, replies := range s.replies {
		if strings.HasPrefix(command, begins) && len(replies) > 0 {
			s.replies[begins] = replies[1:]
			return replies[0]
		}
	}
	return ""
}

func (s *Server) serve(conn net.Conn) {
	_, secure := conn.(*tls.Conn)
	in := bufio.NewReader(conn)
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 fake")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		command := strings.TrimSpace(line)
		reply := s.reply(command)
		switch verb, rest, _ := strings.Cut(command, " "); {
		case reply == "drop":
			return
		case reply == "wait":
			_, _ = io.Copy(io.Discard, in)
			return
		case reply != "":
			say(reply)
		case verb == "EHLO":
			say("250-fake")
			if !secure && !s.Options.Plain {
				say("250-STARTTLS")
			}
			say("250-8BITMIME")
			say("250-ENHANCEDSTATUSCODES")
			say("250 AUTH PLAIN")
		case verb == "STARTTLS":
			say("220 go on")
			inner := tls.Server(conn, s.tls)
			if inner.Handshake() != nil {
				return
			}
			conn, secure, in = inner, true, bufio.NewReader(inner)
		case verb == "AUTH":
			text, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
			if string(text) != "\x00ada\x00pw" {
				say("535 5.7.8 wrong password")
				continue
			}
			say("235 welcome")
		case verb == "DATA":
			say("354 go on")
			var message strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				message.WriteString(line)
			}
			if end := s.reply("END"); end != "" {
				if end == "drop" {
					return
				}
				say(end)
				continue
			}
			s.mu.Lock()
			s.messages = append(s.messages, message.String())
			s.change()
			s.mu.Unlock()
			say("250 2.0.0 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 2.0.0 ok")
		}
	}
}

// certificate makes a certificate for 127.0.0.1, and what trusts it.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
