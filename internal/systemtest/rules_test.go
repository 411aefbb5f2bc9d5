package systemtest

import (
	"context"
	"strings"
	"testing"

	"github.com/towerkit/tower"
)

// Each of these controllers has a rule that could never be asked.
type (
	matchByValue   struct{ *tower.Connection }
	matchContext   struct{ *tower.Connection }
	matchError     struct{ *tower.Connection }
	matchNothing   struct{ *tower.Connection }
	matchStranger  struct{ *tower.Connection }
	matchMany      struct{ *tower.Connection }
	matchPointer   struct{ *tower.Connection }
	matchAny       struct{ *tower.Connection }
	matchVerdict   struct{ *tower.Connection }
	allowContext   struct{ *tower.Connection }
	allowTwo       struct{ *tower.Connection }
	allowError     struct{ *tower.Connection }
	allowName      struct{ *tower.Connection }
	embedsWrong    struct{ *matchByValue }
	rightRules     struct{ *tower.Connection }
	stranger       struct{ tower.Record }
	verdict        bool
	routeName      string
	mountedAsRules interface{ Allow(string) bool }
)

func (*matchByValue) Match(Post) bool                   { return false }
func (*matchContext) Match(context.Context, *Post) bool { return false }
func (*matchError) Match(*Post) error                   { return nil }
func (*matchNothing) Match() bool                       { return false }
func (*matchStranger) Match(*stranger) bool             { return false }
func (*matchMany) Match(...*Post) bool                  { return false }
func (*matchPointer) Match(*Post) bool                  { return false }
func (*matchAny) Match(any) bool                        { return false }
func (*matchVerdict) Match(*Post) verdict               { return false }
func (*allowContext) Allow(context.Context, string) bool {
	return false
}
func (*allowTwo) Allow(string) (bool, error) { return false, nil }
func (*allowError) Allow(string) error       { return nil }
func (*allowName) Allow(routeName) bool      { return false }
func (*rightRules) Match(*Post) bool         { return true }
func (*rightRules) Allow(string) bool        { return true }

var (
	_ tower.Matcher[Post] = (*rightRules)(nil)
	_ tower.Allower       = (*rightRules)(nil)
)

// These models and inputs have rules that could never be called.
type (
	validError struct {
		tower.Record
		Name string `json:"name"`
	}
	validInput struct {
		Name string `json:"name"`
	}
	validMap   struct{}
	validRight struct{}
)

func (*validError) Validate() error                                     { return nil }
func (validInput) Validate(tower.Problems)                              {}
func (*validMap) Validate() map[string]string                           { return nil }
func (*validRight) Validate(_ *tower.Problems)                          {}
func (*rightRules) Take(context.Context, validInput) (struct{}, error)  { return struct{}{}, nil }
func (*rightRules) Map(context.Context, validMap) (struct{}, error)     { return struct{}{}, nil }
func (*rightRules) Right(context.Context, validRight) (struct{}, error) { return struct{}{}, nil }

func TestAValidationThatCannotBeCalledIsAnErrorAtStart(t *testing.T) {
	const want = "declare it as Validate(problems *tower.Problems)"
	open := func(declare func(*tower.Mounted[*rightRules]), models ...tower.AnyModel) error {
		r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
		declare(tower.Mount(r, "posts", func(c *tower.Connection) *rightRules { return &rightRules{c} }))
		_, err := tower.New(tower.Config{Name: "rules", Env: "test", Models: append(models, Posts, Users), Routes: r, Files: sampleViews})
		return err
	}
	for name, err := range map[string]error{
		"a model": open(func(*tower.Mounted[*rightRules]) {}, tower.NewModel[validError]("wrongs")),
		"an input": open(func(m *tower.Mounted[*rightRules]) {
			tower.Action(m, "POST /take", (*rightRules).Take)
		}),
		"an empty input": open(func(m *tower.Mounted[*rightRules]) {
			tower.Action(m, "POST /map", (*rightRules).Map)
		}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	if err := open(func(m *tower.Mounted[*rightRules]) { tower.Action(m, "POST /right", (*rightRules).Right) }); err != nil {
		t.Errorf("a right one: %v", err)
	}
}

// start mounts a controller under the name of the model of posts.
func start[C any](create func(*tower.Connection) C) error {
	r := tower.NewRouter(func(_ context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	tower.Mount(r, "posts", create)
	_, err := tower.New(tower.Config{Name: "rules", Env: "test", Models: []tower.AnyModel{Posts, Users}, Routes: r, Files: sampleViews})
	return err
}

func TestARuleThatCannotBeAskedIsAnErrorAtStart(t *testing.T) {
	const match, allow = "declare it as Match(record *systemtest.Post) bool", "declare it as Allow(action string) bool"
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"Match by value":            {start(func(c *tower.Connection) *matchByValue { return &matchByValue{c} }), match},
		"Match with a context":      {start(func(c *tower.Connection) *matchContext { return &matchContext{c} }), match},
		"Match that returns error":  {start(func(c *tower.Connection) *matchError { return &matchError{c} }), match},
		"Match of nothing":          {start(func(c *tower.Connection) *matchNothing { return &matchNothing{c} }), match},
		"Match of many":             {start(func(c *tower.Connection) *matchMany { return &matchMany{c} }), match},
		"Match of any":              {start(func(c *tower.Connection) *matchAny { return &matchAny{c} }), match},
		"Match with its own bool":   {start(func(c *tower.Connection) *matchVerdict { return &matchVerdict{c} }), match},
		"Match of an embedded type": {start(func(c *tower.Connection) *embedsWrong { return &embedsWrong{&matchByValue{c}} }), match},
		"Match of no model":         {start(func(c *tower.Connection) *matchStranger { return &matchStranger{c} }), "takes a *systemtest.stranger, which is not a model of this application"},
		"Match behind a value":      {start(func(c *tower.Connection) matchPointer { return matchPointer{c} }), "mount a *matchPointer"},
		"Allow with a context":      {start(func(c *tower.Connection) *allowContext { return &allowContext{c} }), allow},
		"Allow with two results":    {start(func(c *tower.Connection) *allowTwo { return &allowTwo{c} }), allow},
		"Allow that returns error":  {start(func(c *tower.Connection) *allowError { return &allowError{c} }), allow},
		"Allow of its own string":   {start(func(c *tower.Connection) *allowName { return &allowName{c} }), allow},
		"Allow behind an interface": {start(func(c *tower.Connection) mountedAsRules { return &rightRules{c} }), "mounted as an interface"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, c.err, c.want)
		}
	}
	if err := start(func(c *tower.Connection) *rightRules { return &rightRules{c} }); err != nil {
		t.Errorf("right rules: %v", err)
	}
}
