package towertest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
)

// Mail is what an application in a test has sent, of which nothing leaves. A mail is there as
// soon as the transaction that sends it has committed: its job need not run.
type Mail struct{ app *App }

// Mail returns the application's mail.
func (a *App) Mail() Mail { return Mail{a} }

// A Message is a mail that the application has sent.
type Message struct {
	From                 tower.Address
	To, Cc, Bcc, ReplyTo []tower.Address
	Subject              string
	HTML, Text           string
	Headers              map[string]string
	Attachments          []tower.Attachment
	Job                  tower.ID // of the job that sends it
}

// seen are the messages that Wait has returned.
type seen struct {
	mu  sync.Mutex
	ids map[tower.ID]bool
}

// Wait waits for a mail to an address, in To, Cc or Bcc: the oldest that no Wait has returned
// before. It fails the test after a minute, with the mail that there is instead.
func (m Mail) Wait(t testing.TB, to string) *Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	store := server.AppOf(m.app.App).Store()
	for feed := store.Feed(store.Seq()); ; {
		all := m.All(t)
		for _, message := range all {
			if message.isTo(to) && m.app.seen.add(message.Job) {
				return message
			}
		}
		if _, err := feed.Next(ctx); err != nil {
			var there []string
			for _, message := range all {
				there = append(there, message.Subject+", to "+strings.Join(message.recipients(), ", "))
			}
			t.Fatalf("there is no further mail to %s: %v; there is\n%s", to, err, strings.Join(there, "\n"))
		}
	}
}

// All returns all mail, oldest first.
func (m Mail) All(t testing.TB) (all []*Message) {
	t.Helper()
	job := tower.Jobs.Fields
	records, err := tower.Jobs.Where(tower.Is(&job.Job, "tower_mail")).Asc(&job.CreatedAt).Records(t.Context(), m.app)
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		message := &Message{Job: record.ID}
		if err := json.Unmarshal(record.Args, message); err != nil {
			t.Fatal(err)
		}
		all = append(all, message)
	}
	return all
}

// isTo reports whether an address is among the recipients.
func (m *Message) isTo(email string) bool {
	return slices.ContainsFunc(m.recipients(), func(other string) bool { return strings.EqualFold(other, email) })
}

func (m *Message) recipients() (all []string) {
	for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
		all = append(all, a.Email)
	}
	return all
}

// add reports whether a message is new, and remembers it.
func (s *seen) add(id tower.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids[id] {
		return false
	}
	s.ids[id] = true
	return true
}
