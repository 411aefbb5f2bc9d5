package mail_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/chromedp/chromedp"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/browser"
	"github.com/towerkit/tower/towertest"
)

// TestTheMailboxInABrowser keeps the mailbox open while mail comes. A message shows what it
// holds, and can run nothing.
func TestTheMailboxInABrowser(t *testing.T) {
	c := config()
	t.Setenv("TOWER_SECRET", "0123456789abcdefghijklmnopqrstuvwxyz-test")
	c.Env, c.Data, c.Log = "development", filepath.Join(t.TempDir(), "d.db"), slog.New(slog.NewTextHandler(t.Output(), nil))
	c.Files = fstest.MapFS{
		"views/layouts/mail.html": views["views/layouts/mail.html"],
		"views/mail/receipt.html": {Data: []byte(`{{define "main"}}<h1>Order {{.Data.Number}}</h1><p><a href="{{.URL "/orders/1"}}">See your order</a></p>
<script>document.body.textContent = "run"; top.document.title = "run"</script>{{end}}`)},
	}
	app, end := towertest.Serve(t, c)
	t.Cleanup(end)
	b := browser.Open(t)
	b.Do(chromedp.Navigate(app.URL + "/_tower/mail"))
	b.Await(`document.querySelector(".empty b").textContent === "No mail yet"`)
	for _, number := range []string{"N-1", "N-2"} {
		mail := receipt("ada@example.com")
		mail.Data, mail.Subject, mail.Attachments = &Order{Number: number}, "Your order "+number, []tower.Attachment{{Name: "label.txt", Content: []byte(number)}}
		if _, err := mail.Send(t.Context(), app); err != nil {
			t.Fatal(err)
		}
		b.Await(`document.querySelector("#list .subject")?.textContent === "Your order ` + number + `"`) // by itself, the newest first
	}
	b.Run(`document.querySelector("#list li:last-child a").click()`)
	b.Await(`document.querySelector("h2")?.textContent === "Your order N-1"`)
	b.Await(`document.querySelector("#list [aria-current] .subject").textContent === "Your order N-1"`)
	b.Await(`document.querySelector("dl").innerText.includes("Ada <ada@example.com>") && document.querySelector(".files a").textContent.startsWith("label.txt")`)
	b.Await(`document.querySelector("iframe").offsetHeight > 200`)
	inside := `fetch(document.querySelector("iframe").src).then(r => r.headers.get("Content-Security-Policy"))`
	b.Run(inside + `.then(csp => window.csp = csp)`)
	b.Await(`window.csp?.includes("sandbox") && !document.querySelector("iframe").sandbox.contains("allow-scripts") && document.title === "Your order N-1"`)
	b.Run(`document.querySelector("nav a:nth-child(2)").click()`)
	b.Await(`document.querySelector("pre")?.textContent.includes("https://shop.example/orders/1")`)
	b.Run(`document.querySelector("nav a:nth-child(3)").click()`)
	b.Await(`/^Content-Type: multipart/m.test(document.querySelector("pre")?.textContent)`)
	third := receipt("bob@example.com")
	third.Subject = "While one reads"
	if _, err := third.Send(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	b.Await(`document.querySelector("#list .subject").textContent === "While one reads" && document.querySelector("h2").textContent === "Your order N-1"`)
}
