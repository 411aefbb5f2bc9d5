package view

import (
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/server/route"
)

// Templates holds an application's templates: layouts, pages that fill their blocks,
// partials, whose names begin with "_", and error pages. It is safe for concurrent use.
type Templates struct {
	Config
	router  *route.Router
	formats formats

	mu        sync.Mutex
	stamp     string
	templates *templateSet
}

// A templateSet is the result of parsing all templates.
type templateSet struct {
	partials *template.Template // parsed once; cloned, never executed
	plain    *template.Template // the partials for records without references
	pool     sync.Pool          // of *boundPartials, for records with references
	pages    map[string]page
	failures map[int]page // by status

	checkPath func(method, path string) (takesFiles bool, err error)
}

// Config describes an application's templates.
type Config struct {
	Files  fs.FS            // contains views/; nil: there are no views
	Reload bool             // read templates again if they change
	Data   func(*Page) any  // what the template of a page sees as "."; nil: the page itself
	Funcs  template.FuncMap // the application's own functions
	Locale string           // in which numbers and times are written; "": en
	Zone   *time.Location   // in which times are shown; nil: the browser's
}

// New parses the templates and checks that each page of the router has one.
func New(config Config, router *route.Router) (*Templates, error) {
	if err := checkFuncs(config.Funcs); err != nil {
		return nil, err
	}
	v := &Templates{Config: config, router: router}
	var err error
	if v.formats, err = newFormats(config.Locale, config.Zone); err != nil {
		return nil, fmt.Errorf("Config.Locale: %w", err)
	}
	_, err = v.current()
	return v, err
}

// current returns the templates. It parses them again if they have changed and reload is
// on.
func (v *Templates) current() (*templateSet, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.templates != nil && !v.Reload {
		return v.templates, nil
	}
	names, stamp, err := v.list()
	if err != nil {
		return nil, fmt.Errorf("views: %w", err)
	}
	if v.templates != nil && stamp == v.stamp {
		return v.templates, nil
	}
	fresh, err := v.parse(names)
	if err != nil {
		return nil, fmt.Errorf("views: %w", err)
	}
	v.templates, v.stamp = fresh, stamp
	return fresh, nil
}

// list returns the names of the templates, and a stamp that differs if one of them has
// changed.
func (v *Templates) list() (names []string, stamp string, err error) {
	if v.Files == nil {
		return nil, "", nil
	}
	var all strings.Builder
	err = fs.WalkDir(v.Files, "views", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".html" {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		names = append(names, name)
		fmt.Fprintln(&all, name, info.Size(), info.ModTime().Format(time.RFC3339Nano))
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return names, all.String(), err
}

// checkPath returns whether the route of a request takes files, or an error if none answers it.
func (v *Templates) checkPath(method, path string) (takesFiles bool, err error) {
	rt, _, err := v.router.Find(method, path)
	return err == nil && rt.Inputs != nil && len(rt.Inputs.Files()) > 0, err
}
