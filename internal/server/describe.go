package server

import (
	"os"
	"slices"
	"unicode/utf8"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/store"
	"github.com/towerkit/tower/internal/wire"
)

// hello tells a console what it is attached to.
func (a *App) hello() wire.ControlHello {
	hello := wire.ControlHello{Version: wire.Version, App: a.config.Name, Env: a.config.Env, PID: os.Getpid(), URL: a.config.URL,
		Build: a.config.Build, Epoch: a.store.Epoch(), Seq: a.store.Seq(), Models: []wire.ModelInfo{}}
	for _, m := range a.config.Models {
		hello.Models = append(hello.Models, describeModel(m))
	}
	return hello
}

func describeModel(m *record.Model) wire.ModelInfo {
	info := wire.ModelInfo{Name: m.Name, Type: m.Type}
	for _, f := range m.Fields {
		info.Fields = append(info.Fields, wire.FieldInfo{Name: f.Name, Type: f.TypeName(), Ref: f.Ref,
			Index: f.Index, Unique: f.Unique, Required: f.Required, Private: f.Private})
	}
	return info
}

// describeRoutes lists the actions, pages and cursors that are allowed, in the
// order they were declared, cursors with how many connections hold them.
func (a *App) describeRoutes(allowed func(*route.Route) bool) []wire.Route {
	holders := map[*route.Route]int{}
	for _, c := range a.hub.all() {
		for _, handle := range c.handles() {
			holders[handle.request.route]++
		}
	}
	routes := []wire.Route{}
	for _, rt := range a.router.Routes {
		if allowed(rt) {
			info := rt.Describe()
			info.Holders, info.Model, info.Value = holders[rt], a.modelOf(rt), rt.Value
			routes = append(routes, info)
		}
	}
	return routes
}

// modelOf names the model of a route's output, "" where that is none.
func (a *App) modelOf(rt *route.Route) string {
	for _, m := range a.config.Models {
		if rt.Kind != route.KindPage && rt.Out != nil && m.Is(rt.Out) {
			return m.Name
		}
	}
	return ""
}

// describeCursors lists the open queries by number.
func (a *App) describeCursors() []wire.CursorInfo {
	byNumber := map[uint64]*wire.CursorInfo{}
	for _, c := range a.hub.all() {
		for query, handle := range c.queries() {
			info := byNumber[query.Number()]
			if info == nil {
				spec := query.Spec()
				cost := query.Cost()
				info = &wire.CursorInfo{Number: query.Number(), Model: spec.Scope.Model.Name, Scope: spec.String(), Records: query.Len(), Residual: query.Reason(),
					Evaluations: cost.Evaluations, Micros: cost.Spent.Microseconds(), Refills: cost.Refills}
				byNumber[query.Number()] = info
			}
			if info.Holders++; info.Holders <= maxReach {
				info.Connections = append(info.Connections, c.number)
			}
			if !slices.Contains(info.Names, handle.request.route.Name) {
				info.Names = append(info.Names, handle.request.route.Name)
			}
		}
	}
	infos := []wire.CursorInfo{}
	for _, info := range byNumber {
		infos = append(infos, *info)
	}
	slices.SortFunc(infos, func(a, b wire.CursorInfo) int { return int(a.Number) - int(b.Number) })
	return infos
}

func (c *Connection) info() wire.ConnectionInfo {
	info := wire.ConnectionInfo{ID: c.number, User: c.Label(), UserID: string(c.user), Transport: c.outbox.Transport.Name(),
		Remote: c.remote, Since: c.since, Cursors: []string{}, Seq: c.seq.Load(), Queued: c.outbox.Waiting(),
		Applied: c.applied.Load(), Lag: c.lag.Load()}
	for _, handle := range c.handles() {
		info.Cursors = append(info.Cursors, handle.request.route.Name)
	}
	return info
}

// labelOf is what a person knows a record by, "" for none.
func labelOf(image *record.Image) string {
	if image == nil {
		return ""
	}
	if f := labelField(image.Model); f != nil {
		return shorten(image.Value(f).Text(), maxLabel)
	}
	return ""
}

// labelField is what a person knows a record by: its title or name, else the
// first text that it has.
func labelField(m *record.Model) *record.Field {
	for _, name := range []string{"title", "name"} {
		if f := m.Field(name); f != nil && f.Kind == record.String && !f.Private {
			return f
		}
	}
	for _, f := range m.Fields {
		if f.Kind == record.String && f.Ref == "" && f.Name != "id" && !f.Private {
			return f
		}
	}
	return nil
}

func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// shortenBoth shortens two texts so that where they begin to differ can be seen.
func shortenBoth(a, b string) (string, string) {
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	if from := same - maxText/4; from > maxText/2 {
		for !utf8.RuneStart(a[from]) {
			from--
		}
		a, b = "…"+a[from:], "…"+b[from:]
	}
	return shorten(a, maxText), shorten(b, maxText)
}

// changedFields names the fields that an update changed.
func changedFields(change store.Change) []string {
	var names []string
	for _, f := range change.Model.Fields {
		if change.Op == store.Update && f.Name != "updatedAt" && !change.Same(f) {
			names = append(names, f.Name)
		}
	}
	return names
}
