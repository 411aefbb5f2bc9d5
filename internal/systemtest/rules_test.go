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
	canByValue     struct{ *tower.Connection }
	canRecordFirst struct{ *tower.Connection }
	canContext     struct{ *tower.Connection }
	canError       struct{ *tower.Connection }
	canAny         struct{ *tower.Connection }
	canStranger    struct{ *tower.Connection }
	canOne         struct{ *tower.Connection }
	canPointer     struct{ *tower.Connection }
	matchTwo       struct{ *tower.Connection }
	matchPointers  struct{ *tower.Connection }
	allowMany      struct{ *tower.Connection }
	allowNothing   struct{ *tower.Connection }
	embedsTwo      struct {
		*rightRules
		otherRules //nolint:unused // Go promotes neither Match nor Allow
	}
	embedsDeep struct{ embedsTwo }
	otherRules struct{}
	shadows    struct {
		*rightRules
		Match string
	}
	matchField struct {
		*tower.Connection
		Match func(*Post) bool
	}
	allowField     struct{ allowsBy }
	allowsBy       struct{ Allow func(string) bool }
	embedsRight    struct{ *rightRules }
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

func (*canByValue) Can(string, Post) bool                   { return false }
func (*canRecordFirst) Can(*Post, string) bool              { return false }
func (*canContext) Can(context.Context, string, *Post) bool { return false }
func (*canError) Can(string, *Post) error                   { return nil }
func (*canAny) Can(string, any) bool                        { return false }
func (*canStranger) Can(string, *stranger) bool             { return false }
func (*canOne) Can(*Post) bool                              { return false }
func (*canPointer) Can(string, *Post) bool                  { return false }
func (*matchTwo) Match(*Post) (bool, error)                 { return false, nil }
func (*matchPointers) Match(**Post) bool                    { return false }
func (*allowMany) Allow(...string) bool                     { return false }
func (*allowNothing) Allow() bool                           { return false }
func (otherRules) Match(*Post) bool                         { return false }
func (otherRules) Allow(string) bool                        { return false }
func (*rightRules) Can(string, *Post) bool                  { return true }

var (
	_ tower.Permitter[Post] = (*rightRules)(nil)
	_ tower.Matcher[Post]   = (*rightRules)(nil)
	_ tower.Allower         = (*rightRules)(nil)
	_ tower.Matcher[Post]   = otherRules{}
	_ tower.Allower         = otherRules{}
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
	validPart  struct {
		Name string `json:"name"`
	}
	validWhole struct {
		Part validPart `json:"part"`
	}
	validParts struct {
		Parts map[string][]*validPart `json:"parts"`
	}
	validCalls struct {
		Part validPart `json:"part"`
	}
	validEmbeds struct {
		validRight //nolint:unused // Go promotes neither Validate
		validPart
	}
)

func (*validPart) Validate(problems *tower.Problems)                      { problems.Add("name", "is never right") }
func (v *validCalls) Validate(problems *tower.Problems)                   { v.Part.Validate(problems) }
func (*rightRules) Whole(context.Context, validWhole) (struct{}, error)   { return struct{}{}, nil }
func (*rightRules) Parts(context.Context, validParts) (struct{}, error)   { return struct{}{}, nil }
func (*rightRules) Calls(context.Context, validCalls) (struct{}, error)   { return struct{}{}, nil }
func (*rightRules) Embeds(context.Context, validEmbeds) (struct{}, error) { return struct{}{}, nil }
func (*validError) Validate() error                                       { return nil }
func (validInput) Validate(tower.Problems)                                {}
func (*validMap) Validate() map[string]string                             { return nil }
func (*validRight) Validate(_ *tower.Problems)                            {}
func (*rightRules) Take(context.Context, validInput) (struct{}, error)    { return struct{}{}, nil }
func (*rightRules) Map(context.Context, validMap) (struct{}, error)       { return struct{}{}, nil }
func (*rightRules) Right(context.Context, validRight) (struct{}, error)   { return struct{}{}, nil }

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
	for want, err := range map[string]error{
		"a field Part whose method Validate tower does not call": open(func(m *tower.Mounted[*rightRules]) {
			tower.Action(m, "POST /whole", (*rightRules).Whole)
		}),
		"a field Parts whose method Validate tower does not call": open(func(m *tower.Mounted[*rightRules]) {
			tower.Action(m, "POST /parts", (*rightRules).Parts)
		}),
		"embeds a method Validate of systemtest.validRight and of systemtest.validPart": open(func(m *tower.Mounted[*rightRules]) {
			tower.Action(m, "POST /embeds", (*rightRules).Embeds)
		}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	if err := open(func(m *tower.Mounted[*rightRules]) { tower.Action(m, "POST /calls", (*rightRules).Calls) }); err != nil {
		t.Errorf("one that calls that of its field: %v", err)
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
	const can = "declare it as Can(action string, record *systemtest.Post) bool"
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
		"Match with two results":    {start(func(c *tower.Connection) *matchTwo { return &matchTwo{c} }), match},
		"Match of two pointers":     {start(func(c *tower.Connection) *matchPointers { return &matchPointers{c} }), match},
		"Allow of many":             {start(func(c *tower.Connection) *allowMany { return &allowMany{c} }), allow},
		"Allow of nothing":          {start(func(c *tower.Connection) *allowNothing { return &allowNothing{c} }), allow},
		"Can by value":              {start(func(c *tower.Connection) *canByValue { return &canByValue{c} }), can},
		"Can, the record first":     {start(func(c *tower.Connection) *canRecordFirst { return &canRecordFirst{c} }), can},
		"Can with a context":        {start(func(c *tower.Connection) *canContext { return &canContext{c} }), can},
		"Can that returns error":    {start(func(c *tower.Connection) *canError { return &canError{c} }), can},
		"Can of any":                {start(func(c *tower.Connection) *canAny { return &canAny{c} }), can},
		"Can of no model":           {start(func(c *tower.Connection) *canStranger { return &canStranger{c} }), can},
		"Can without an action":     {start(func(c *tower.Connection) *canOne { return &canOne{c} }), can},
		"Can behind a value":        {start(func(c *tower.Connection) canPointer { return canPointer{c} }), "mount a *canPointer"},
		"rules of two embedded":     {start(func(c *tower.Connection) *embedsTwo { return &embedsTwo{rightRules: &rightRules{c}} }), "embeds a method Match of *systemtest.rightRules and of systemtest.otherRules"},
		"rules of two, deeper":      {start(func(c *tower.Connection) *embedsDeep { return &embedsDeep{embedsTwo{rightRules: &rightRules{c}}} }), "declare the method on embedsDeep itself"},
		"a rule behind a field":     {start(func(c *tower.Connection) *shadows { return &shadows{rightRules: &rightRules{c}} }), "embeds a method Match of *systemtest.rightRules"},
		"Match as a field":          {start(func(c *tower.Connection) *matchField { return &matchField{Connection: c} }), "has a field Match, which tower does not call"},
		"Allow as a deeper field":   {start(func(c *tower.Connection) *allowField { return &allowField{} }), "has a field Allow, which tower does not call"},
		"Allow behind an interface": {start(func(c *tower.Connection) mountedAsRules { return &rightRules{c} }), "mounted as an interface"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, c.err, c.want)
		}
	}
	if err := start(func(c *tower.Connection) *rightRules { return &rightRules{c} }); err != nil {
		t.Errorf("right rules: %v", err)
	}
	if err := start(func(c *tower.Connection) *embedsRight { return &embedsRight{&rightRules{c}} }); err != nil {
		t.Errorf("right rules of an embedded type: %v", err)
	}
}
