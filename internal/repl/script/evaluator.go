// Package script runs JavaScript with an application's models in scope. An [Evaluator]
// turns the operations of the code into requests to the application, keeps writes in a
// sandbox if asked to, completes code while it is typed, and explains errors.
package script

import (
	"context"
	"errors"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"

	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// An Evaluator runs JavaScript with an application's models in scope. It must be used
// from one goroutine; only a context passed to it may be canceled from another.
type Evaluator struct {
	vm *goja.Runtime

	// Remote answers the requests. It may be replaced between calls of Run.
	Remote control.Remote
	Options
	// Print receives the arguments of print and console.log.
	Print func([]show.Value)
	// Confirm asks a person whether to do something. If it is nil, there is no one to
	// ask.
	Confirm func(ctx context.Context, what string) bool
	// Progress, if set, is called while code runs that makes many requests, a few times
	// a second.
	Progress func(Progress)
	// Preview is the number of records of a query to show, and Items that of a list or of
	// the members of an object; 0 shows all.
	Preview, Items int

	// Hello is the application's description of itself at the time the console last
	// attached.
	Hello       wire.ControlHello
	models      []*model
	modelsBySeq map[uint64][]*model // as of a commit
	known       map[*goja.Object]*model
	routes      []wire.Route // nil until the first request
	queryProto  *goja.Object
	proseProto  *goja.Object
	plainObject *goja.Object // the prototype of all objects
	textSymbol  *goja.Symbol // the key of an object's description
	errors      errorClasses

	valuesSymbol *goja.Symbol // the key of a record's values

	ctx     context.Context // of the running code
	tx      uint64          // the open transaction, or 0
	trying  bool            // and it will be rolled back
	sandbox *sandbox        // nil without --sandbox
	writing bool            // a commit was requested and not yet answered
	meter   meter
}

const maxCallDepth = 2000

// StopTimeout is how long the end of a console waits for code that does not stop.
const StopTimeout = time.Second

// Options configure an evaluator.
type Options struct {
	// ReadOnly rejects every write before it is sent.
	ReadOnly bool
	// Sandbox keeps all writes in one transaction, which is discarded at the end
	// unless the code calls commit().
	Sandbox bool
	// Yes answers yes to every question.
	Yes bool
	// Memory is the most bytes that the process may hold while code runs; see
	// [BoundMemory]. Default: 1 GiB.
	Memory uint64
}

// New returns an evaluator for the application that hello describes. It sends its
// requests through r.
func New(hello wire.ControlHello, r control.Remote, o Options) *Evaluator {
	e := &Evaluator{vm: goja.New(), Remote: r, Options: o, Print: func([]show.Value) {}, ctx: context.Background(),
		known: map[*goja.Object]*model{}, textSymbol: goja.NewSymbol("text"), valuesSymbol: goja.NewSymbol("values")}
	e.vm.SetMaxCallStackSize(maxCallDepth)
	e.vm.SetParserOptions(parser.WithDisableSourceMaps)
	e.plainObject = e.vm.NewObject().Prototype()
	e.errors = newErrorClasses(e.vm)
	e.guardNesting()
	e.defineErrors()
	e.defineQueries()
	e.defineGlobals()
	e.adopt(hello)
	if o.Sandbox {
		e.enterSandbox()
	}
	return e
}

// Run evaluates src statement by statement and passes each value to emit. It skips
// undefined, unless the statement only reads a value. It stops at the first failure and
// when ctx ends. The error is [ErrIncomplete], a [*show.Failure], or a [*show.Crash].
// If the source has a syntax error, none of it runs.
func (e *Evaluator) Run(ctx context.Context, src Source, emit func(show.Value)) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = show.NewCrash(cause)
		}
	}()
	code, err := compile(src)
	if err != nil {
		return err
	}
	e.ctx, e.writing, e.meter = ctx, false, meter{}
	defer e.interruptible(ctx)()
	if code.hoisted != nil {
		if _, err := e.vm.RunProgram(code.hoisted); err != nil {
			return e.explain(src, err)
		}
	}
	for _, statement := range code.statements {
		if ctx.Err() != nil {
			return e.stopped()
		}
		if err := e.statement(statement, emit); err != nil {
			return e.explain(src, err)
		}
	}
	return nil
}

func (e *Evaluator) statement(s compiled, emit func(show.Value)) error {
	result, err := e.vm.RunProgram(s.program)
	if err == nil && s.awaits {
		result, err = e.awaitPromise(result)
	}
	if err == nil && s.then != nil {
		if err = e.vm.Set(awaitedName, result); err == nil {
			result, err = e.vm.RunProgram(s.then)
		}
		e.must(e.vm.GlobalObject().Delete(awaitedName))
	}
	if err != nil {
		return err
	}
	if isPromise(result) {
		if promise := result.Export().(*goja.Promise); promise.State() == goja.PromiseStateRejected {
			return e.catch(func() { panic(promise.Result()) })
		}
	}
	if goja.IsUndefined(result) {
		if s.question {
			emit(show.Value{})
		}
		return nil
	}
	var shown show.Value
	if err := e.catch(func() { shown = e.show(result) }); err != nil {
		return err
	}
	if err := e.vm.Set("_", result); err != nil {
		return err
	}
	emit(shown)
	return nil
}

// awaitPromise returns the value of a settled promise. Every promise the code can await
// is settled by then.
func (e *Evaluator) awaitPromise(result goja.Value) (goja.Value, error) {
	promise, ok := result.Export().(*goja.Promise)
	switch {
	case !ok:
		return result, nil
	case promise.State() == goja.PromiseStateRejected:
		return nil, e.catch(func() { panic(promise.Result()) })
	case promise.State() == goja.PromiseStatePending:
		return nil, &show.Failure{Message: "this promise never settles: nothing runs later here"}
	}
	return promise.Result(), nil
}

// show copies the value of a statement for display. It fetches the records of a query.
func (e *Evaluator) show(v goja.Value) show.Value {
	if object, ok := v.(*goja.Object); ok {
		if m := e.modelOf(object); m != nil {
			return show.Scalar(show.Text, m.help())
		}
		if q, ok := queryOf(object); ok && e.Preview > 0 {
			return e.showQuery(q)
		}
	}
	return e.snapshot(v, e.copyShown())
}

func (e *Evaluator) showQuery(q *query) show.Value {
	first := *q
	if q.limit == 0 || q.limit > e.Preview {
		first.limit = e.Preview + 1
	}
	shown := e.snapshot(first.records(), e.copyShown())
	if shown.Total > e.Preview {
		shown.Items = shown.Items[:min(e.Preview, len(shown.Items))]
		shown.Total = q.count()
	}
	return shown
}

// interruptible stops the engine when ctx ends. Call release when the engine has
// returned.
func (e *Evaluator) interruptible(ctx context.Context) (release func()) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		e.vm.Interrupt(ErrInterrupted)
	})
	return func() {
		if !stop() {
			<-interrupted
		}
		e.vm.ClearInterrupt()
		e.ctx = context.Background()
	}
}

// catch runs fn, which may throw into the engine, and returns the exception.
func (e *Evaluator) catch(fn func()) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			var interrupted *goja.InterruptedError
			var overflow *goja.StackOverflowError
			if known, ok := thrown.(error); ok && (errors.As(known, &interrupted) || errors.As(known, &overflow)) {
				err = known
				return
			}
			panic(thrown)
		}
	}()
	if exception := e.vm.Try(fn); exception != nil {
		return exception
	}
	return nil
}

// usage returns a TypeError of the caller, to be thrown with panic.
func (e *Evaluator) usage(format string, args ...any) goja.Value {
	return e.vm.NewTypeError(append([]any{format}, args...)...)
}
