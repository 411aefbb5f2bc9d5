package mail

import (
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The bounds of a message.
const (
	MaxRecipients  = 100
	MaxAttachments = 5 << 20 // bytes in all
	maxBody        = 1 << 20 // bytes of HTML
	maxText        = 500     // bytes of a name, a subject or the value of a header
	maxHeaders     = 20
	maxEmail       = 254 // RFC 5321 4.5.3.1
	maxLocal       = 64
)

// CheckBody returns an error if what the view made is too long.
func (m *Message) CheckBody() error {
	if len(m.HTML) > maxBody {
		return fmt.Errorf("its HTML has %d bytes, and may have %d", len(m.HTML), maxBody)
	}
	return nil
}

// Check returns an error unless the message can be sent as it is, but for its body. It writes the
// domains of addresses in ASCII.
func (m *Message) Check() error {
	for _, list := range []struct {
		field     string
		addresses []Address
	}{{"From", []Address{m.From}}, {"To", m.To}, {"Cc", m.Cc}, {"Bcc", m.Bcc}, {"ReplyTo", m.ReplyTo}} {
		for i := range list.addresses {
			if err := list.addresses[i].check(); err != nil {
				return fmt.Errorf("%s: %w", list.field, err)
			}
		}
	}
	switch n := len(m.Recipients()); {
	case n == 0:
		return errors.New("it has no recipient: set To")
	case n > MaxRecipients:
		return fmt.Errorf("it has %d recipients, and may have %d: send each a mail of their own", n, MaxRecipients)
	case m.Subject == "":
		return errors.New("it has no Subject")
	}
	if err := checkLine(m.Subject); err != nil {
		return fmt.Errorf("Subject: %w", err)
	}
	if err := m.checkHeaders(); err != nil {
		return err
	}
	return m.checkAttachments()
}

// check checks an address, and writes its domain in ASCII.
func (a *Address) check() error {
	if err := checkLine(a.Name); err != nil {
		return fmt.Errorf("the name %w", err)
	}
	at := strings.LastIndexByte(a.Email, '@')
	if at < 0 {
		return fmt.Errorf("%q is not an address: it has no @", a.Email)
	}
	domain, err := idna.Lookup.ToASCII(a.Email[at+1:])
	if err != nil {
		return fmt.Errorf("%q is not an address: %w", a.Email, err)
	}
	email := a.Email[:at+1] + domain
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Name != "" || parsed.Address != email || checkLine(email) != nil || strings.ContainsAny(email, " \t\"()<>[],;:\\") {
		return fmt.Errorf("%q is not an address", a.Email)
	}
	if at > maxLocal || len(email) > maxEmail {
		return fmt.Errorf("%q is too long for an address", a.Email)
	}
	a.Email = email
	return nil
}

// checkLine returns an error unless text can be in a header.
func checkLine(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%q is not UTF-8", text)
	}
	if i := strings.IndexFunc(text, breaks); i >= 0 {
		return fmt.Errorf("%q holds a line break or another character that is not shown", text)
	}
	if len(text) > maxText {
		return fmt.Errorf("has %d bytes, and may have %d", len(text), maxText)
	}
	return nil
}

// breaks reports whether a character can end a line, or change how those around it are shown.
func breaks(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// own are the headers that a message has by its fields, or that servers add.
var own = map[string]bool{
	"From": true, "Sender": true, "To": true, "Cc": true, "Bcc": true, "Reply-To": true, "Subject": true, "Date": true, "Message-Id": true,
	"Mime-Version": true, "Return-Path": true, "Received": true, "Dkim-Signature": true, "User-Agent": true, "X-Mailer": true,
}

func (m *Message) checkHeaders() error {
	if len(m.Headers) > maxHeaders {
		return fmt.Errorf("it has %d further headers, and may have %d", len(m.Headers), maxHeaders)
	}
	for name, value := range m.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case name == "" || len(name) > 60 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "":
			return fmt.Errorf("Headers: %q is not the name of a header", name)
		case own[canonical] || strings.HasPrefix(canonical, "Content-") || strings.HasPrefix(canonical, "Resent-"):
			return fmt.Errorf("Headers: %s is set by the mail's fields, or by servers", name)
		}
		if err := checkLine(value); err != nil {
			return fmt.Errorf("Headers: %s %w", name, err)
		}
	}
	return nil
}

func (m *Message) checkAttachments() error {
	total := 0
	for _, a := range m.Attachments {
		total += len(a.Content)
		if err := checkLine(a.Name); err != nil {
			return fmt.Errorf("Attachments: the name %w", err)
		}
		if a.Name == "" || strings.ContainsAny(a.Name, `/\"`) {
			return fmt.Errorf("Attachments: %q is not the name of a file", a.Name)
		}
		if kind, _, err := mime.ParseMediaType(a.Type); a.Type != "" && (err != nil || checkLine(a.Type) != nil || !strings.Contains(kind, "/")) {
			return fmt.Errorf("Attachments: %q is not a type, like application/pdf", a.Type)
		}
	}
	if total > MaxAttachments {
		return fmt.Errorf("its attachments have %d bytes, and may have %d: link to larger files", total, MaxAttachments)
	}
	return nil
}

// ParseAddress reads an address as a setting has it: shop@example.com, or
// Shop <shop@example.com>.
func ParseAddress(text string) (Address, error) {
	parsed, err := mail.ParseAddress(text)
	if err != nil {
		return Address{}, fmt.Errorf("%q is not an address, like Shop <shop@example.com>", text)
	}
	a := Address{parsed.Name, parsed.Address}
	return a, a.check()
}
