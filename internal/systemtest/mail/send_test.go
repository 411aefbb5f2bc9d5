package mail_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/mail"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/smtptest"
	"github.com/towerkit/tower/towertest"
)

func TestAMailIsPartOfItsTransaction(t *testing.T) {
	app := towertest.Open(t, config())
	if _, err := order(t.Context(), app, "N-0", "bob@example.com", errors.New("changed my mind")); err == nil {
		t.Fatal("no error")
	}
	if _, err := order(t.Context(), app, "N-7", "ada@example.com", nil); err != nil {
		t.Fatal(err)
	}
	got := app.Mail().Wait(t, "ada@example.com")
	if got.Subject != "Your order" || got.Text != "Order N-7\n\nThank you. See your order <https://shop.example/orders/1>.\n\nThe shop\n" {
		t.Errorf("it is %q, %q", got.Subject, got.Text)
	}
	if !strings.Contains(got.HTML, `<a href="https://shop.example/orders/1">`) || !strings.Contains(got.HTML, "<title>Your order</title>") {
		t.Errorf("the HTML is %s", got.HTML)
	}
	if all := app.Mail().All(t); len(all) != 1 {
		t.Errorf("there are %d", len(all))
	}
	if ran := app.Jobs().Run(t); ran != 1 {
		t.Errorf("%d jobs ran", ran)
	}
	if job := app.Jobs().Find(t, got.Job); job.State != "done" {
		t.Errorf("the job is %s: %s", job.State, job.Error)
	}
}

func TestWaitReturnsEachMailOnce(t *testing.T) {
	app := towertest.Open(t, config())
	var ordering sync.WaitGroup
	defer ordering.Wait()
	ordering.Go(func() {
		for _, number := range []string{"1", "2"} {
			if _, err := order(t.Context(), app, number, "ada@example.com", nil); err != nil {
				t.Error(err)
			}
		}
	})
	for _, number := range []string{"1", "2"} {
		if got := app.Mail().Wait(t, "Ada@example.com"); !strings.Contains(got.Text, "Order "+number+"\n") {
			t.Errorf("mail %s is %q", number, got.Text)
		}
	}
}

func TestWhatCannotBeSent(t *testing.T) {
	app := towertest.Open(t, config())
	to := func(email string) func(*tower.Mail) {
		return func(m *tower.Mail) { m.To = []tower.Address{{Email: email}} }
	}
	header := func(name, value string) func(*tower.Mail) {
		return func(m *tower.Mail) { m.Headers = map[string]string{name: value} }
	}
	for name, test := range map[string]struct {
		change func(*tower.Mail)
		says   string
	}{
		"nobody":                     {func(m *tower.Mail) { m.To = nil }, "no recipient"},
		"no address":                 {to(""), "no @"},
		"a line break":               {to("ada@example.com\r\nBcc: eve@example.com"), "not an address"},
		"two addresses":              {to("ada@example.com, eve@example.com"), "not an address"},
		"a name in the address":      {to("Ada <ada@example.com>"), "not an address"},
		"a space":                    {to("a da@example.com"), "not an address"},
		"a command":                  {to("ada@example.com> SIZE=1"), "not an address"},
		"a nul":                      {to("ada\x00@example.com"), "not an address"},
		"a bad domain":               {to("ada@exa_mple..com"), "not an address"},
		"a long address":             {to(strings.Repeat("a", 65) + "@example.com"), "too long"},
		"a break in a name":          {func(m *tower.Mail) { m.To[0].Name = "Ada\r\nBcc: eve@example.com" }, "line break"},
		"a turned name":              {func(m *tower.Mail) { m.To[0].Name = "Ada \u202emoc.elpmaxe" }, "not shown"},
		"a name that is no UTF-8":    {func(m *tower.Mail) { m.Cc = []tower.Address{{Name: "\xff", Email: "a@example.com"}} }, "UTF-8"},
		"a break in the subject":     {func(m *tower.Mail) { m.Subject = "Hi\nBcc: eve@example.com" }, "line break"},
		"no subject":                 {func(m *tower.Mail) { m.Subject = "" }, "no Subject"},
		"a long subject":             {func(m *tower.Mail) { m.Subject = strings.Repeat("x", 501) }, "501 bytes"},
		"a sender that is none":      {func(m *tower.Mail) { m.From.Email = "shop" }, "From"},
		"an answer that goes astray": {func(m *tower.Mail) { m.ReplyTo = []tower.Address{{Email: "x\n@y.z"}} }, "ReplyTo"},
		"too many":                   {func(m *tower.Mail) { m.Bcc = make101() }, "102 recipients"},
		"a header with a break":      {header("List-Id", "x\r\nBcc: eve@example.com"), "line break"},
		"a header's name":            {header("List-Id: x\r\nBcc", "eve@example.com"), "not the name"},
		"a header of its own":        {header("bcc", "eve@example.com"), "set by"},
		"a header of a part":         {header("Content-Type", "text/html"), "set by"},
		"a large attachment":         {func(m *tower.Mail) { m.Attachments = []tower.Attachment{{Name: "a", Content: make([]byte, 5<<20+1)}} }, "attachments"},
		"a path":                     {func(m *tower.Mail) { m.Attachments = []tower.Attachment{{Name: "../a"}} }, "not the name"},
		"a type":                     {func(m *tower.Mail) { m.Attachments = []tower.Attachment{{Name: "a", Type: "x\r\ny: z"}} }, "not a type"},
		"no view":                    {func(m *tower.Mail) { m.View = "mail/nothing.html" }, "views/mail/nothing.html"},
		"a view that fails":          {func(m *tower.Mail) { m.View = "mail/broken.html" }, "views/mail/broken.html:1"},
	} {
		t.Run(name, func(t *testing.T) {
			m := receipt("ada@example.com")
			test.change(m)
			if _, err := m.Send(t.Context(), app); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if n, err := tower.Jobs.All().Count(t.Context(), app); n != 0 || err != nil {
		t.Errorf("%d jobs, %v", n, err)
	}
}

func make101() (all []tower.Address) {
	for range 101 {
		all = append(all, tower.Address{Email: "a@example.com"})
	}
	return all
}

func TestUnusualAddresses(t *testing.T) {
	app := towertest.Open(t, config())
	for email, want := range map[string]string{"ada@bücher.example": "ada@xn--bcher-kva.example", "ünal@example.com": "ünal@example.com", "a.b+c=d'e@EXAMPLE.com": "a.b+c=d'e@example.com"} {
		m := receipt(email)
		m.To[0].Name = `Ada "the" <b@c>, née Ünal`
		if _, err := m.Send(t.Context(), app); err != nil {
			t.Errorf("%s: %v", email, err)
			continue
		}
		if got := app.Mail().Wait(t, want); got.To[0].Name != m.To[0].Name {
			t.Errorf("the name is %q", got.To[0].Name)
		}
	}
}

func TestProductionSends(t *testing.T) {
	fake := smtptest.Start(t, smtptest.Options{})
	app := produce(t, "smtp://"+fake.Addr+"?tls=off")
	id, err := order(t.Context(), app, "N-1", "ada@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, app, id, "done")
	messages, _ := fake.Seen()
	if len(messages) != 1 || !strings.Contains(messages[0], "Order N-1") {
		t.Errorf("the messages are %q", messages)
	}
	if status, _, _ := get(t, app, "/_tower/mail"); status != 404 {
		t.Errorf("the mailbox of development answers %d in production", status)
	}
}

// In development, nothing leaves, and the mailbox shows it.
func TestTheMailboxShowsMail(t *testing.T) {
	c := config()
	t.Setenv("TOWER_SECRET", "0123456789abcdefghijklmnopqrstuvwxyz-test")
	c.Env, c.Data, c.Log = "development", filepath.Join(t.TempDir(), "d.db"), slog.New(slog.NewTextHandler(t.Output(), nil))
	app, end := towertest.Serve(t, c)
	t.Cleanup(end)
	id, err := order(t.Context(), app, "N-1", "ada@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"": "Your order", "/" + string(id): "ada@example.com", "/" + string(id) + "/html": "Order N-1"} {
		if status, body, _ := get(t, app, "/_tower/mail"+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("/_tower/mail%s answers %d:\n%s", path, status, body)
		}
	}
}

func TestWhatIsRefusedForGoodIsDeadAtOnce(t *testing.T) {
	fake := smtptest.Start(t, smtptest.Options{})
	fake.On("RCPT", "550 5.1.1 no such user here")
	app := produce(t, "smtp://"+fake.Addr+"?tls=off")
	id, err := receipt("nobody@example.com").Send(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	job := await(t, app, id, "dead")
	if job.Attempt != 1 || !strings.Contains(job.Error, "550") || !strings.Contains(job.Error, "5.1.1 no such user here") {
		t.Errorf("after %d tries the error is %q", job.Attempt, job.Error)
	}
}

func TestWhatIsRefusedForNowIsTriedAgain(t *testing.T) {
	fake := smtptest.Start(t, smtptest.Options{})
	fake.On("RCPT", "451 4.7.1 greylisted")
	fake.On("END", "drop")
	app := produce(t, "smtp://"+fake.Addr+"?tls=off")
	id, err := receipt("ada@example.com").Send(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	for n, says := range []string{"4.7.1 greylisted", ""} {
		job := awaitJob(t, app, id, "waiting again", func(job *tower.JobRecord) bool { return job.State == "waiting" && job.Attempt == n+1 })
		if !strings.Contains(job.Error, says) || job.Error == "" || !job.DueAt.After(*job.StartedAt) {
			t.Errorf("after try %d the error is %q, and the next is %s after it began", n+1, job.Error, job.DueAt.Sub(*job.StartedAt))
		}
		if err := tower.RetryJob(t.Context(), app, id); err != nil {
			t.Fatal(err)
		}
	}
	await(t, app, id, "done")
}

func TestRepeatedSendingsHaveOneMessageID(t *testing.T) {
	fake := smtptest.Start(t, smtptest.Options{})
	app := produce(t, "smtp://"+fake.Addr+"?tls=off")
	var ids []string
	for range 2 {
		id, err := receipt("ada@example.com").Send(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		await(t, app, id, "done")
		ids = append(ids, strings.ToLower(string(id)))
	}
	messages, _ := fake.Seen()
	for i, text := range messages {
		message, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := message.Header.Get("Message-Id"); got != "<"+ids[i]+"@example.com>" {
			t.Errorf("the Message-ID is %s, of the job %s", got, ids[i])
		}
		if at, err := message.Header.Date(); err != nil || time.Since(at) > time.Hour {
			t.Errorf("the date is %s, %v", at, err)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Setenv("TOWER_SECRET", "0123456789abcdefghijklmnopqrstuvwxyz-test")
	c := config()
	c.Env = "production"
	_, err := tower.New(c)
	if err == nil || !strings.Contains(err.Error(), "TOWER_SMTP is not set") || !strings.Contains(err.Error(), "TOWER_MAIL_FROM is not set") {
		t.Errorf("without settings: %v", err)
	}
	t.Setenv("TOWER_SMTP", "smtp://ada:secretpw@host?tls=off")
	t.Setenv("TOWER_MAIL_FROM", "shop")
	_, err = tower.New(c)
	if err == nil || !strings.Contains(err.Error(), "TOWER_SMTP: a password is not sent") || !strings.Contains(err.Error(), `TOWER_MAIL_FROM: "shop" is not`) || strings.Contains(err.Error(), "secretpw") {
		t.Errorf("with wrong settings: %v", err)
	}
}

// A reaction sends mail in its own transaction.
func TestAReactionSendsMail(t *testing.T) {
	c := config()
	c.Reactions = []tower.Reaction{tower.On("thank", Orders.All(), tower.Enter, func(ctx context.Context, tx *tower.Tx, order *Order) error {
		mail := receipt("ada@example.com")
		mail.Data = order
		_, err := mail.Send(ctx, tx)
		return err
	})}
	app := towertest.Open(t, c)
	if err := Orders.Create(t.Context(), app, &Order{Number: "N-7"}); err != nil {
		t.Fatal(err)
	}
	app.RunReactions(t)
	if mail := app.Mail().Wait(t, "ada@example.com"); !strings.Contains(mail.HTML, "Order N-7") {
		t.Errorf("the mail is %s", mail.HTML)
	}
}
