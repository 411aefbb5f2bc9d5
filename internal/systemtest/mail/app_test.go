package mail_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	_ "github.com/towerkit/tower/smtp"
	"github.com/towerkit/tower/towertest"
)

type Order struct {
	tower.Record
	Number string `json:"number"`
}

var Orders = tower.NewModel[Order]("orders")

var views = fstest.MapFS{
	"views/layouts/mail.html": {Data: []byte(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{.Subject}}</title></head><body>
<div style="max-width: 32rem; margin: 0 auto; padding: 24px; font-family: sans-serif">{{template "main" .}}<p style="color: #666">The shop</p></div></body></html>`)},
	"views/mail/receipt.html": {Data: []byte(`{{define "main"}}<h1>Order {{.Data.Number}}</h1><p>Thank you. <a href="{{.URL "/orders/1"}}">See your order</a>.</p>{{end}}`)},
	"views/mail/broken.html":  {Data: []byte(`{{define "main"}}{{.Data.Nothing}}{{end}}`)},
	"views/mail/plain.html":   {Data: []byte(`{{define "layout"}}none{{end}}{{define "main"}}<p>{{.Subject}}</p>{{end}}`)},
}

func config() tower.Config {
	return tower.Config{
		Name: "shop", Models: []tower.AnyModel{Orders}, Files: views, PublicURL: "https://shop.example",
		Routes: tower.NewRouter(func(context.Context, *tower.Connection) (struct{}, error) { return struct{}{}, nil }),
	}
}

func receipt(to string) *tower.Mail {
	return &tower.Mail{View: "mail/receipt.html", To: []tower.Address{{Name: "Ada", Email: to}}, Subject: "Your order", Data: &Order{Number: "N-1"}}
}

// order creates an order, and sends its receipt, in one transaction.
func order(ctx context.Context, db tower.DB, number, to string, fail error) (id tower.ID, err error) {
	err = db.Transaction(ctx, func(tx *tower.Tx) error {
		made := &Order{Number: number}
		if err := Orders.Create(ctx, tx, made); err != nil {
			return err
		}
		mail := receipt(to)
		mail.Data = made
		if id, err = mail.Send(ctx, tx); err != nil {
			return err
		}
		return fail
	})
	return id, err
}

// produce serves the application in production, which sends to a server.
func produce(t *testing.T, smtp string) *towertest.App {
	t.Helper()
	t.Setenv("TOWER_SECRET", "0123456789abcdefghijklmnopqrstuvwxyz-test")
	t.Setenv("TOWER_SMTP", smtp)
	t.Setenv("TOWER_MAIL_FROM", "Shop <shop@example.com>")
	c := config()
	c.Env, c.Data, c.Log, c.Hosts = "production", filepath.Join(t.TempDir(), "p.db"), slog.New(slog.NewTextHandler(t.Output(), nil)), []string{"*"}
	app, end := towertest.Serve(t, c)
	t.Cleanup(end)
	return app
}

// await waits until a job is as done says.
func await(t *testing.T, app *towertest.App, id tower.ID, state string) *tower.JobRecord {
	t.Helper()
	return awaitJob(t, app, id, state, func(job *tower.JobRecord) bool { return job.State == state })
}

func TestMain(m *testing.M) {
	if os.Getenv("MAIL_TEST_DATA") != "" {
		if err := beKilled(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func get(t *testing.T, app *towertest.App, path string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, readAll(t, answer.Body), answer.Header
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func awaitJob(t *testing.T, app *towertest.App, id tower.ID, what string, done func(*tower.JobRecord) bool) *tower.JobRecord {
	t.Helper()
	store := server.AppOf(app.App).Store()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for feed := store.Feed(store.Seq()); ; {
		job, err := tower.Jobs.Find(ctx, app, id)
		if err != nil {
			t.Fatal(err)
		}
		if done(job) {
			return job
		}
		if _, err := feed.Next(ctx); err != nil {
			t.Fatalf("waited for the job to be %s; it is %+v", what, job)
		}
	}
}
