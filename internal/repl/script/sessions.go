package script

import (
	"strconv"

	"github.com/dop251/goja"

	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

// sessions returns the sessions that have open connections: of one user, or of all if
// there is no argument. Each has a method end, and so has the list of one user, for all
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
		{"user", info.User}, {"userId", info.UserID}, {"device", info.Device}, {"remote", info.Remote},
		{"since", info.Since.Format("2006-01-02T15:04:05.000Z")}, {"connections", e.vm.NewArray(connections...)}, {"number", info.Number},
	} {
		e.setProperty(object, property.name, e.vm.ToValue(property.v))
	}
	e.defineHidden(object, "end", func(goja.FunctionCall) goja.Value {
		return e.endSession(wire.ControlRequest{As: info.UserID, Key: strconv.FormatInt(info.Number, 10)}, "the session of "+info.User+" on "+info.Device)
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
