package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl"
)

// A scriptStep of the story is what is typed into the console, and what becomes of it
// on each client: "published enter", "mine leave", "published/users enter" of an
// author whom the list includes. A client that is not named must receive nothing at
// all. $ADA and $BOB stand for the ids of the two.
type scriptStep struct {
	title     string
	input     string
	wantError string // what the console must answer instead of making a commit
	want      map[string][]string
}

// demoScript is played by tower demo --headless.
var demoScript = []scriptStep{
	{title: "a post that everyone may see",
		input: `Post.create({title: "Hello", published: true, authorId: "$ADA"})`,
		want:  map[string][]string{"Ada": {"mine enter", "published enter"}, "Bob": {"published enter"}}},
	{title: "a draft of Ada's, which is nobody else's business",
		input: `Post.create({title: "A secret plan", authorId: "$ADA"})`,
		want:  map[string][]string{"Ada": {"mine enter"}}},
	{title: "the draft is changed",
		input: `Post.where({title: "A secret plan"}).first().update({title: "A better plan"})`,
		want:  map[string][]string{"Ada": {"mine change"}}},
	{title: "a title is required",
		input: `Post.create({title: "", authorId: "$ADA"})`, wantError: "title"},
	{title: "the draft is given to Bob",
		input: `Post.where({title: "A better plan"}).first().update({authorId: "$BOB"})`,
		want:  map[string][]string{"Ada": {"mine leave"}, "Bob": {"mine enter"}}},
	{title: "it is published, and comes with its author",
		input: `Post.where({title: "A better plan"}).first().update({published: true})`,
		want:  map[string][]string{"Ada": {"published enter", "published/users enter"}, "Bob": {"mine change", "published enter", "published/users enter"}}},
	{title: "who wrote it is renamed",
		input: `User.where({name: "Bob"}).first().update({name: "Robert"})`,
		want:  map[string][]string{"Ada": {"published/users change"}, "Bob": {"published/users change"}}},
	{title: "several at once are one transaction, and one message",
		input: `transaction(() => { Post.where({title: "Hello"}).first().update({title: "Hello again"}); Post.create({title: "Both", published: true, authorId: "$BOB"}) })`,
		want:  map[string][]string{"Ada": {"mine change", "published change", "published enter"}, "Bob": {"mine enter", "published change", "published enter"}}},
	{title: "a post is taken back",
		input: `Post.where({title: "Hello again"}).first().update({published: false})`,
		want:  map[string][]string{"Ada": {"mine change", "published leave"}, "Bob": {"published leave"}}},
	{title: "and deleted, which Bob need not know",
		input: `Post.where({title: "Hello again"}).first().delete()`,
		want:  map[string][]string{"Ada": {"mine leave"}}},
}

var errScript = errors.New("not every client received what it should have")

// runScript plays the story and checks what each client receives.
func (s *sample) runScript(ctx context.Context) error {
	ids, err := s.seed(ctx)
	if err != nil {
		return err
	}
	players := map[string]*demoClient{}
	for _, name := range demoUsers {
		p, err := s.connect(ctx, name, ids[name])
		if err != nil {
			return fmt.Errorf("%s connects: %w", name, err)
		}
		defer p.close()
		players[name] = p
	}
	names := strings.NewReplacer("$ADA", ids["Ada"], "$BOB", ids["Bob"])
	right := true
	for _, step := range demoScript {
		fmt.Fprintf(s.out, "\n%s\n  > %s\n", step.title, strings.NewReplacer("$ADA", "ada", "$BOB", "bob").Replace(step.input))
		ok, err := s.runStep(ctx, step, names, players)
		if err != nil {
			return err
		}
		right = right && ok
	}
	if !right {
		return errScript
	}
	fmt.Fprintln(s.out, "\n✓ every client received what it should have, and nothing else")
	return nil
}

// runStep types one step, into a console of its own.
func (s *sample) runStep(ctx context.Context, step scriptStep, names *strings.Replacer, players map[string]*demoClient) (bool, error) {
	answer, failed := s.evaluate(ctx, names.Replace(step.input))
	right := true
	if step.wantError != "" {
		right = failed && strings.Contains(answer, step.wantError)
		fmt.Fprintf(s.out, "  %s the console says: %s\n", mark(right), strings.ReplaceAll(strings.TrimSpace(answer), "\n", " "))
	} else if failed {
		return false, fmt.Errorf("the console says: %s", answer)
	}
	for _, name := range demoUsers {
		got, messages, err := players[name].received(ctx)
		if err != nil {
			return false, fmt.Errorf("%s listens: %w", name, err)
		}
		want := step.want[name]
		ok := slices.Equal(got, want) && messages == min(1, len(want))
		right = right && ok
		fmt.Fprintf(s.out, "  %s %s: %s\n", mark(ok), name, listEffects(got))
		if !ok {
			fmt.Fprintf(s.out, "      in %d messages; it should have been, in one: %s\n", messages, listEffects(want))
		}
	}
	return right, nil
}

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}

func listEffects(effects []string) string {
	if len(effects) == 0 {
		return "nothing"
	}
	return strings.Join(effects, ", ")
}

// evaluate evaluates in a console, and returns what it prints.
func (s *sample) evaluate(ctx context.Context, text string) (answer string, failed bool) {
	var out bytes.Buffer
	code := repl.Run(ctx, repl.Options{
		Dial: func(ctx context.Context) (*repl.Client, error) { return attach(ctx, s.app) },
		Expr: []string{text}, Output: &out, Err: &out,
	})
	return out.String(), code != 0
}
