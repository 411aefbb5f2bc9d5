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

// Templates holds an application's templates: a layout, pages that fill its blocks, and
// partials, whose names begin with "_". It is safe for concurrent use.
type Templates struct {
	files  fs.FS
	reload bool
	router *route.Router
	data   func(*Page) any

	mu        sync.Mutex
	stamp     string
	templates *templateSet
}

// A templateSet is the result of parsing all templates.
type templateSet struct {
	partials *template.Template // parsed once; cloned, never executed
	plain    *template.Template // the partials for records without references
	pool     sync.Pool          // of *boundPartials, for records with references
	pages    map[string]*template.Template

	checkPath func(method, path string) error
}

// New parses the templates in files, which may be nil, and checks that each page of the
// router has one. With reload, templates are read again if they change. The template of a
// page sees what data makes of the page as "."; nil: the page itself.
func New(files fs.FS, reload bool, router *route.Router, data func(*Page) any) (*Templates, error) {
	v := &Templates{files: files, reload: reload, router: router, data: data}
	_, err := v.current()
	return v, err
}

// current returns the templates. It parses them again if they have changed and reload is
// on.
func (v *Templates) current() (*templateSet, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.templates != nil && !v.reload {
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
	if v.files == nil {
		return nil, "", nil
	}
	var all strings.Builder
	err = fs.WalkDir(v.files, "views", func(name string, entry fs.DirEntry, err error) error {
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

// parse parses the templates with these names.
func (v *Templates) parse(names []string) (*templateSet, error) {
	out := &templateSet{checkPath: v.checkPath, partials: template.New("").Option("missingkey=error").Funcs(template.FuncMap{"ref": noRef, "time": timeElement}), pages: map[string]*template.Template{}}
	pages := map[string]string{}
	for _, file := range names {
		source, err := fs.ReadFile(v.files, file)
		if err != nil {
			return nil, err
		}
		text := strings.TrimPrefix(string(source), "\ufeff") // an editor's byte order mark
		name := strings.TrimPrefix(file, "views/")
		if name != "layout.html" && !strings.HasPrefix(path.Base(name), "_") {
			pages[name] = text
			continue
		}
		if _, err := out.partials.New(name).Parse(text); err != nil {
			return nil, err
		}
	}
	var err error
	if out.plain, err = out.partials.Clone(); err != nil {
		return nil, err
	}
	for name, text := range pages {
		page, err := out.partials.Clone()
		if err != nil {
			return nil, err
		}
		if _, err := page.New(name).Parse(text); err != nil {
			return nil, err
		}
		if page.Lookup("layout.html") == nil || page.Lookup("main") == nil {
			return nil, fmt.Errorf(`%s: a page needs views/layout.html and defines "main"`, name)
		}
		out.pages[name] = page
	}
	for _, rt := range v.router.Routes {
		if rt.Kind == route.KindPage && out.pages[rt.View()] == nil {
			return nil, fmt.Errorf("%s shows views/%s, which does not exist", rt.Pattern(), rt.View())
		}
	}
	return out, nil
}

// checkPath returns an error if no route answers a request.
func (v *Templates) checkPath(method, path string) error {
	_, _, err := v.router.Find(method, path)
	return err
}
