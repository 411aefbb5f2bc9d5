package reactions_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/webhook"
	"github.com/towerkit/tower/towertest"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hooked returns an application that sends orders which are paid to an address.
func hooked(address string) tower.Config {
	c := config()
	c.Reactions = nil
	c.Webhooks = []tower.Webhook{tower.NewWebhook("paid", paid(), tower.Enter, tower.WebhookOptions[Order]{
		To:     func(context.Context, *tower.Tx, *Order) ([]string, error) { return []string{address}, nil },
		Secret: func(context.Context, tower.DB, string) (string, error) { return secret, nil },
	})}
	return c
}

func deliveries(t *testing.T, app *towertest.App) []*tower.Delivery {
	t.Helper()
	all, err := tower.Deliveries.All().Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestWebhook sends an order to a receiver that refuses it at first.
func TestWebhook(t *testing.T) {
	t.Setenv("TOWER_WEBHOOK_ALLOW", "127.0.0.0/8")
	answers := []int{500, 302, 200}
	var ids []string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var at int64
		_ = json.Unmarshal([]byte(r.Header.Get("webhook-timestamp")), &at)
		id := r.Header.Get("webhook-id")
		if want, err := webhook.Sign(secret, id, time.Unix(at, 0), body); err != nil || r.Header.Get("webhook-signature") != want {
			t.Errorf("the signature of %s is %q", body, r.Header.Get("webhook-signature"))
		}
		if text := string(body); !strings.Contains(text, `"name":"a"`) || !strings.Contains(text, `"type":"paid"`) || !strings.Contains(text, `"event":"enter"`) || strings.Contains(text, "note") {
			t.Error(text)
		}
		w.WriteHeader(answers[len(ids)])
		_, _ = io.WriteString(w, "an answer")
		ids = append(ids, id)
	}))
	defer receiver.Close()
	app := towertest.Open(t, hooked(receiver.URL+"/hook"))
	o := create(t, app, "a", "paid")
	if app.RunReactions(t) != 1 || len(deliveries(t, app)) != 1 {
		t.Fatalf("%d deliveries", len(deliveries(t, app)))
	}
	for i, want := range answers {
		app.Jobs().Run(t)
		d := deliveries(t, app)[0]
		state := "waiting"
		if want == 200 {
			state = "delivered"
		}
		if d.State != state || d.Attempt != i+1 || d.Status != want || d.Answer != "an answer" || (d.Error == "") != (want == 200) || d.SentAt == nil {
			t.Errorf("after %d: %+v", want, d)
		}
		app.Advance(time.Hour)
	}
	if len(ids) != 3 || ids[0] != ids[2] {
		t.Errorf("%q", ids)
	}
	answers = append(answers, 410)
	set(t, app, o, state("new"))
	set(t, app, o, state("paid"))
	app.Advance(40 * 24 * time.Hour)
	app.RunReactions(t)
	app.Jobs().Run(t)
	if all := deliveries(t, app); len(all) != 1 || all[0].State != "failed" || all[0].Status != 410 || app.Jobs().Find(t, all[0].JobID).State != "done" {
		t.Errorf("%+v", all)
	}
}

func TestWebhooksThatAreRefused(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrives") }))
	defer receiver.Close()
	app := towertest.Open(t, hooked(receiver.URL))
	create(t, app, "a", "paid")
	app.RunReactions(t)
	app.Jobs().Run(t)
	if d := deliveries(t, app)[0]; d.State != "waiting" || d.Status != 0 || !strings.Contains(d.Error, "is not a public address") {
		t.Errorf("%+v", d)
	}
	app = towertest.Open(t, hooked("ftp://example.com"))
	create(t, app, "a", "paid")
	app.RunReactions(t)
	if all := waits(t, app); len(all) != 1 || !strings.Contains(all[0].Error, "must begin with https://") {
		t.Errorf("%+v", all)
	}
	t.Setenv("TOWER_WEBHOOK_ALLOW", "10.0.0.0/50")
	if _, err := tower.New(hooked("")); err == nil || !strings.Contains(err.Error(), "TOWER_WEBHOOK_ALLOW") {
		t.Error(err)
	}
}
