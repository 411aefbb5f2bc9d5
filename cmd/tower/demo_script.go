package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/wire"
)

// A scriptStep is an input to the console and its expected effects on each client:
// "published enter", "mine leave", or "published/users enter" for an author that the list
// includes. A client without effects must receive nothing. In the input, $ADA and $BOB are
// the ids of the two users.
type scriptStep struct {
	title     string
	input     string
	wantError string // text that the console must print instead of making a commit
	want      map[string][]string
}

// demoScript is the script of tower demo --headless.
var demoScript = []scriptStep{
	{title: "a post that everyone may see",
		input: `Post.create({title: "Hello", published: true, authorId: "$ADA"})`,
		want:  map[string][]string{"Ada": {"mine enter", "published enter"}, "Bob": {"published enter"}}},
	{title: "a draft by Ada, which only she may see",
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
	{title: "the draft is published, and arrives with its author",
		input: `Post.where({title: "A better plan"}).first().update({published: true})`,
		want:  map[string][]string{"Ada": {"published enter", "published/users enter"}, "Bob": {"mine change", "published enter", "published/users enter"}}},
	{title: "its author is renamed",
		input: `User.where({name: "Bob"}).first().update({name: "Robert"})`,
		want:  map[string][]string{"Ada": {"published/users change"}, "Bob": {"published/users change"}}},
	{title: "several changes in one transaction are one message",
		input: `transaction(() => { Post.where({title: "Hello"}).first().update({title: "Hello again"}); Post.create({title: "Both", published: true, authorId: "$BOB"}) })`,
		want:  map[string][]string{"Ada": {"mine change", "published change", "published enter"}, "Bob": {"mine enter", "published change", "published enter"}}},
	{title: "a post is unpublished",
		input: `Post.where({title: "Hello again"}).first().update({published: false})`,
		want:  map[string][]string{"Ada": {"mine change", "published leave"}, "Bob": {"published leave"}}},
	{title: "and deleted, which Bob must not learn",
		input: `Post.where({title: "Hello again"}).first().delete()`,
		want:  map[string][]string{"Ada": {"mine leave"}}},
}

var errScript = errors.New("not every client received what it should have")

// runScript runs demoScript, and checks and prints what each client receives.
func (s *sample) runScript(ctx context.Context) error {
	ids, err := s.seed(ctx)
	if err != nil {
		return err
	}
	var clients []*demoClient
	for number, node := range s.nodes {
		for _, name := range demoUsers {
			c, err := s.connect(ctx, node, ids[name])
			if err != nil {
				return fmt.Errorf("connect as %s: %w", name, err)
			}
			defer c.close()
			if c.user, c.title = name, name; len(s.nodes) > 1 {
				c.title = fmt.Sprintf("%s on node %d", name, number+1)
			}
			clients = append(clients, c)
		}
	}
	names := strings.NewReplacer("$ADA", ids["Ada"], "$BOB", ids["Bob"])
	right := true
	for _, step := range demoScript {
		fmt.Fprintf(s.out, "\n%s\n  > %s\n", step.title, strings.NewReplacer("$ADA", "ada", "$BOB", "bob").Replace(step.input))
		ok, err := s.runStep(ctx, step, names, clients)
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

// runStep evaluates one step in a new console. It returns false if a client received
// anything else than expected.
func (s *sample) runStep(ctx context.Context, step scriptStep, names *strings.Replacer, clients []*demoClient) (bool, error) {
	answer, failed := s.evaluate(ctx, names.Replace(step.input))
	right := true
	if step.wantError != "" {
		right = failed && strings.Contains(answer, step.wantError)
		fmt.Fprintf(s.out, "  %s the console prints: %s\n", mark(right), strings.ReplaceAll(strings.TrimSpace(answer), "\n", " "))
	} else if failed {
		return false, fmt.Errorf("the console printed: %s", answer)
	}
	position, err := s.position(ctx)
	if err != nil {
		return false, err
	}
	for _, c := range clients {
		got, messages, err := c.received(ctx, position)
		if err != nil {
			return false, fmt.Errorf("receive as %s: %w", c.title, err)
		}
		want := step.want[c.user]
		ok := slices.Equal(got, want) && messages == min(1, len(want))
		right = right && ok
		fmt.Fprintf(s.out, "  %s %s: %s\n", mark(ok), c.title, listEffects(got))
		if !ok {
			fmt.Fprintf(s.out, "      in %d messages; want, in one message: %s\n", messages, listEffects(want))
		}
	}
	return right, nil
}

// position returns the newest commit of the application.
func (s *sample) position(ctx context.Context) (string, error) {
	client, err := s.app.Attach(ctx)
	if err != nil {
		return "", err
	}
	defer client.Close()
	return wire.Position(client.Hello().Epoch, client.Hello().Seq), nil
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

// evaluate evaluates text in a new console, and returns what the console prints.
func (s *sample) evaluate(ctx context.Context, text string) (answer string, failed bool) {
	var out bytes.Buffer
	code := repl.Run(ctx, repl.Options{
		Dial: func(ctx context.Context) (*control.Client, error) { return s.app.Attach(ctx) },
		Expr: []string{text}, Output: &out, Err: &out,
	})
	return out.String(), code != 0
}
