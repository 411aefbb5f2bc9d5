// Package smtp writes messages and sends them by SMTP.
package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/mail"
)

// patience is how long a server may take to be reached, and then to take a message.
const patience = time.Minute

// Driver is the driver of package mail.
type Driver struct{}

// A server is one that an address names.
type server struct {
	host           string
	port           int
	user, password string
	implicit       bool        // TLS from the first byte
	plain          bool        // no TLS
	tls            *tls.Config // nil: what the system trusts
}

// Open returns what sends messages by the server at an address: smtp://user:password@host:587,
// which must offer STARTTLS, smtps://host for TLS from the beginning, at port 465, or
// smtp://host:25?tls=off for neither, and then without a user.
func (Driver) Open(address string) (mail.Sender, error) {
	s, err := parse(address)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func parse(address string) (*server, error) {
	u, err := url.Parse(address)
	if err != nil { // the error holds the address, which has a password
		return nil, errors.New("it is no address; write smtp://user:password@host:587, and escape what is special in them, as %40 for @")
	}
	s := &server{host: u.Hostname(), user: u.User.Username(), port: 587, implicit: u.Scheme == "smtps"}
	s.password, _ = u.User.Password()
	query := u.Query()
	s.plain = query.Get("tls") == "off"
	if s.implicit {
		s.port = 465
	}
	if text := u.Port(); text != "" {
		s.port, _ = strconv.Atoi(text)
	}
	query.Del("tls")
	switch {
	case u.Scheme != "smtp" && u.Scheme != "smtps":
		return nil, errors.New("it begins with smtp://, or smtps:// for TLS from the beginning")
	case s.host == "" || u.Path != "" && u.Path != "/" || u.Fragment != "":
		return nil, errors.New("it is like smtp://user:password@host:587")
	case s.port < 1 || s.port > 65535:
		return nil, fmt.Errorf("%d is not a port", s.port)
	case len(query) > 0 || u.Query().Has("tls") && !s.plain:
		return nil, errors.New("behind the ? there is nothing but tls=off")
	case s.plain && s.implicit:
		return nil, errors.New("smtps:// is TLS, and tls=off is none")
	case s.plain && u.User != nil:
		return nil, errors.New("a password is not sent without TLS: leave out tls=off, or the user")
	case u.User != nil && (s.user == "" || s.password == ""):
		return nil, errors.New("it has a user or a password, and not both")
	}
	return s, nil
}

// String names the server.
func (s *server) String() string {
	scheme := "smtp"
	if s.implicit {
		scheme = "smtps"
	}
	return scheme + "://" + net.JoinHostPort(s.host, strconv.Itoa(s.port))
}

// Send returns when the server has taken the message.
func (s *server) Send(ctx context.Context, m *mail.Message, id string) error {
	message, err := compose(m, id)
	if err != nil {
		return &jobs.Permanent{Err: err}
	}
	err = s.connect(ctx, func(client *gomail.Client) error { return client.Send(message) })
	if message.IsDelivered() {
		return nil // what failed then was only the end of the connection
	}
	return s.failure(err)
}

// connect calls do with a client that has signed in to the server. The connection breaks when
// ctx ends.
func (s *server) connect(ctx context.Context, do func(*gomail.Client) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	trust := s.tls.Clone()
	if trust == nil {
		trust = &tls.Config{}
	}
	trust.ServerName, trust.MinVersion = s.host, tls.VersionTLS12
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		if !s.implicit {
			return conn, nil
		}
		secure := tls.Client(conn, trust)
		return secure, secure.HandshakeContext(dialing)
	}
	policy := gomail.TLSMandatory
	if s.plain || s.implicit {
		policy = gomail.NoTLS
	}
	options := []gomail.Option{gomail.WithPort(s.port), gomail.WithTimeout(patience), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(trust), gomail.WithDialContextFunc(dial)}
	if s.user != "" {
		options = append(options, gomail.WithUsername(s.user), gomail.WithPassword(s.password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return do(client)
}

// failure returns an error with the name of the server. It is permanent if the server refuses
// the message itself: another try would be refused as well. What is wrong with the connection,
// or with the user, somebody may put right.
func (s *server) failure(err error) error {
	if err == nil {
		return nil
	}
	named := fmt.Errorf("%s: %w", s, err)
	var refused *gomail.SendError
	if errors.As(err, &refused) && refusedForGood(refused.ErrorCode()) {
		return &jobs.Permanent{Err: named}
	}
	return named
}

// refusedForGood reports whether a reply is about the message: not 530, 534, 535 and 538, which
// ask for another user or for TLS.
func refusedForGood(code int) bool {
	switch code {
	case 530, 534, 535, 538:
		return false
	}
	return code >= 500 && code < 600
}
