package control

import (
	"os"
	"slices"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/route"
	"github.com/towerkit/tower/internal/wire"
)

// hello describes the application to a console.
func (c *console) hello() wire.ControlHello {
	hello := wire.ControlHello{Version: wire.Version, App: c.app.Config().Name, Env: c.app.Config().Env, PID: os.Getpid(), URL: c.app.Config().URL,
		Build: c.app.Config().Build, Epoch: c.app.Store().Epoch(), Seq: c.app.Store().Seq(), Models: []wire.ModelInfo{}}
	for _, m := range c.app.Config().Models {
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

// describeRoutes lists the allowed actions, pages, cursors and handlers in the order of
// their declaration, and then the mounts. Cursors come with the number of connections that
// hold them.
func (c *console) describeRoutes(allowed func(*route.Route) bool) []wire.Route {
	holders := map[*route.Route]int{}
	for _, conn := range c.app.Connections() {
		for _, oc := range conn.OpenCursors() {
			holders[oc.Request.Route]++
		}
	}
	routes := []wire.Route{}
	for _, rt := range c.app.Router().Routes {
		if allowed(rt) {
			info := rt.Describe()
			info.Holders, info.Model, info.Value = holders[rt], c.modelOf(rt), rt.Value
			routes = append(routes, info)
		}
	}
	for _, mount := range c.app.Router().Mounts {
		routes = append(routes, mount.Describe())
	}
	return routes
}

// describeSettings lists what configures the application.
func (c *console) describeSettings() []wire.Setting {
	all := []wire.Setting{}
	for _, s := range c.app.Config().Settings {
		all = append(all, wire.Setting{Name: s.Name, Value: s.Value, From: s.From, Secret: s.Secret, Required: s.Required})
	}
	return all
}

// modelOf returns the name of the model of a route's output, "" if it is no record.
func (c *console) modelOf(rt *route.Route) string {
	for _, m := range c.app.Config().Models {
		if rt.IsAnnounced() && rt.Out != nil && m.Is(rt.Out) {
			return m.Name
		}
	}
	return ""
}

// describeConnections lists the connections of this node in the order that they joined.
func (c *console) describeConnections() []wire.ConnectionInfo {
	infos := []wire.ConnectionInfo{}
	for _, conn := range c.app.Connections() {
		infos = append(infos, conn.Info())
	}
	return infos
}

// describeCursors lists the open queries of this node by number.
func (c *console) describeCursors() []wire.CursorInfo {
	byNumber := map[uint64]*wire.CursorInfo{}
	for _, conn := range c.app.Connections() {
		for query, oc := range conn.Queries() {
			info := byNumber[query.Number()]
			if info == nil {
				spec := query.Spec()
				cost := query.Cost()
				info = &wire.CursorInfo{Number: query.Number(), Model: spec.Scope.Model.Name, Scope: spec.String(), Records: query.Len(), Residual: query.Reason(),
					Evaluations: cost.Evaluations, Micros: cost.Spent.Microseconds(), Refills: cost.Refills}
				byNumber[query.Number()] = info
			}
			if info.Holders++; info.Holders <= server.MaxReach {
				info.Connections = append(info.Connections, conn.Number())
			}
			if !slices.Contains(info.Names, oc.Request.Route.Name) {
				info.Names = append(info.Names, oc.Request.Route.Name)
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
