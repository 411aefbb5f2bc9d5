package script

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// sessions returns the sessions of one user or, if there is no argument, all that have open
// connections. Each has a method end, and so has the list of one user, for all
// sessions of that user.
func (e *Evaluator) sessions(call goja.FunctionCall) goja.Value {
	req := wire.ControlRequest{Do: wire.DoSessions}
	if len(call.Arguments) > 0 {
		if req.As = e.userOf(call.Argument(0)); req.As == "" {
			panic(e.usage("a visitor has no session"))
		}
	}
	var infos []wire.SessionInfo
	e.askAll(req, &infos)
	list := make([]any, len(infos))
	for i, info := range infos {
		object := e.vm.NewObject()
		e.fillSession(object, info)
		list[i] = object
	}
	array := e.vm.NewArray(list...)
	if req.As != "" {
		e.defineHidden(array, "end", func(goja.FunctionCall) goja.Value {
			return e.endSession(wire.ControlRequest{As: req.As}, "all sessions of "+req.As)
		})
	}
	return array
}

// fillSession gives an object the properties of a session.
func (e *Evaluator) fillSession(object *goja.Object, info wire.SessionInfo) {
	connections := make([]any, len(info.Connections))
	for i, number := range info.Connections {
		connections[i] = number
	}
	for _, property := range []struct {
		name string
		v    any
	}{
		{"user", info.User}, {"userId", info.UserID}, {"device", info.Device}, {"remote", info.Remote}, {"method", info.Method},
		{"since", info.Since.Format("2006-01-02T15:04:05.000Z")}, {"seen", info.Seen.Format("2006-01-02T15:04:05.000Z")},
		{"connections", e.vm.NewArray(connections...)}, {"id", info.ID},
	} {
		e.setProperty(object, property.name, e.vm.ToValue(property.v))
	}
	e.defineHidden(object, "end", func(goja.FunctionCall) goja.Value {
		return e.endSession(wire.ControlRequest{As: info.UserID, Key: info.ID}, "the session of "+info.User+" on "+info.Device)
	})
}

// endSession ends what a request names.
func (e *Evaluator) endSession(req wire.ControlRequest, what string) goja.Value {
	if e.sandbox != nil || e.tx != 0 {
		e.throw(&show.Failure{Title: "transaction", Message: "a session ends at once, and cannot be rolled back", Hint: "end it outside of a transaction, a trial and a sandbox"})
	}
	e.consentTo("end " + what)
	req.Do = wire.DoEndSession
	e.ask(req, nil)
	return e.vm.ToValue(true)
}

// The names of the models of jobs, and of the events that wait for reactions.
const (
	jobsModel    = "tower_jobs"
	waitingModel = "tower_waiting_reactions"
)

// A jobsAnswer is a wire.JobsInfo whose parts are values of the console.
type jobsAnswer struct {
	Workers                      int
	Queues, Schedules, Reactions json.RawMessage
	Jobs, Waiting                []json.RawMessage
}

func (e *Evaluator) askJobs(call goja.FunctionCall) (answer jobsAnswer) {
	req := wire.ControlRequest{Do: wire.DoJobs}
	if len(call.Arguments) > 0 {
		req.Name = call.Argument(0).String()
	}
	e.ask(req, &answer)
	return answer
}

// reactions returns the events that wait for the application's reactions, or those of one reaction or in a
// state: reactions("failed"). Each has the methods retry, drop and why; the list has the reactions as declared.
func (e *Evaluator) reactions(call goja.FunctionCall) goja.Value {
	answer := e.askJobs(call)
	list := make([]any, len(answer.Waiting))
	for i, text := range answer.Waiting {
		object := e.parsed(text).(*goja.Object)
		id := object.Get("id").String()
		e.changeable(object, "the event "+id, "retry", "drop")
		e.defineHidden(object, "why", func(goja.FunctionCall) goja.Value { return e.whyWaiting(id) })
		list[i] = object
	}
	array := e.vm.NewArray(list...)
	e.defineHidden(array, "declared", e.parsed(answer.Reactions))
	return array
}

// jobs returns the jobs of the application, or those of a queue, in a state or of a name:
// jobs("dead"). Each has the methods retry, cancel, drop and why; the list has the queues and the schedules.
func (e *Evaluator) jobs(call goja.FunctionCall) goja.Value {
	answer := e.askJobs(call)
	list := make([]any, len(answer.Jobs))
	for i, text := range answer.Jobs {
		list[i] = e.job(text)
	}
	array := e.vm.NewArray(list...)
	e.defineHidden(array, "workers", answer.Workers)
	e.defineHidden(array, "queues", e.parsed(answer.Queues))
	schedules := e.parsed(answer.Schedules).(*goja.Object)
	for _, key := range schedules.Keys() {
		schedule := schedules.Get(key).(*goja.Object)
		e.defineHidden(schedule, "run", func(goja.FunctionCall) goja.Value {
			name := schedule.Get("job").String()
			e.outsideTransactions("a job is enqueued at once")
			e.consentTo("run the job " + name + " now")
			var id string
			e.ask(wire.ControlRequest{Do: wire.DoRunJob, Name: name}, &id)
			return e.vm.ToValue(id)
		})
	}
	e.defineHidden(array, "schedules", schedules)
	return array
}

// job returns the object of a job.
func (e *Evaluator) job(text json.RawMessage) *goja.Object {
	object := e.parsed(text).(*goja.Object)
	id := object.Get("id").String()
	e.changeable(object, "the job "+id, "retry", "cancel", "drop")
	e.defineHidden(object, "why", func(goja.FunctionCall) goja.Value { return e.whyJob(id) })
	return object
}

// changeable gives a job, or an event that waits, the methods that change it.
func (e *Evaluator) changeable(object *goja.Object, what string, verbs ...string) {
	id := object.Get("id").String()
	for _, verb := range verbs {
		e.defineHidden(object, verb, func(goja.FunctionCall) goja.Value {
			e.outsideTransactions(what + " is changed at once")
			e.consentTo(verb + " " + what)
			e.ask(wire.ControlRequest{Do: wire.DoChangeJob, Name: verb, Key: id}, nil)
			return e.vm.ToValue(true)
		})
	}
}

// outsideTransactions throws within a transaction, a trial or a sandbox.
func (e *Evaluator) outsideTransactions(what string) {
	if e.sandbox != nil || e.tx != 0 {
		e.throw(&show.Failure{Title: "transaction", Message: what + ", and cannot be rolled back", Hint: "do it outside of a transaction, a trial and a sandbox"})
	}
}

// whyWork says why a job does not run, or an event waits for its reaction, if v is one: a record of their models, or what jobs() and
// reactions() list. It returns nil for anything else.
func (e *Evaluator) whyWork(v goja.Value) goja.Value {
	object, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	if m := e.recordModel(object); m != nil { // it has no members but its fields
		switch m.info.Name {
		case jobsModel:
			return e.whyJob(m.id("why", object))
		case waitingModel:
			return e.whyWaiting(m.id("why", object))
		}
		return nil
	}
	if why, is := goja.AssertFunction(object.Get("why")); is && object.Get("retry") != nil {
		return e.call(why, object)
	}
	return nil
}

// whyWaiting says why an event waits for its reaction.
func (e *Evaluator) whyWaiting(id string) goja.Value {
	var answer json.RawMessage
	e.ask(wire.ControlRequest{Do: wire.DoWaiting, Key: id}, &answer)
	var info wire.WaitingInfo
	if err := json.Unmarshal(answer, &info); err != nil {
		e.throw(err)
	}
	return e.withText(e.parsed(answer).(*goja.Object), fmt.Sprintf("%s of %s, %s: %s", info.Reaction, e.titled(info.Model, info.Of, info.Label), info.Event, info.Why))
}

// whyJob says why a job does not run, or how it has ended.
func (e *Evaluator) whyJob(id string) goja.Value {
	var answer json.RawMessage
	e.ask(wire.ControlRequest{Do: wire.DoJob, Key: id}, &answer)
	var info wire.JobInfo
	if err := json.Unmarshal(answer, &info); err != nil {
		e.throw(err)
	}
	return e.withText(e.parsed(answer).(*goja.Object), strings.TrimSpace(info.Job+" "+id+": "+info.Why))
}
