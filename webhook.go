package tower

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/environ"
	"github.com/towerkit/tower/internal/webhook"
)

// A Webhook sends requests when records enter, change in or leave a scope: see [NewWebhook].
type Webhook struct {
	name     string
	reaction Reaction
	secret   func(ctx context.Context, db DB, address string) (string, error)
	err      error
}

// WebhookOptions say where a [Webhook] sends what.
type WebhookOptions[T any] struct {
	// To returns the addresses that the webhook is sent to for a record: URLs. tx sees the
	// newest state. Required.
	To func(ctx context.Context, tx *Tx, record *T) ([]string, error)
	// Secret returns the secret by which requests to an address are signed, of at least 16
	// bytes, or, if it begins with whsec_, base64 of so many. It is asked for each request and
	// not stored. Required.
	Secret func(ctx context.Context, db DB, address string) (string, error)
	// Data returns what is sent as data, encoded as JSON. Default: the record, as clients receive
	// it.
	Data func(ctx context.Context, tx *Tx, record *T) (any, error)
	// Debounce is that of the reaction. Default: none.
	Debounce time.Duration
}

const (
	maxDelivery      = 256 << 10 // bytes of the body of a request
	deliveryAttempts = 16        // in about two days
	keepDeliveries   = 30 * 24 * time.Hour
	forgottenAtOnce  = 10
)

// NewWebhook returns a webhook, for [Config]: a reaction that enqueues a job for each
// address, in the commit that notes that it has run.
//
//	Webhooks: []tower.Webhook{tower.NewWebhook("shipped", models.Shipped(), tower.Enter, tower.WebhookOptions[models.Order]{
//		To:     func(context.Context, *tower.Tx, *models.Order) ([]string, error) { return []string{settings.HookURL}, nil },
//		Secret: func(context.Context, tower.DB, string) (string, error) { return settings.HookSecret, nil },
//	})},
//
// A request is a POST of JSON:
//
//	{"type":"shipped","event":"enter","timestamp":"2026-01-31T12:00:00Z","data":{…}}
//
// with the headers of Standard Webhooks: webhook-id, the same each time it is sent;
// webhook-timestamp; and webhook-signature, the HMAC with SHA-256 of all three. An answer other than
// 2xx, or none within 15 seconds, fails, and is tried again, 16 times in about two days, as a
// [Job] is, in the queue "webhooks". An address that answers 410 is not tried again. [Deliveries] says what has come
// of each. A request may arrive twice, and requests may arrive in another order.
//
// Requests reach public addresses only. Those of the own network and of the machine are refused when
// the connection is made, unless TOWER_WEBHOOK_ALLOW names them. Redirects are not followed.
func NewWebhook[T any](name string, scope Scope[T], on Event, options WebhookOptions[T]) Webhook {
	w := Webhook{name: name, secret: options.Secret}
	if options.To == nil || options.Secret == nil {
		w.err = errors.New("it needs To and Secret")
	}
	w.reaction = On("webhook_"+name, scope, on, func(ctx context.Context, tx *Tx, record *T) error {
		to, err := options.To(ctx, tx, record)
		if err != nil || len(to) == 0 {
			return err
		}
		var data any
		if options.Data != nil {
			data, err = options.Data(ctx, tx, record)
		} else {
			var text []byte
			text, err = scope.model.model.Public(record)
			data = json.RawMessage(text)
		}
		if err != nil {
			return err
		}
		return w.enqueue(ctx, tx, to, data)
	}, Debounce(options.Debounce))
	return w
}

// enqueue creates the deliveries of an event, and their jobs.
func (w *Webhook) enqueue(ctx context.Context, tx *Tx, to []string, data any) error {
	event := ReactionOf(ctx).Event.String()
	body, err := json.Marshal(map[string]any{"type": w.name, "event": event, "timestamp": tx.tx.Now().Format(time.RFC3339Nano), "data": data})
	if err != nil {
		return fmt.Errorf("encode the webhook %s: %w", w.name, err)
	}
	if len(body) > maxDelivery {
		return fmt.Errorf("the webhook %s has %d bytes; at most %d are sent", w.name, len(body), maxDelivery)
	}
	for _, address := range to {
		if err := webhook.Check(address); err != nil {
			return fmt.Errorf("the webhook %s: %w", w.name, err)
		}
		id := NewID()
		job, err := deliver.Enqueue(ctx, tx, id)
		if err != nil {
			return err
		}
		delivery := &Delivery{Record: Record{ID: id}, Webhook: w.name, Event: event, State: "waiting", JobID: job, URL: address, Body: body}
		if err := Deliveries.Create(ctx, tx, delivery); err != nil {
			return err
		}
	}
	return nil
}

// deliver is the job of a delivery.
var deliver = newJob[ID]("tower_webhook", Queue("webhooks"), MaxAttempts(deliveryAttempts))

// Deliveries is the model of what webhooks have sent, and of what came of it. An application
// has it as soon as [Config] lists Webhooks. A delivery that failed is sent again by
// [RetryJob] of its JobID. Those that have ended are deleted after thirty days.
var Deliveries = newOwn[Delivery]("tower_deliveries")

// A Delivery is the record of a request that a webhook sends.
type Delivery struct {
	Record
	Webhook  string     `json:"webhook" tower:"index"` // the name
	Event    string     `json:"event"`                 // enter, change or leave
	State    string     `json:"state" tower:"index"`   // waiting, delivered or failed
	Attempt  int        `json:"attempt"`               // requests that were sent
	Status   int        `json:"status"`                // of the last answer; 0: none came
	SentAt   *time.Time `json:"sentAt"`                // the last time
	Duration int64      `json:"duration"`              // of the last request, in milliseconds
	JobID    ID         `json:"jobId" tower:"index"`

	URL    string          `json:"url" tower:"private"`
	Body   json.RawMessage `json:"body" tower:"private"`
	Answer string          `json:"answer" tower:"private"` // the beginning of the last answer's body
	Error  string          `json:"error" tower:"private"`  // of the last request
	Until  *time.Time      `json:"until" tower:"private,index"`
}

// A sender sends the webhooks of an application.
type sender struct {
	webhooks map[string]*Webhook

	once   sync.Once
	client *webhook.Client
	err    error
}

// open makes the client, at the first delivery.
func (s *sender) open(app *App) (*webhook.Client, error) {
	s.once.Do(func() {
		var networks []netip.Prefix
		if networks, s.err = allowed(app.app.Config().Environ); s.err == nil {
			s.client = webhook.NewClient(networks)
		}
	})
	return s.client, s.err
}

// sending returns the work of sending webhooks.
func sending(all []Webhook) Work {
	s := &sender{webhooks: map[string]*Webhook{}}
	for i := range all {
		s.webhooks[all[i].name] = &all[i]
	}
	return deliver.Do(s.send)
}

// allowed returns the networks beside the public ones to which webhooks are sent.
func allowed(vars *environ.Environment) ([]netip.Prefix, error) {
	networks, err := webhook.ParseAllowed(vars.Get("TOWER_WEBHOOK_ALLOW"))
	if err != nil {
		err = fmt.Errorf("TOWER_WEBHOOK_ALLOW: %w", err)
	}
	return networks, err
}

// send is the handler of a delivery's job.
func (s *sender) send(ctx context.Context, app *App, id ID) error {
	run := RunOf(ctx)
	delivery, err := Deliveries.Find(ctx, app, id)
	if coded := (*Error)(nil); errors.As(err, &coded) && coded.Code == CodeNotFound {
		return nil // somebody has deleted it
	}
	if err != nil {
		return err
	}
	w := s.webhooks[delivery.Webhook]
	if w == nil {
		return fmt.Errorf("this build of the application has no webhook %q", delivery.Webhook)
	}
	secret, err := w.secret(ctx, app, delivery.URL)
	if err != nil {
		return fmt.Errorf("the secret of the webhook %s: %w", w.name, err)
	}
	client, err := s.open(app)
	if err != nil {
		return err
	}
	began := time.Now()
	answer, failed := client.Send(ctx, &webhook.Message{ID: string(id), URL: delivery.URL, Secret: secret, Body: delivery.Body}, began)
	took := time.Since(began)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var status *webhook.StatusError
	gone := errors.As(failed, &status) && status.Gone
	last := failed != nil && (gone || run.run.Job.Last(failed))
	err = app.Transaction(ctx, func(tx *Tx) error {
		if err := forgetDeliveries(ctx, tx); err != nil {
			return err
		}
		if _, err := Deliveries.Update(ctx, tx, id, func(d *Delivery) error {
			sent := tx.tx.Now()
			d.Attempt, d.Status, d.Answer, d.SentAt, d.Duration = d.Attempt+1, answer.Status, answer.Excerpt, &sent, took.Milliseconds()
			d.State, d.Error, d.Until = "waiting", "", nil
			switch {
			case failed == nil:
				d.State = "delivered"
			case last:
				d.State = "failed"
			}
			if failed != nil {
				d.Error = failed.Error()
			}
			if d.State != "waiting" {
				until := sent.Add(keepDeliveries)
				d.Until = &until
			}
			return nil
		}); err != nil {
			return err
		}
		if failed == nil || gone {
			return run.Complete(tx, nil)
		}
		return nil
	})
	if err == nil && !gone {
		err = failed
	}
	return err
}

// forgetDeliveries deletes some deliveries that have ended long ago.
func forgetDeliveries(ctx context.Context, tx *Tx) error {
	now := tx.tx.Now()
	old, err := Deliveries.Where(Lt(&Deliveries.Fields.Until, &now)).Limit(forgottenAtOnce).Records(ctx, tx)
	for _, d := range old {
		if err == nil {
			err = Deliveries.Delete(ctx, tx, d.ID)
		}
	}
	return err
}

// checkWebhooks returns the reactions of webhooks.
func checkWebhooks(all []Webhook) (reactions []Reaction, err error) {
	seen := map[string]bool{}
	for _, w := range all {
		if w.err == nil && seen[w.name] {
			w.err = errors.New("there are two of that name")
		}
		if w.err != nil {
			return nil, fmt.Errorf("Config.Webhooks: the webhook %s: %w", w.name, w.err)
		}
		seen[w.name] = true
		reactions = append(reactions, w.reaction)
	}
	return reactions, nil
}
