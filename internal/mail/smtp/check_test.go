package smtp

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/systemtest/smtptest"
)

// What is wrong with the address of a server is found without sending anything.
func TestCheck(t *testing.T) {
	starttls, plain, implicit := smtptest.Start(t, smtptest.Options{}), smtptest.Start(t, smtptest.Options{Plain: true}), smtptest.Start(t, smtptest.Options{TLS: true})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	for _, c := range []struct {
		address string
		trust   *smtptest.Server // nil: what the system trusts
		fix     string           // "": nothing is wrong
	}{
		{"smtp://ada:pw@" + starttls.Addr, starttls, ""},
		{"smtps://ada:pw@" + implicit.Addr, implicit, ""},
		{"smtp://" + plain.Addr + "?tls=off", nil, ""},
		{"smtp://ada:not-the-password@" + starttls.Addr, starttls, "check the user and the password"},
		{"smtp://ada:pw@" + starttls.Addr, nil, "the certificate is for"},
		{"smtp://ada:pw@" + plain.Addr, plain, "write smtps://"},
		{"smtps://ada:pw@" + starttls.Addr, starttls, "write smtp:// in place of smtps://"},
		{"smtp://ada:pw@" + nobody, nil, "check the host and the port"},
	} {
		s, err := parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		if c.trust != nil {
			s.tls = &tls.Config{RootCAs: c.trust.Roots}
		}
		fix, err := s.Check(t.Context())
		if (err == nil) != (c.fix == "") || !strings.Contains(fix, c.fix) || err != nil && strings.Contains(err.Error(), "not-the-password") {
			t.Errorf("%s: %q, %v; want %q", c.address, fix, err, c.fix)
		}
	}
	for _, server := range []*smtptest.Server{starttls, plain, implicit} {
		if messages, _ := server.Seen(); len(messages) > 0 {
			t.Errorf("it sent %q", messages)
		}
	}
}
