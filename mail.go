package tower

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/towerkit/tower/internal/environ"
	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/mail"
	"github.com/towerkit/tower/internal/mail/mailbox"
	"github.com/towerkit/tower/internal/server"
)

// A Mail is a message from a view, below views/mail/. A function that makes one is how an
// application declares what it sends:
//
//	func Welcome(user *models.User) *tower.Mail {
//		return &tower.Mail{
//			View:    "mail/welcome.html",
//			To:      []tower.Address{{Name: user.Name, Email: user.Email}},
//			Subject: "Welcome",
//			Data:    user,
//		}
//	}
//
// The view is HTML; the text of the mail is derived from it. Its template sees a [MailView]
// as ".". Its layout is views/layouts/mail.html, unless it defines another as pages do.
//
// The program imports package smtp, by which mail is sent:
//
//	import _ "github.com/towerkit/tower/smtp"
//
// In production, mail goes to the server TOWER_SMTP. In development nothing leaves:
// /_tower/mail shows it. In a test, Mail of towertest awaits it.
type Mail struct {
	View        string
	From        Address // default: TOWER_MAIL_FROM
	To, Cc, Bcc []Address
	ReplyTo     []Address
	Subject     string
	Data        any               // for the view
	Headers     map[string]string // such as List-Unsubscribe
	Attachments []Attachment      // at most 5 MiB in all
}

// An Address is a mailbox. A domain may be in any script.
type Address struct {
	Name  string // of who has it; "": none
	Email string
}

// An Attachment is a file that is sent with a [Mail].
type Attachment struct {
	Name    string // "invoice.pdf"
	Type    string // "application/pdf"; default: by the name
	Content []byte
}

// A MailView is what the template of a [Mail] sees as ".".
type MailView struct {
	Data    any    // of the mail
	Subject string // of the mail

	base string
}

// URL returns the whole address of a path of the application: "/orders/1" is
// "https://example.com/orders/1". It is an error in production if the application does not
// know its address: set TOWER_URL.
func (v *MailView) URL(path string) (string, error) {
	switch {
	case !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//"):
		return "", fmt.Errorf("URL %q: a path begins with one slash", path)
	case v.base == "":
		return "", errors.New("the application does not know its address: set TOWER_URL")
	}
	return strings.TrimSuffix(v.base, "/") + path, nil
}

// Send renders the mail and enqueues the job that sends it, and returns the id of the job. With
// a [Tx], the job is part of that transaction. The options are those of a job: with [Delay] it
// is sent later, as it was rendered, and [For] says whom it is for.
//
// The error says what cannot be sent: an address or a header that is none, such as one with a
// line break, more than 100 recipients, a view that fails. Then there is no job.
//
// If the server cannot be reached, or refuses the mail for now, the job is tried again, as
// [Job.Do] describes. If it refuses the mail for good, the job is dead at once, with the words of
// the server as its error. If the process ends just when the server has taken the mail, it is
// sent again, with the same Message-ID.
func (m *Mail) Send(ctx context.Context, db DB, options ...JobOption) (id ID, err error) {
	o := jobs.Options{Queue: mail.Queue, Priority: jobs.DefaultPriority, MaxAttempts: jobs.DefaultAttempts}
	for _, option := range options {
		option.set(&o)
	}
	err = db.db().Transaction(ctx, func(tx *server.Tx) error {
		message, err := m.compose(tx)
		if err != nil {
			return err
		}
		args, err := json.Marshal(message)
		if err != nil {
			return err
		}
		id, err = jobTable.Enqueue(ctx, tx.Tx, mail.Job, args, o)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("send %s: %w", m.View, codedError(err))
	}
	return id, nil
}

// compose returns the message that the mail is.
func (m *Mail) compose(tx *server.Tx) (*mail.Message, error) {
	if mail.Installed == nil {
		return nil, errors.New(`this program sends no mail: add import _ "github.com/towerkit/tower/smtp"`)
	}
	settings := tx.App.Config().Mail
	out := &mail.Message{View: m.View, From: cmp.Or(mail.Address(m.From), settings.From), To: addresses(m.To), Cc: addresses(m.Cc), Bcc: addresses(m.Bcc),
		ReplyTo: addresses(m.ReplyTo), Subject: m.Subject, Headers: m.Headers, Date: tx.Now()}
	for _, a := range m.Attachments {
		out.Attachments = append(out.Attachments, mail.Attachment(a))
	}
	if err := out.Check(); err != nil {
		return nil, err
	}
	view := &MailView{Data: m.Data, Subject: m.Subject, base: settings.URL}
	if tx.App.Env() != "production" {
		view.base = cmp.Or(view.base, tx.App.Config().URL, "http://localhost")
	}
	var err error
	if out.HTML, err = tx.App.RenderMail(m.View, view); err != nil {
		return nil, err
	}
	if out.Text, err = mail.Installed.Text(out.HTML); err != nil {
		return nil, err
	}
	return out, out.CheckBody()
}

func addresses(list []Address) (out []mail.Address) {
	for _, a := range list {
		out = append(out, mail.Address(a))
	}
	return out
}

// sendMail is the work of the job that sends a message.
var sendMail = Work{mail.Job, func(app *App) jobs.Handler {
	return func(ctx context.Context, args json.RawMessage) error {
		sender := app.app.Config().Mail.Sender
		if sender == nil {
			return nil // nothing leaves
		}
		var message mail.Message
		if err := json.Unmarshal(args, &message); err != nil {
			return fmt.Errorf("decode the message: %w", err)
		}
		return sender.Send(ctx, &message, string(jobs.Of(ctx).ID()))
	}
}}

// readMail reads how mail is sent, if the program does. Nothing leaves but in production.
func readMail(out *server.Config, vars *environ.Environment) error {
	if mail.Installed == nil {
		return nil
	}
	var problems []error
	from := vars.Get("TOWER_MAIL_FROM")
	out.Mail.From = mail.Address{Name: out.Name, Email: "mail@localhost"}
	if from != "" {
		var err error
		if out.Mail.From, err = mail.ParseAddress(from); err != nil {
			problems = append(problems, fmt.Errorf("TOWER_MAIL_FROM: %w", err))
		}
	}
	out.Mail.URL = out.URL
	address := vars.Get("TOWER_SMTP")
	switch {
	case out.Env == "development":
		out.Mailbox = mailbox.New(jobTable)
	case out.Env == "production" && address == "":
		problems = append(problems, errors.New("TOWER_SMTP is not set; it is the server that sends mail, like smtp://user:password@smtp.example.com:587"))
	}
	if out.Env == "production" && from == "" {
		problems = append(problems, errors.New("TOWER_MAIL_FROM is not set; it is whom mail is from, like Shop <shop@example.com>"))
	}
	if address != "" {
		sender, err := mail.Installed.Open(address)
		if err != nil {
			problems = append(problems, fmt.Errorf("TOWER_SMTP: %w", err))
		} else if out.Env == "production" {
			out.Mail.Sender = sender
		}
	}
	return errors.Join(problems...)
}
