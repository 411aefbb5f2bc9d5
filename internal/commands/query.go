package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/repl"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/spelling"
	"github.com/towerkit/tower/internal/wire"
)

// Query returns the command query.
func (find Find) Query() *cobra.Command {
	q := &queryCommand{}
	var choice *Choice
	cmd := &cobra.Command{
		Use:   "query SCOPE",
		Short: "Print the records of a cursor, or watch them change",
		Long: `Print the records of a cursor that the application declares, or of a query in the
console's language. With --watch, print a line of JSON for each record, then a line with
"current", then a line for each record that enters, changes or leaves, as it happens.
Every change is printed exactly once, even if the application is rebuilt meanwhile.

--until ends the command when a condition holds: JavaScript on count, records, first,
last, value and seq. Without --watch the command waits for the condition, and then prints
the records.

The exit code is 1 if something failed, or if the time was up before the condition held.`,
		Example: `  tower query posts.published
  tower query posts.mine --as 01M82ENM7NWCG84FJC6E41ZYKS --json
  tower query 'Post.where({published: true}).limit(5)'
  tower query posts.published --watch
  tower query 'Post' --until 'count >= 3' --timeout 5s
  tower query posts.one --in '{"id": "01M82ENM7NWCG84FJC6E41ZYKS"}' --watch`,
		Args: oneScope,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.scope, q.out = args[0], cmd.OutOrStdout()
			if err := q.check(); err != nil {
				return err
			}
			return choice.with(cmd, func(d *dialer) error {
				ctx, stop := signal.NotifyContext(cmd.Context(), cli.EndSignals...)
				defer stop()
				return q.run(ctx, d)
			})
		},
	}
	cmd.Flags().BoolVarP(&q.watch, "watch", "w", false, "keep running, and print the records that enter, change and leave")
	cmd.Flags().BoolVar(&q.json, "json", false, "print each record as a line of JSON")
	cmd.Flags().StringVar(&q.until, "until", "", "end when this `condition` holds")
	cmd.Flags().DurationVar(&q.timeout, "timeout", 0, "give up after this time")
	cmd.Flags().StringVar(&q.as, "as", "", "open the cursor as the user with this id")
	cmd.Flags().StringVar(&q.in, "in", "", "the cursor's input, as JSON")
	choice = find.ChooseRunning(cmd, "environment in which to start an application that is not running")
	return cmd
}

func oneScope(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return cli.Usage(fmt.Sprintf("query takes one scope, got %d", len(args)), "see: "+cmd.CommandPath()+" --help")
}

// A queryCommand is one run of tower query.
type queryCommand struct {
	scope, until, as, in string
	watch, json          bool
	timeout              time.Duration
	out                  io.Writer

	condition *script.Condition // nil without --until
	request   wire.ControlRequest
	replica   control.Replica
	build     string // build of the application that filled the replica
	printer   *repl.Printer
}

// declaredName matches the name of a declared cursor.
var declaredName = regexp.MustCompile(`^[\pL_][\pL\d_-]*\.[\pL_][\pL\d_]*$`)

// errTimeUp is the cause of the context's end after --timeout.
var errTimeUp = errors.New("the time is up")

// check validates the flags that need no application, and prepares the request.
func (q *queryCommand) check() (err error) {
	if q.until != "" {
		if q.condition, err = script.NewCondition(q.until); err != nil {
			return cli.Usage("--until "+err.Error(), "it is JavaScript, for example: count >= 3")
		}
	}
	if q.in != "" && !json.Valid([]byte(q.in)) {
		return cli.Usage(fmt.Sprintf("--in %s is not JSON", q.in), `for example: --in '{"id": "…"}'`)
	}
	if q.timeout < 0 {
		return cli.Usage("--timeout must not be negative", "for example: --timeout 5s")
	}
	q.request = wire.ControlRequest{Name: q.scope, As: q.as}
	if q.in != "" {
		q.request.In = json.RawMessage(q.in)
	}
	return nil
}

func (q *queryCommand) run(ctx context.Context, d *dialer) error {
	if q.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, q.timeout, errTimeUp)
		defer cancel()
	}
	client, err := d.dial(ctx)
	if err != nil {
		return cause(ctx, err)
	}
	defer func() { _ = client.Close() }() // Close returns nil
	if err := q.resolve(ctx, client); err != nil {
		return cause(ctx, err)
	}
	q.printer = repl.NewPrinter(q.out, client.Hello(), q.json || q.watch && !cli.IsTerminal(q.out))
	err = q.follow(ctx, client, d)
	switch {
	case errors.Is(err, errDone) && q.watch:
		return nil
	case errors.Is(err, errDone):
		return q.printer.All(&q.replica)
	case errors.Is(err, errTimeUp) && q.condition != nil:
		return cli.Hinted(fmt.Errorf("%s did not hold within %s", q.until, q.timeout), q.state())
	case errors.Is(err, errTimeUp) && q.watch:
		return nil
	case errors.Is(err, context.Canceled) && q.watch:
		return cli.ExitCode(130)
	}
	return err
}

// state describes the replica when the condition did not hold in time.
func (q *queryCommand) state() string {
	if q.replica.Value != nil {
		return "value is " + string(q.replica.Value)
	}
	return fmt.Sprintf("count is %d", q.replica.Len())
}

// resolve completes the request: the scope is the name of a declared cursor, or a query.
func (q *queryCommand) resolve(ctx context.Context, client *control.Client) error {
	if declaredName.MatchString(q.scope) {
		var routes []wire.Route
		if err := client.Do(ctx, wire.ControlRequest{Do: wire.DoRoutes}, &routes); err != nil {
			return err
		}
		return declared(q.scope, routes)
	}
	if q.as != "" || q.in != "" {
		return cli.Usage("--as and --in are for declared cursors, not for queries", "see the declared cursors: tower routes -g cursor")
	}
	var err error
	q.request, err = script.Query(ctx, client, q.scope)
	if err != nil {
		return cli.Usage(fmt.Sprintf("%s: %v", q.scope, err), "SCOPE is the name of a cursor, or a query: 'Post.where({published: true})'")
	}
	return nil
}

func declared(name string, routes []wire.Route) error {
	var names []string
	for _, route := range routes {
		if route.Kind == "cursor" {
			names = append(names, route.Name)
		}
		if route.Kind == "cursor" && route.Name == name {
			return nil
		}
	}
	hint := "see the declared cursors: tower routes -g cursor"
	if like := spelling.Closest(name, names); like != "" {
		hint = "did you mean: tower query " + like
	}
	return cli.Usage(fmt.Sprintf("there is no cursor %s", name), hint)
}

// errDone ends follow when the command has printed everything, or the condition holds.
var errDone = errors.New("done")

// follow opens the cursor and applies its frames. If the connection is lost, it waits for
// the application to run again, and resumes the cursor where it was.
func (q *queryCommand) follow(ctx context.Context, client *control.Client, d *dialer) error {
	for {
		err := q.read(ctx, client)
		var ended *control.StreamError
		if again := errors.Is(err, control.ErrLost) || errors.As(err, &ended); !again || !q.watch && q.condition == nil {
			return cause(ctx, err)
		}
		if !client.Lost() {
			continue
		}
		if client, err = redial(ctx, d); err != nil {
			return cause(ctx, err)
		}
		defer func() { _ = client.Close() }() // restarts are rare, so few clients pile up
	}
}

// cause returns the cause of the context's end if it has ended, or err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, errDone) {
		return context.Cause(ctx)
	}
	return err
}

// read opens the cursor and applies its frames, until the command is done or the stream
// ends.
func (q *queryCommand) read(ctx context.Context, client *control.Client) error {
	req := q.request
	if build := client.Hello().Build; build == q.build {
		req.Since = q.replica.At
	} else { // the cursor's scope may differ: open it again, and apply the difference
		q.build = build
	}
	stream, err := client.Open(ctx, req)
	if err != nil {
		return fmt.Errorf("open %s: %w", q.scope, err)
	}
	for {
		frames, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		for _, frame := range frames {
			if err := q.apply(ctx, frame); err != nil {
				return err
			}
		}
	}
}

// apply applies a frame to the replica and prints its steps. It returns errDone if the
// command is complete.
func (q *queryCommand) apply(ctx context.Context, frame json.RawMessage) error {
	steps, err := q.replica.Apply(frame)
	if q.watch {
		err = errors.Join(err, q.printer.Steps(steps))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", q.scope, err)
	}
	switch {
	case q.replica.At == "": // no frame with a position yet
		return nil
	case q.condition != nil:
		holds, err := q.condition.Holds(ctx, &q.replica)
		if holds && err == nil {
			return errDone
		}
		return err
	case !q.watch:
		return errDone
	}
	return nil
}

const (
	firstRedial = 50 * time.Millisecond
	lastRedial  = time.Second
)

// redial waits until the application is running again, and connects to it.
func redial(ctx context.Context, d *dialer) (*control.Client, error) {
	for wait := firstRedial; ; wait = min(2*wait, lastRedial) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
		client, err := d.dial(ctx)
		if err == nil || !errors.Is(err, control.ErrNotRunning) {
			return client, err
		}
		if wait < lastRedial && 2*wait >= lastRedial {
			fmt.Fprintln(d.progress, "waiting for the application to run again")
		}
	}
}
