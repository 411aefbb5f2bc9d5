package route

import (
	"slices"
	"strings"
)

// MountHandler adds the path of a handler without a controller, unless it is there. A path
// that ends in "/" is a whole subtree. [Router.Check] reports what is wrong with it.
func (r *Router) MountHandler(path string) {
	if slices.ContainsFunc(r.Mounts, func(m *Route) bool { return m.Path == path }) {
		return
	}
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " {}") || strings.HasPrefix(path+"/", "/_tower/") {
		r.Refuse("mount %q: a handler is mounted at a path such as /graphql or /admin/, and not below /_tower/", path)
		return
	}
	mount := &Route{Kind: KindMount, Path: path, Name: path, Inputs: &Inputs{}}
	r.Mounts = append(r.Mounts, mount)
	slices.SortFunc(r.Mounts, func(a, b *Route) int { return strings.Compare(a.Path, b.Path) })
	r.register(mount)
}

// checkMounts refuses routes at the path of a mounted handler, and within its subtree. The
// handler at "/" gets what no route answers.
func (r *Router) checkMounts() {
	for _, mount := range r.Mounts {
		for _, route := range r.Routes {
			within := strings.HasSuffix(mount.Path, "/") && mount.Path != "/" && strings.HasPrefix(route.Path, mount.Path)
			if route.Path == mount.Path && mount.Path != "/" || within {
				r.Refuse("%s %q lies within the handler that is mounted at %q", route.Kind, route.Pattern(), mount.Path)
			}
		}
	}
}
