package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl"
)

// A step of the story is what is typed into the console, and what becomes of it
// on each client: "published enter", "mine leave", "published/users enter" of an
// author whom the list includes. A client that is not named must receive nothing at
// all. $ADA and $BOB stand for the ids of the two.
type step struct {
	says  string
	types string
	fails string // what the console must answer instead of making a commit
	then  map[string][]string
}

// story is played by tower demo --headless.
var story = []step{
	{says: "a post that everyone may see",
		types: `Post.create({title: "Hello", published: true, authorId: "$ADA"})`,
		then:  map[string][]string{"Ada": {"mine enter", "published enter"}, "Bob": {"published enter"}}},
	{says: "a draft of Ada's, which is nobody else's business",
		types: `Post.create({title: "A secret plan", authorId: "$ADA"})`,
		then:  map[string][]string{"Ada": {"mine enter"}}},
	{says: "the draft is changed",
		types: `Post.where({title: "A secret plan"}).first().update({title: "A better plan"})`,
		then:  map[string][]string{"Ada": {"mine change"}}},
	{says: "a title is required",
		types: `Post.create({title: "", authorId: "$ADA"})`, fails: "title"},
	{says: "the draft is given to Bob",
		types: `Post.where({title: "A better plan"}).first().update({authorId: "$BOB"})`,
		then:  map[string][]string{"Ada": {"mine leave"}, "Bob": {"mine enter"}}},
	{says: "it is published, and comes with its author",
		types: `Post.where({title: "A better plan"}).first().update({published: true})`,
		then:  map[string][]string{"Ada": {"published enter", "published/users enter"}, "Bob": {"mine change", "published enter", "published/users enter"}}},
	{says: "who wrote it is renamed",
		types: `User.where({name: "Bob"}).first().update({name: "Robert"})`,
		then:  map[string][]string{"Ada": {"published/users change"}, "Bob": {"published/users change"}}},
	{says: "several at once are one transaction, and one message",
		types: `transaction(() => { Post.where({title: "Hello"}).first().update({title: "Hello again"}); Post.create({title: "Both", published: true, authorId: "$BOB"}) })`,
		then:  map[string][]string{"Ada": {"mine change", "published change", "published enter"}, "Bob": {"mine enter", "published change", "published enter"}}},
	{says: "a post is taken back",
		types: `Post.where({title: "Hello again"}).first().update({published: false})`,
		then:  map[string][]string{"Ada": {"mine change", "published leave"}, "Bob": {"published leave"}}},
	{says: "and deleted, which Bob need not know",
		types: `Post.where({title: "Hello again"}).first().delete()`,
		then:  map[string][]string{"Ada": {"mine leave"}}},
}

var errStory = errors.New("not every client received what it should have")

// play plays the story and checks what each client receives.
func (s *sample) play(ctx context.Context) error {
	ids, err := s.settle(ctx)
	if err != nil {
		return err
	}
	players := map[string]*player{}
	for _, name := range people {
		p, err := s.enter(ctx, name, ids[name])
		if err != nil {
			return fmt.Errorf("%s connects: %w", name, err)
		}
		defer p.close()
		players[name] = p
	}
	names := strings.NewReplacer("$ADA", ids["Ada"], "$BOB", ids["Bob"])
	right := true
	for _, step := range story {
		fmt.Fprintf(s.out, "\n%s\n  > %s\n", step.says, strings.NewReplacer("$ADA", "ada", "$BOB", "bob").Replace(step.types))
		ok, err := s.playStep(ctx, step, names, players)
		if err != nil {
			return err
		}
		right = right && ok
	}
	if !right {
		return errStory
	}
	fmt.Fprintln(s.out, "\n✓ every client received what it should have, and nothing else")
	return nil
}

// playStep types one step, into a console of its own.
func (s *sample) playStep(ctx context.Context, step step, names *strings.Replacer, players map[string]*player) (bool, error) {
	answer, failed := s.typeIn(ctx, names.Replace(step.types))
	right := true
	if step.fails != "" {
		right = failed && strings.Contains(answer, step.fails)
		fmt.Fprintf(s.out, "  %s the console says: %s\n", mark(right), strings.ReplaceAll(strings.TrimSpace(answer), "\n", " "))
	} else if failed {
		return false, fmt.Errorf("the console says: %s", answer)
	}
	for _, name := range people {
		got, messages, err := players[name].received(ctx)
		if err != nil {
			return false, fmt.Errorf("%s listens: %w", name, err)
		}
		want := step.then[name]
		ok := slices.Equal(got, want) && messages == min(1, len(want))
		right = right && ok
		fmt.Fprintf(s.out, "  %s %s: %s\n", mark(ok), name, orNothing(got))
		if !ok {
			fmt.Fprintf(s.out, "      in %d messages; it should have been, in one: %s\n", messages, orNothing(want))
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

func orNothing(effects []string) string {
	if len(effects) == 0 {
		return "nothing"
	}
	return strings.Join(effects, ", ")
}

// typeIn evaluates in a console, and returns what it prints.
func (s *sample) typeIn(ctx context.Context, text string) (answer string, failed bool) {
	var out bytes.Buffer
	code := repl.Run(ctx, repl.Options{
		Dial: func(ctx context.Context) (*repl.Client, error) { return attach(ctx, s.app) },
		Expr: []string{text}, Output: &out, Err: &out,
	})
	return out.String(), code != 0
}

func decode(data []byte, v any) error { return json.Unmarshal(data, v) }
