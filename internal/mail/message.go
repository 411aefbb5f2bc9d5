// Package mail describes messages, checks them, and is where an application finds what writes
// and sends them: package smtp sets Installed. So an application that does not import that
// links nothing of it.
package mail

import (
	"context"
	"io"
	"slices"
	"time"
)

// The job that sends a message, and its queue.
const (
	Job   = "tower_mail"
	Queue = "mail"
)

// A Message is a mail, complete but for its Message-ID. It is the argument of its job.
type Message struct {
	View        string            `json:"view"`
	From        Address           `json:"from"`
	To          []Address         `json:"to,omitempty"`
	Cc          []Address         `json:"cc,omitempty"`
	Bcc         []Address         `json:"bcc,omitempty"`
	ReplyTo     []Address         `json:"replyTo,omitempty"`
	Subject     string            `json:"subject"`
	Headers     map[string]string `json:"headers,omitempty"`
	HTML        string            `json:"html"`
	Text        string            `json:"text"`
	Attachments []Attachment      `json:"attachments,omitempty"`
	Date        time.Time         `json:"date"`
}

// An Address is a mailbox, with the name of who has it; "": none.
type Address struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email"`
}

// An Attachment is a file of a message.
type Attachment struct {
	Name    string `json:"name"`
	Type    string `json:"type,omitempty"` // "": by the name
	Content []byte `json:"content"`
}

// Recipients returns all addresses that a message goes to.
func (m *Message) Recipients() []Address { return slices.Concat(m.To, m.Cc, m.Bcc) }

// A Driver writes and sends messages.
type Driver interface {
	// Open returns what sends messages by a server, like smtp://user:password@host:587. It
	// connects to nothing yet.
	Open(address string) (Sender, error)
	// Text returns the text of a mail that is HTML.
	Text(html string) (string, error)
	// Write writes a message as it is sent. Its recipients in blind copy are not in it. id is
	// that of its job.
	Write(w io.Writer, m *Message, id string) error
}

// A Sender sends messages.
type Sender interface {
	// Send returns when the server has taken the message. The error is a [*jobs.Permanent]
	// if the server refuses the message for good.
	Send(ctx context.Context, m *Message, id string) error
	// Check connects to the server and signs in, and sends nothing. If that fails, fix says what to do.
	Check(ctx context.Context) (fix string, err error)
	// String names the server. It holds no secret.
	String() string
}

// Installed is the driver of this program, nil if it sends no mail.
var Installed Driver

// Settings are how an application sends mail.
type Settings struct {
	From   Address
	URL    string // where people reach the application; "": not known
	Sender Sender // nil: nothing leaves
}
