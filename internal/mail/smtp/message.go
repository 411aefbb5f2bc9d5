package smtp

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	stdmail "net/mail"
	"path"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/towerkit/tower/internal/mail"
)

// Write writes a message as it is sent.
func (Driver) Write(w io.Writer, m *mail.Message, id string) error {
	message, err := compose(m, id)
	if err != nil {
		return err
	}
	if _, err = message.WriteTo(w); err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	return nil
}

// compose returns a message with the Message-ID of its job.
func compose(m *mail.Message, id string) (*gomail.Msg, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	out.FromMailAddress(one(m.From))
	out.ToMailAddress(many(m.To)...)
	out.CcMailAddress(many(m.Cc)...)
	out.BccMailAddress(many(m.Bcc)...)
	out.ReplyToMailAddress(many(m.ReplyTo)...)
	out.Subject(m.Subject)
	out.SetDateWithValue(m.Date)
	_, domain, _ := strings.Cut(m.From.Email, "@")
	out.SetMessageIDWithValue(strings.ToLower(id) + "@" + domain)
	for name, value := range m.Headers {
		out.SetGenHeader(gomail.Header(name), value)
	}
	out.SetBodyString(gomail.TypeTextPlain, m.Text)
	out.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	for _, a := range m.Attachments {
		kind := a.Type
		if kind == "" {
			kind = mime.TypeByExtension(path.Ext(a.Name))
		}
		if kind == "" {
			kind = "application/octet-stream"
		}
		out.AttachReadSeeker(a.Name, bytes.NewReader(a.Content), gomail.WithFileContentType(gomail.ContentType(kind)))
	}
	return out, nil
}

func one(a mail.Address) *stdmail.Address {
	return &stdmail.Address{Name: a.Name, Address: a.Email}
}

func many(list []mail.Address) (out []*stdmail.Address) {
	for _, a := range list {
		out = append(out, one(a))
	}
	return out
}
