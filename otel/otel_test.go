package otel_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/otel"
	"github.com/towerkit/tower/towertest"
)

// Note is a record of a wall where everybody writes.
type Note struct {
	tower.Record
	Text string `json:"text" validate:"required"`
}

var notes = tower.NewModel[Note]("notes")

type wall struct{ *tower.Connection }

func (c *wall) All(context.Context, struct{}) (tower.Scope[Note], error) { return notes.All(), nil }

func (c *wall) Create(ctx context.Context, in struct {
	Text string `json:"text"`
}) (*Note, error) {
	if in.Text == "panic" {
		panic("the wall has fallen")
	}
	note := &Note{Text: in.Text}
	return note, notes.Create(ctx, c, note)
}

func config(tracer tower.Tracer) tower.Config {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	mounted := tower.Mount(r, "notes", func(c *tower.Connection) *wall { return &wall{c} })
	tower.Cursor(mounted, "all", (*wall).All)
	tower.Action(mounted, "POST /notes", (*wall).Create)
	return tower.Config{Models: []tower.AnyModel{notes}, Routes: r, Tracer: tracer, TrustedProxies: []string{"10.0.0.0/8"}}
}

// A recorder keeps spans that have ended.
type recorder struct {
	*tracetest.InMemoryExporter
	ended chan struct{}
}

func (r *recorder) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := r.InMemoryExporter.ExportSpans(ctx, spans)
	select {
	case r.ended <- struct{}{}:
	default:
	}
	return err
}

// await returns the spans with a name when there are so many.
func (r *recorder) await(t *testing.T, name string, n int) (found tracetest.SpanStubs) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		found = nil
		for _, span := range r.GetSpans() {
			if span.Name == name {
				found = append(found, span)
			}
		}
		if len(found) >= n {
			return found
		}
		select {
		case <-r.ended:
		case <-late:
			t.Fatalf("%d spans are named %q:\n%s", len(found), name, r)
		}
	}
}

func (r *recorder) String() string {
	var text strings.Builder
	for _, span := range r.GetSpans() {
		fmt.Fprintln(&text, span.Name, span.SpanContext.SpanID(), "below", span.Parent.SpanID(), span.Attributes)
	}
	return text.String()
}

func newRecorder(sampler sdk.Sampler) (*recorder, tower.Tracer) {
	r := &recorder{tracetest.NewInMemoryExporter(), make(chan struct{}, 1)}
	return r, otel.New(sdk.NewTracerProvider(sdk.WithSyncer(r), sdk.WithSampler(sampler)))
}

// value returns an attribute of a span.
func value(t *testing.T, span tracetest.SpanStub, key string) any {
	t.Helper()
	for _, a := range span.Attributes {
		if a.Key == attribute.Key(key) {
			return a.Value.AsInterface()
		}
	}
	t.Errorf("%s has no %s: %v", span.Name, key, span.Attributes)
	return nil
}

// One action leads from its call to both clients that have applied its commit.
func TestATraceLeadsFromACallToTheClients(t *testing.T) {
	for _, transport := range towertest.Transports() {
		t.Run(transport, func(t *testing.T) {
			r, tracer := newRecorder(sdk.AlwaysSample())
			app := towertest.Open(t, config(tracer))
			app.Transport = transport
			ada, bob := app.Connect(t, ""), app.Connect(t, "")
			ofAda, ofBob := ada.Open("notes.all", nil), bob.Open("notes.all", nil)
			ada.Call("POST /notes", map[string]any{"text": "Hello"})
			ofAda.AwaitLen(1)
			ofBob.AwaitLen(1)

			applied := r.await(t, "apply", 2)
			call := r.await(t, "POST /notes", 1)[0]
			action := r.await(t, "wall.Create", 1)[0]
			commit := r.await(t, "commit", 1)[0]
			match, deliver := r.await(t, "match", 1)[0], r.await(t, "deliver", 1)[0]
			if call.SpanKind != trace.SpanKindServer || call.Parent.IsValid() || value(t, call, "tower.connection.transport") != transport {
				t.Errorf("the call: %+v", call)
			}
			parents := map[*tracetest.SpanStub]tracetest.SpanStub{&action: call, &commit: action, &match: commit, &deliver: commit, &applied[0]: commit, &applied[1]: commit}
			for span, parent := range parents {
				if span.Parent.SpanID() != parent.SpanContext.SpanID() || span.SpanContext.TraceID() != call.SpanContext.TraceID() {
					t.Errorf("%s is not below %s:\n%s", span.Name, parent.Name, r)
				}
				if span.EndTime.Before(span.StartTime) || span.StartTime.Before(call.StartTime) {
					t.Errorf("%s lasts from %s to %s", span.Name, span.StartTime, span.EndTime)
				}
			}
			for _, span := range []tracetest.SpanStub{commit, match, deliver, applied[0], applied[1]} {
				if seq := value(t, span, "tower.commit.seq"); seq != int64(app.Seq()) {
					t.Errorf("%s is of commit %v", span.Name, seq)
				}
			}
			if value(t, deliver, "tower.connections") != int64(2) || value(t, applied[0], "tower.connection.number") == value(t, applied[1], "tower.connection.number") {
				t.Errorf("not both clients:\n%s", r)
			}
			if opened := r.await(t, "open notes.all", 2); opened[0].SpanKind != trace.SpanKindServer {
				t.Errorf("%+v", opened[0])
			}
		})
	}
}

// A request continues the trace of a trusted proxy, and of nobody else.
func TestARequestContinuesTheTraceOfATrustedProxy(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for from, continued := range map[string]bool{"10.0.0.1:9": true, "192.0.2.1:9": false} {
		r, tracer := newRecorder(sdk.ParentBased(sdk.AlwaysSample()))
		app := towertest.Open(t, config(tracer))
		send := func(text string) *httptest.ResponseRecorder {
			request := httptest.NewRequest("POST", "/notes?secret=hush", strings.NewReader(fmt.Sprintf(`{"text":%q}`, text)))
			request.RemoteAddr = from
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("traceparent", parent)
			w := httptest.NewRecorder()
			app.Handler().ServeHTTP(w, request)
			return w
		}
		answer := send("Hello")
		request, commit := r.await(t, "POST /notes", 1)[0], r.await(t, "commit", 1)[0]
		if is := request.Parent.SpanID().String() == "b7ad6b7169203331"; is != continued || (request.SpanContext.TraceID().String() == parent[3:35]) != continued {
			t.Errorf("%s: the request is below %s", from, request.Parent.SpanID())
		}
		if commit.SpanContext.TraceID() != request.SpanContext.TraceID() {
			t.Errorf("the commit is not in the trace of its request:\n%s", r)
		}
		for key, want := range map[string]any{"http.request.method": "POST", "http.route": "/notes", "http.response.status_code": int64(201), "url.scheme": "http", "tower.request.id": answer.Header().Get("X-Request-Id")} {
			if got := value(t, request, key); got != want {
				t.Errorf("%s is %v, want %v", key, got, want)
			}
		}
		send("")
		send("panic")
		ended := r.await(t, "POST /notes", 3)
		if invalid := ended[1]; invalid.Status.Code != codes.Unset || value(t, invalid, "http.response.status_code") != int64(422) {
			t.Errorf("a refused request: %+v", invalid)
		}
		if failed := ended[2]; failed.Status.Code != codes.Error || value(t, failed, "error.type") != "500" {
			t.Errorf("a failed request: %+v", failed)
		}
		if text := r.String(); strings.Contains(text, "hush") || strings.Contains(text, "fallen") {
			t.Errorf("the trace holds what a client sent, or a reason: %s", text)
		}
		probe := httptest.NewRequest("GET", "/_tower/health", nil)
		app.Handler().ServeHTTP(httptest.NewRecorder(), probe)
		for _, span := range r.GetSpans() {
			if strings.Contains(span.Name, "health") {
				t.Error("a probe is traced")
			}
		}
	}
}

// What is not sampled is not recorded, and asks no client for an acknowledgement.
func TestWhatIsNotSampled(t *testing.T) {
	r, tracer := newRecorder(sdk.NeverSample())
	app := towertest.Open(t, config(tracer))
	client := app.Connect(t, "")
	all := client.Open("notes.all", nil)
	client.Call("POST /notes", map[string]any{"text": "Hello"})
	all.AwaitLen(1)
	if frames := strings.Join(client.Frames(), "\n"); strings.Contains(frames, `"ack"`) || len(r.GetSpans()) > 0 {
		t.Errorf("%s\n%s", frames, r)
	}
}

// BenchmarkTracing compares requests with a tracer that samples nothing, or everything, and
// without one, in turns. The figures are the medians of with to without.
func BenchmarkTracing(b *testing.B) {
	handler := func(tracer tower.Tracer) http.Handler {
		b.Setenv("TOWER_ACCESS_LOG", "off")
		c := config(tracer)
		c.Env, c.Data, c.Log = "test", filepath.Join(b.TempDir(), "bench.db"), slog.New(slog.DiscardHandler)
		app, end := towertest.Serve(b, c)
		b.Cleanup(end)
		return app.Handler()
	}
	discard := sdk.WithSyncer(tracetest.NewNoopExporter())
	without := handler(nil)
	with := map[string]http.Handler{
		"never":  handler(otel.New(sdk.NewTracerProvider(discard, sdk.WithSampler(sdk.NeverSample())))),
		"always": handler(otel.New(sdk.NewTracerProvider(discard))),
	}
	turn := func(h http.Handler) time.Duration {
		began := time.Now()
		for range 2000 { // it is refused: no disk takes part
			request := httptest.NewRequest("POST", "/notes", strings.NewReader(`{"text":""}`))
			request.Header.Set("Content-Type", "application/json")
			h.ServeHTTP(httptest.NewRecorder(), request)
		}
		return time.Since(began)
	}
	ratios := map[string][]float64{}
	for b.Loop() {
		for name, h := range with {
			first, second, third, fourth := turn(without), turn(h), turn(h), turn(without)
			ratios[name] = append(ratios[name], math.Sqrt(float64(second)/float64(first)*float64(third)/float64(fourth)))
		}
	}
	for name, all := range ratios {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], name)
	}
}
