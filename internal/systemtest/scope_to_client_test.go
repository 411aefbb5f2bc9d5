package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

// A letter is what a client may be told about, and what not.
type Letter struct {
	tower.Record
	OwnerID tower.ID `json:"ownerId" tower:"ref=users"`
	Title   string   `json:"title"`
	Weight  int64    `json:"weight"`
	Rating  int      `json:"rating" tower:"private"`
}

var Letters = tower.NewModel[Letter]("letters")

type letters struct{ *Session }

type letterFilter struct {
	Owner tower.ID `json:"owner"`
}

func (c *letters) Mine(ctx context.Context, in struct{}) (tower.Scope[Letter], error) {
	letter := Letters.Fields
	return Letters.Where(tower.Is(&letter.OwnerID, c.UserID()), tower.Gte(&letter.Weight, int64(1<<53+1))).Desc(&letter.CreatedAt).Limit(5).Offset(2), nil
}

func (c *letters) Of(ctx context.Context, in letterFilter) (tower.Scope[Letter], error) {
	return Letters.Where(tower.Is(&Letters.Fields.OwnerID, in.Owner)), nil
}

const blocked = tower.ID("01JDA7Q4Z3M8X2V6K9T5B1C0RW")

func (c *letters) Unblocked(ctx context.Context, in struct{}) (tower.Scope[Letter], error) {
	letter := Letters.Fields
	return Letters.Where(tower.IsNot(&letter.OwnerID, blocked), tower.Is(&letter.Title, "seen")), nil
}

func (c *letters) Best(ctx context.Context, in struct{}) (tower.Scope[Letter], error) {
	return Letters.Where(tower.Gt(&Letters.Fields.Rating, 4711)), nil
}

func (c *letters) Hidden(ctx context.Context, in struct{}) (tower.Scope[Letter], error) {
	return Letters.Where(tower.Is(&Letters.Fields.Title, "hidden")).Asc(&Letters.Fields.Title).Opaque(), nil
}

// ByName shows other letters when the user is called otherwise.
func (c *letters) ByName(ctx context.Context, in struct{}) (tower.Scope[Letter], error) {
	return Letters.Where(tower.Is(&Letters.Fields.Title, c.CurrentUser.Name)), nil
}

func (c *letters) HowMany(ctx context.Context, in struct{}) (tower.ValueScope[Letter], error) {
	return Letters.All().AsCount(), nil
}

func (c *letters) Create(ctx context.Context, in struct {
	ID     tower.ID `json:"id"`
	Weight int64    `json:"weight"`
	Size   *uint    `json:"size"`
}) (*Letter, error) {
	letter := &Letter{Record: tower.Record{ID: in.ID}, Weight: in.Weight}
	return letter, Letters.Create(ctx, c, letter)
}

type ruledLetters struct{ *Session }

func (c *ruledLetters) Match(n *Letter) bool { return n.Title != "" }

func (c *ruledLetters) All(ctx context.Context, in struct{}) (tower.Scope[Letter], error) {
	return Letters.Where(tower.Is(&Letters.Fields.Title, "a")), nil
}

func openLetters(t *testing.T) (*towertest.App, *User) {
	t.Helper()
	r := tower.NewRouter(Connect)
	c := tower.Mount(r, "letters", func(s *Session) *letters { return &letters{s} })
	tower.Cursor(c, "mine", (*letters).Mine, tower.Narrow(Letters, &Letters.Fields.Title))
	tower.Cursor(c, "of", (*letters).Of)
	tower.Cursor(c, "unblocked", (*letters).Unblocked)
	tower.Cursor(c, "best", (*letters).Best)
	tower.Cursor(c, "hidden", (*letters).Hidden)
	tower.Cursor(c, "byName", (*letters).ByName)
	tower.Value(c, "howMany", (*letters).HowMany)
	tower.Action(c, "POST /letters", (*letters).Create)
	ruled := tower.Mount(r, "ruled", func(s *Session) *ruledLetters { return &ruledLetters{s} })
	tower.Cursor(ruled, "all", (*ruledLetters).All)
	files := fstest.MapFS{"views/layout.html": {Data: []byte(`{{template "main" .}}`)}}
	app := towertest.Open(t, tower.Config{Name: "letters", Models: []tower.AnyModel{Users, Letters}, Routes: r, Files: files})
	ada := &User{Name: "ada"}
	if err := Users.Create(t.Context(), app, ada); err != nil {
		t.Fatal(err)
	}
	return app, ada
}

// toldScope opens a cursor and returns what the client is told of its scope.
func toldScope(t *testing.T, socket raw, open string) *wire.Scope {
	t.Helper()
	var answer wire.Answer
	text := socket.ask(open)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Status != 200 {
		t.Fatalf("%s: %v", text, err)
	}
	return answer.Scope
}

func TestAClientIsToldWhatItsCursorIsOf(t *testing.T) {
	app, ada := openLetters(t)
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)
	for _, c := range []struct{ open, where, rest string }{
		{`"open":"letters.mine"`, `{"ownerId":"` + string(ada.ID) + `","weight":{"gte":"9007199254740993"}}`, "[-createdAt] 5 2 false false"},
		{`"open":"letters.mine","where":{"title":{"contains":"x"}},"limit":3`, `{"ownerId":"` + string(ada.ID) + `","title":{"contains":"x"},"weight":{"gte":"9007199254740993"}}`, "[-createdAt] 3 2 false false"},
		{`"open":"letters.of","in":{"owner":"` + string(blocked) + `"}`, `{"ownerId":"` + string(blocked) + `"}`, "[] 0 0 false false"},
		{`"open":"letters.unblocked"`, `{"title":"seen"}`, "[] 0 0 true false"},
		{`"open":"letters.best"`, ``, "[] 0 0 true false"},
		{`"open":"letters.hidden"`, ``, "[] 0 0 true true"},
		{`"open":"ruled.all"`, `{"title":"a"}`, "[] 0 0 true false"},
	} {
		scope := toldScope(t, socket, `{"id":1,"scope":true,`+c.open+`}`)
		if scope == nil {
			t.Fatalf("%s: no scope is told", c.open)
		}
		rest := fmt.Sprint(scope.Order, scope.Limit, scope.Offset, scope.Rule, scope.Ranked)
		if string(scope.Where) != c.where || rest != c.rest {
			t.Errorf("%s is told as %s %s, not as %s %s", c.open, scope.Where, rest, c.where, c.rest)
		}
		if _, private := scope.Fields["rating"]; private || scope.Fields["weight"] != "int" || scope.Fields["ownerId"] != "ref" {
			t.Errorf("%s: the fields are told as %v", c.open, scope.Fields)
		}
	}
	for _, open := range []string{`"open":"letters.unblocked"`, `"open":"letters.howMany","scope":true`} {
		if scope := toldScope(t, socket, `{"id":1,`+open+`}`); scope != nil {
			t.Errorf("%s is told %v", open, scope)
		}
	}
}

func TestAScopeThatBecomesAnotherIsToldAnew(t *testing.T) {
	app, ada := openLetters(t)
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)
	if scope := toldScope(t, socket, `{"id":1,"open":"letters.byName","scope":true}`); string(scope.Where) != `{"title":"ada"}` {
		t.Fatalf("told %s", scope.Where)
	}
	if _, err := Users.Update(t.Context(), app, ada.ID, func(u *User) error { u.Name = "Ada"; return nil }); err != nil {
		t.Fatal(err)
	}
	if frame := socket.hear(); !strings.Contains(frame, `"where":{"title":"Ada"}`) {
		t.Errorf("the frame is %s", frame)
	}
}

func TestAClientMayMakeTheIDAndSendDigits(t *testing.T) {
	app, ada := openLetters(t)
	socket := dial(t, app, ada)
	socket.ask(`{"hello":1}`)
	call := func(in string) string { return socket.ask(`{"id":1,"call":"POST /letters","in":` + in + `}`) }
	const id = "01JDA7Q4Z3M8X2V6K9T5B1C0RX"
	if answer := call(`{"id":"` + id + `","weight":"9007199254740993","size":"18446744073709551615"}`); !strings.Contains(answer, `"status":201`) {
		t.Fatal(answer)
	}
	if letter, err := Letters.Find(t.Context(), app, id); err != nil || letter.Weight != 1<<53+1 {
		t.Errorf("stored is %v, %v", letter, err)
	}
	for in, problem := range map[string]string{
		`{"id":"` + id + `"}`: `{"id":["is already taken"]}`,
		`{"id":"mine"}`:       `{"id":["is not an id"]}`,
		`{"weight":"many"}`:   `{"weight":["is not a whole number"]}`,
		`{"weight":""}`:       `{"weight":["is not a whole number"]}`,
		`{"size":"-1"}`:       `{"size":["must be between 0 and 18446744073709551615"]}`,
	} {
		if answer := call(in); !strings.Contains(answer, `"problems":`+problem) {
			t.Errorf("%s is answered %s", in, answer)
		}
	}
}
