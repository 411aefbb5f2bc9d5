package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// checking is how long [mail.Sender].Check waits.
const checking = 10 * time.Second

// Check connects to the server and signs in.
func (s *server) Check(ctx context.Context) (fix string, err error) {
	ctx, cancel := context.WithTimeout(ctx, checking)
	defer cancel()
	err = s.connect(ctx, func(*gomail.Client) error { return nil })
	return s.fix(err), s.failure(err)
}

// fix returns what to do about an error of connecting.
func (s *server) fix(err error) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var reply *textproto.Error
	var network net.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &certificate):
		return "write the name that the certificate is for as the host, or have the server renew it"
	case errors.As(err, &record):
		return "the server does not begin with TLS: write smtp:// in place of smtps://, with its port for STARTTLS, often 587"
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return "write smtps:// and its port for TLS, often 465; for a server on this machine, ?tls=off"
	case strings.Contains(err.Error(), "SMTP AUTH"), errors.As(err, &reply) && (reply.Code == 535 || reply.Code == 534):
		return "check the user and the password, escaped as %40 for @; many providers want a password made for programs"
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded):
		return "check the host and the port, and that a firewall or the provider of this machine lets it through; port 25 is often closed"
	}
	return "ask who runs the server"
}
