package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/jobs"
	own "github.com/towerkit/tower/internal/mail"
	"github.com/towerkit/tower/internal/systemtest/smtptest"
)

func message() *own.Message {
	return &own.Message{From: own.Address{Name: "Shop", Email: "shop@example.com"}, To: []own.Address{{Name: "Ada, née Byron", Email: "ada@bücher.example"}},
		Cc: []own.Address{{Email: "bob@example.com"}}, Bcc: []own.Address{{Email: "secret@example.com"}}, ReplyTo: []own.Address{{Email: "help@example.com"}},
		Subject: "Grüße", HTML: "<p>Hällo</p>", Text: "Hällo\n", Headers: map[string]string{"List-Unsubscribe": "<https://example.com/u/1>"},
		Attachments: []own.Attachment{{Name: "größe.txt", Content: []byte("12")}}, Date: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)}
}

const id = "01JFAKE0000000000000000000"

func open(t *testing.T, f *smtptest.Server, address string) *server {
	t.Helper()
	s, err := parse(strings.ReplaceAll(address, "HOST", f.Addr))
	if err != nil {
		t.Fatal(err)
	}
	s.tls = &tls.Config{RootCAs: f.Roots}
	return s
}

func isPermanent(err error) bool {
	var permanent *jobs.Permanent
	return errors.As(err, &permanent)
}

func TestSend(t *testing.T) {
	for name, address := range map[string]string{"STARTTLS": "smtp://ada:pw@HOST", "TLS": "smtps://ada:pw@HOST", "plain": "smtp://HOST?tls=off"} {
		t.Run(name, func(t *testing.T) {
			f := smtptest.Start(t, smtptest.Options{TLS: name == "TLS"})
			if err := open(t, f, address).Send(t.Context(), message(), id); err != nil {
				t.Fatal(err)
			}
			messages, commands := f.Seen()
			if len(messages) != 1 {
				t.Fatalf("%d messages", len(messages))
			}
			all := strings.Join(commands, "\n")
			for _, want := range []string{"MAIL FROM:<shop@example.com>", "RCPT TO:<ada@xn--bcher-kva.example>", "RCPT TO:<bob@example.com>", "RCPT TO:<secret@example.com>"} {
				if !strings.Contains(all, want) {
					t.Errorf("no %s in\n%s", want, all)
				}
			}
			if strings.Contains(all, "AUTH") != (name != "plain") {
				t.Errorf("the commands are\n%s", all)
			}
			checkMessage(t, messages[0])
		})
	}
}

func checkMessage(t *testing.T, text string) {
	t.Helper()
	read, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	to, err := read.Header.AddressList("To")
	if err != nil || len(to) != 1 || to[0].Name != "Ada, née Byron" || to[0].Address != "ada@xn--bcher-kva.example" {
		t.Errorf("it is to %v, %v", to, err)
	}
	for name, want := range map[string]string{"Message-Id": "<01jfake0000000000000000000@example.com>", "List-Unsubscribe": "<https://example.com/u/1>", "Date": "Tue, 01 Dec 2026 09:00:00 +0000"} {
		if got := read.Header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if strings.Contains(text, "secret@") {
		t.Errorf("the blind copy is in\n%s", text)
	}
	for _, want := range []string{"text/plain", "text/html", "multipart/mixed", "multipart/alternative", `attachment`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestWhatTheServerRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		command, reply string
		permanent      bool
		words          string
	}{
		"an unknown recipient":         {"RCPT TO:<bob", "550 5.1.1 no such user here", true, "no such user here"},
		"a list of grey senders":       {"RCPT TO:<ada", "451 4.7.1 come back later", false, "come back later"},
		"a sender":                     {"MAIL", "553 5.1.8 not your domain", true, "not your domain"},
		"no user":                      {"MAIL", "530 5.7.0 sign in first", false, "sign in first"},
		"a message that is spam":       {"END", "554 5.7.1 spam", true, "spam"},
		"a message, as it is full":     {"END", "452 4.3.1 full", false, "full"},
		"a message, and then hangs up": {"END", "drop", false, ""},
		"everybody for now":            {"EHLO", "421 4.3.2 closing", false, "closing"},
		"a password":                   {"AUTH", "535 5.7.8 wrong password", false, "wrong password"},
		"a connection":                 {"MAIL", "drop", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := smtptest.Start(t, smtptest.Options{})
			f.On(test.command, test.reply)
			if test.command == "EHLO" {
				f.On("HELO", test.reply)
			}
			s := open(t, f, "smtp://ada:pw@HOST")
			err := s.Send(t.Context(), message(), id)
			if err == nil || isPermanent(err) != test.permanent || !strings.Contains(err.Error(), test.words) || !strings.Contains(err.Error(), s.String()) {
				t.Fatalf("the error is %v, permanent %t", err, isPermanent(err))
			}
			if strings.Contains(err.Error(), "pw@") {
				t.Errorf("%v holds the password", err)
			}
			if messages, _ := f.Seen(); len(messages) != 0 {
				t.Fatalf("%d messages were taken", len(messages))
			}
			if err := s.Send(t.Context(), message(), id); err != nil {
				t.Fatalf("the next try: %v", err)
			}
		})
	}
}

func TestWhatWasTakenIsSent(t *testing.T) {
	for _, command := range []string{"RSET", "QUIT"} {
		for _, reply := range []string{"drop", "421 4.3.2 closing", "500 what"} {
			f := smtptest.Start(t, smtptest.Options{})
			f.On(command, reply)
			if err := open(t, f, "smtp://ada:pw@HOST").Send(t.Context(), message(), id); err != nil {
				t.Errorf("%s, %s: %v", command, reply, err)
			}
		}
	}
}

func TestNoPasswordWithoutTLS(t *testing.T) {
	f := smtptest.Start(t, smtptest.Options{Plain: true})
	err := open(t, f, "smtp://ada:pw@HOST").Send(t.Context(), message(), id)
	if err == nil || isPermanent(err) {
		t.Errorf("without STARTTLS: %v", err)
	}
	g := smtptest.Start(t, smtptest.Options{})
	s := open(t, g, "smtp://ada:pw@HOST")
	s.tls = nil // what the system trusts, which is not the certificate
	if err := s.Send(t.Context(), message(), id); err == nil || isPermanent(err) {
		t.Errorf("with a certificate that nobody trusts: %v", err)
	}
	for _, f := range []*smtptest.Server{f, g} {
		if _, commands := f.Seen(); strings.Contains(strings.Join(commands, "\n"), "AUTH") {
			t.Errorf("the commands are %q", commands)
		}
	}
}

func TestAContextEndsASending(t *testing.T) {
	for _, command := range []string{"EHLO", "MAIL", "DATA"} {
		f := smtptest.Start(t, smtptest.Options{})
		f.On(command, "wait", "wait")
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan error, 1)
		go func() { sent <- open(t, f, "smtp://ada:pw@HOST").Send(ctx, message(), id) }()
		f.Await(t, command, func(_, commands []string) bool { return strings.Contains(strings.Join(commands, "\n"), command) })
		cancel()
		select {
		case err := <-sent:
			if err == nil || isPermanent(err) {
				t.Errorf("%s: %v", command, err)
			}
		case <-time.After(patience / 2):
			t.Fatalf("%s: it goes on", command)
		}
	}
}

func TestAddressesOfServers(t *testing.T) {
	for address, want := range map[string]string{
		"smtp://u:p@h.example": "smtp://h.example:587", "smtp://h:25?tls=off": "smtp://h:25", "smtps://u:p@h": "smtps://h:465", "smtp://u:p%40@[::1]:2525": "smtp://[::1]:2525",
	} {
		if s, err := parse(address); err != nil || s.String() != want {
			t.Errorf("%s is %v, %v", address, s, err)
		}
	}
	for _, address := range []string{"", "h:25", "http://h", "smtp://", "smtp://h/x", "smtp://h:99999", "smtp://h?tls=on", "smtp://h?x=1", "smtps://h?tls=off",
		"smtp://u:p@h?tls=off", "smtp://u@h", "smtp://u:pw%zz@h", "smtp://u:s e@h", "smtp://h#x"} {
		if s, err := parse(address); err == nil {
			t.Errorf("%q is %v", address, s)
		} else if strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: %v holds the password", address, err)
		}
	}
}
