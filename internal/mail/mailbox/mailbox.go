// Package mailbox is the page that shows, in development, the mail that would have been sent.
package mailbox

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/jobs"
	"github.com/towerkit/tower/internal/mail"
	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/store"
)

// Path is where the mailbox is served, and below.
const Path = "/_tower/mail"

// most is how many messages the mailbox lists.
const most = 200

// A Mailbox shows the messages in an application's jobs. Its methods are safe for concurrent
// use, and those of a nil one do nothing.
type Mailbox struct {
	table *jobs.Table
	mux   *http.ServeMux
	fail  func(http.ResponseWriter, *http.Request, error)
	store *store.Store
	ctx   context.Context // ends when the mailbox closes
	close context.CancelFunc
}

// New returns a mailbox of the jobs in a table. Open must be called before it serves.
func New(table *jobs.Table) *Mailbox {
	m := &Mailbox{table: table, mux: http.NewServeMux()}
	m.ctx, m.close = context.WithCancel(context.Background())
	m.handle("GET "+Path, m.page)
	m.handle("GET "+Path+"/events", m.events)
	m.handle("GET "+Path+"/{id}", m.page)
	m.handle("GET "+Path+"/{id}/html", m.html)
	m.handle("GET "+Path+"/{id}/attachments/{n}", m.attachment)
	m.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { m.fail(w, r, notFound(r)) })
	return m
}

// Open has the mailbox read a store. fail answers a request with an error.
func (m *Mailbox) Open(s *store.Store, fail func(http.ResponseWriter, *http.Request, error)) {
	if m != nil {
		m.store, m.fail = s, fail
	}
}

// Close ends the streams of events.
func (m *Mailbox) Close() {
	if m != nil {
		m.close()
	}
}

// ServeHTTP serves the mailbox.
func (m *Mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

func (m *Mailbox) handle(pattern string, serve func(http.ResponseWriter, *http.Request) error) {
	m.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := serve(w, r); err != nil {
			m.fail(w, r, err)
		}
	})
}

func notFound(r *http.Request) error {
	return fault.Errorf(fault.NotFound, "there is no %s", r.URL.Path)
}

// A letter is a message with its job.
type letter struct {
	*mail.Message
	Job jobs.Job
}

func (m *Mailbox) read(job jobs.Job) (*letter, error) {
	l := &letter{Message: &mail.Message{}, Job: job}
	if err := json.Unmarshal(job.Args, l.Message); err != nil {
		return nil, fmt.Errorf("decode the message of the job %s: %w", job.ID, err)
	}
	return l, nil
}

// newest returns the newest messages.
func (m *Mailbox) newest(ctx context.Context) (all []*letter, err error) {
	var failed error
	err = m.store.View(ctx, func(snap *store.Snapshot) error {
		return m.table.Newest(snap, mail.Job, func(job jobs.Job) bool {
			var l *letter
			if l, failed = m.read(job); failed != nil {
				return false
			}
			all = append(all, l)
			return len(all) < most
		})
	})
	return all, errors.Join(failed, err)
}

// find returns the message that a request names.
func (m *Mailbox) find(r *http.Request) (found *letter, err error) {
	id, err := record.ParseID(r.PathValue("id"))
	if err != nil {
		return nil, notFound(r)
	}
	err = m.store.View(r.Context(), func(snap *store.Snapshot) error {
		job, err := m.table.Find(snap, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && job.Name != mail.Job {
			return notFound(r)
		}
		if err == nil {
			found, err = m.read(job)
		}
		return err
	})
	return found, err
}

// page shows the list, and a message if the request names one.
func (m *Mailbox) page(w http.ResponseWriter, r *http.Request) error {
	v := view{Nonce: rand.Text(), Show: r.URL.Query().Get("show"), Path: Path, Now: m.store.Now()}
	var err error
	if v.Letters, err = m.newest(r.Context()); err != nil {
		return err
	}
	if r.PathValue("id") != "" {
		if v.Open, err = m.find(r); err != nil {
			return err
		}
	}
	switch v.Show {
	case "text":
	case "source":
		if v.Open != nil {
			var source strings.Builder
			if err := mail.Installed.Write(&source, v.Open.Message, string(v.Open.Job.ID)); err != nil {
				return err
			}
			v.Source = strings.ReplaceAll(source.String(), "\r\n", "\n")
		}
	default:
		v.Show = "html"
	}
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; style-src 'nonce-"+v.Nonce+"'; script-src 'nonce-"+v.Nonce+"'")
	_, _ = w.Write(out.Bytes()) // the client may be gone
	return nil
}

// html serves the HTML of a message, which can run nothing and reach nothing of the application.
func (m *Mailbox) html(w http.ResponseWriter, r *http.Request) error {
	l, err := m.find(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data: http: https:; style-src 'unsafe-inline'; frame-ancestors 'self'")
	_, _ = w.Write([]byte(withTarget(l.HTML)))
	return nil
}

// withTarget has the links of HTML open windows of their own.
func withTarget(html string) string {
	const base = `<base target="_blank">`
	if at := strings.Index(strings.ToLower(html), "<head>"); at >= 0 {
		at += len("<head>")
		return html[:at] + base + html[at:]
	}
	return base + html
}

func (m *Mailbox) attachment(w http.ResponseWriter, r *http.Request) error {
	l, err := m.find(r)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(l.Attachments) {
		return notFound(r)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": l.Attachments[n].Name}))
	_, _ = w.Write(l.Attachments[n].Content)
	return nil
}

// events sends an event whenever a message may have come or changed.
func (m *Mailbox) events(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()
	w.Header().Set("Content-Type", "text/event-stream")
	to := http.NewResponseController(w)
	feed := m.store.Feed(m.store.Seq())
	for changed := true; ; {
		if changed {
			if _, err := fmt.Fprint(w, "data: changed\n\n"); err != nil || to.Flush() != nil {
				return nil // the client is gone
			}
		}
		commit, err := feed.Next(ctx)
		if err != nil {
			return nil // so is the client, or the application closes
		}
		changed = false
		for i := range commit.Changes {
			changed = changed || commit.Changes[i].Model == m.table.Model
		}
	}
}

//go:embed page.html
var pageSource string

var page = template.Must(template.New("mailbox").Funcs(template.FuncMap{"size": size, "initial": initial, "ago": ago, "state": state}).Parse(pageSource))

// A view is what the page shows.
type view struct {
	Path, Nonce string
	Now         time.Time
	Letters     []*letter
	Open        *letter // nil: none
	Show        string  // html, text or source
	Source      string
}

func size(content []byte) string {
	switch n := len(content); {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
}

// initial returns the letter that stands for a recipient.
func initial(to []mail.Address) string {
	for _, a := range to {
		for _, r := range a.Name + a.Email {
			return strings.ToUpper(string(r))
		}
	}
	return "?"
}

// ago returns when a message was made, short.
func ago(now, at time.Time) string {
	switch d := now.Sub(at); {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return at.Local().Format("2 Jan")
	}
}

// state says what would have become of a message so far, "" if it would have been sent.
func state(now time.Time, job jobs.Job) string {
	switch {
	case job.State == jobs.Waiting && job.Due.After(now):
		return "to be sent " + job.Due.Local().Format("2 Jan, 15:04")
	case job.State == jobs.Done:
		return ""
	}
	return job.State
}
