package systemtest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// A Gadget has a field of every type.
type Gadget struct {
	tower.Record
	Name    string            `json:"name" validate:"required,max=40" tower:"unique"`
	State   string            `json:"state" validate:"oneof=new old"`
	Note    *string           `json:"note"`
	Count   int               `json:"count" tower:"index"`
	Big     int64             `json:"big"`
	Huge    uint64            `json:"huge"`
	Small   *int8             `json:"small"`
	Ratio   float64           `json:"ratio"`
	Done    bool              `json:"done"`
	At      time.Time         `json:"at"`
	Until   *time.Time        `json:"until"`
	OwnerID tower.ID          `json:"ownerId" tower:"ref=people,index"`
	Tags    []string          `json:"tags"`
	Scores  []float64         `json:"scores"`
	Raw     json.RawMessage   `json:"raw"`
	Bytes   []byte            `json:"bytes"`
	Sizes   map[string]int    `json:"sizes"`
	Labels  map[string]string `json:"labels,omitempty"`
	Part    GadgetPart        `json:"part"`
	Parts   []GadgetPart      `json:"parts"`
	Hidden  string            `json:"hidden" tower:"private"`
}

type GadgetPart struct {
	Name  string       `json:"name"`
	Inner *GadgetPart  `json:"inner,omitempty"`
	More  []GadgetPart `json:"more,omitempty"`
}

var Gadgets = tower.NewModel[Gadget]("gadgets")

type gadgetsController struct{ *tower.Connection }

type gadgetInput struct {
	Name  string       `json:"name" validate:"required"`
	State *string      `json:"state" validate:"omitempty,oneof=new old"`
	Count *int         `json:"count"`
	At    *time.Time   `json:"at"`
	Tags  []string     `json:"tags"`
	Parts []GadgetPart `json:"parts"`
}

func (c *gadgetsController) Some(_ context.Context, in struct {
	AtLeast int       `json:"atLeast"`
	Tags    []string  `json:"tags"`
	Since   time.Time `json:"since"`
}) (tower.Scope[Gadget], error) {
	gadget := Gadgets.Fields
	return Gadgets.Where(tower.Gte(&gadget.Count, in.AtLeast)).Include(&gadget.OwnerID), nil
}

func (c *gadgetsController) HowMany(context.Context, struct{}) (tower.ValueScope[Gadget], error) {
	return Gadgets.All().AsCount(), nil
}

func (c *gadgetsController) Create(ctx context.Context, in gadgetInput) (*Gadget, error) {
	g := &Gadget{Name: in.Name, State: "new", Tags: in.Tags, Parts: in.Parts, Raw: json.RawMessage(`{"a":1}`)}
	return g, Gadgets.Create(ctx, c, g)
}

func (c *gadgetsController) Find(_ context.Context, in struct {
	ID    tower.ID `json:"id"`
	Exact bool     `json:"exact"`
}) ([]GadgetPart, error) {
	return []GadgetPart{{Name: string(in.ID)}}, nil
}

func (c *gadgetsController) Remove(context.Context, struct {
	ID tower.ID `json:"id"`
}) (tower.None, error) {
	return tower.None{}, nil
}

func (c *gadgetsController) Hook(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "thanks")
	return err
}

func gadgets() tower.Config {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	m := tower.Mount(r, "gadgets", func(c *tower.Connection) *gadgetsController { return &gadgetsController{c} })
	gadget := Gadgets.Fields
	tower.Cursor(m, "some", (*gadgetsController).Some, tower.Narrow(Gadgets, &gadget.Name, &gadget.Count, &gadget.At))
	tower.Value(m, "howMany", (*gadgetsController).HowMany, tower.Narrow(Gadgets, &gadget.Done))
	tower.Action(m, "POST /gadgets", (*gadgetsController).Create)
	tower.Action(m, "GET /gadgets/{id}", (*gadgetsController).Find)
	tower.Action(m, "DELETE /gadgets/{id}", (*gadgetsController).Remove)
	tower.Handle(m, "POST /hooks/gadgets", (*gadgetsController).Hook)
	tower.Handle(m, "/files/{path...}", (*gadgetsController).Hook)
	return tower.Config{Name: "gadgets", Models: []tower.AnyModel{Gadgets, People}, Routes: r, OpenAPI: true}
}

// loadDocument fetches and validates the document of an application.
func loadDocument(t *testing.T, app *towertest.App) *openapi3.T {
	t.Helper()
	status, body := app.Get(t, "/_tower/openapi.json")
	if status != http.StatusOK {
		t.Fatal(status, body)
	}
	document, err := openapi3.NewLoader().LoadFromData([]byte(body))
	if err == nil {
		err = document.Validate(t.Context())
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return document
}

// TestAnswersFitTheDocument sends requests, and checks them and their answers against the
// document.
func TestAnswersFitTheDocument(t *testing.T) {
	app := towertest.Open(t, gadgets())
	document := loadDocument(t, app)
	document.Servers = openapi3.Servers{{URL: app.URL}}
	router, err := legacy.NewRouter(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/gadgets", `{"name":"a","tags":["x"],"parts":[{"name":"p"}]}`},
		{"POST", "/gadgets", `{"name":"a"}`}, // it is taken
		{"GET", "/gadgets/01J80000000000000000000000?exact=true", ""},
		{"GET", "/_tower/read/gadgets/some?atLeast=0&tags=a&tags=b&limit=3&order=-count,name", ""},
		{"GET", `/_tower/read/gadgets/some?where=%7B%22name%22%3A%22a%22%7D&in=%7B%22atLeast%22%3A0%7D`, ""},
		{"GET", "/_tower/read/gadgets/howMany", ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, app.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "application/json")
		if c.body != "" {
			request.Header.Set("Content-Type", "application/json")
		}
		route, values, err := router.FindRoute(request)
		if err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		input := &openapi3filter.RequestValidationInput{Request: request, PathParams: values, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
		if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
		request.Body = io.NopCloser(strings.NewReader(c.body))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: response.StatusCode, Header: response.Header, Body: response.Body, Options: input.Options}
		if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
			t.Errorf("%s %s answers %s: %v", c.method, c.path, response.Status, err)
		}
	}
}
