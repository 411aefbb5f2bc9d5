package server

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/towerkit/tower/internal/record"
	"github.com/towerkit/tower/internal/server/fault"
	"github.com/towerkit/tower/internal/server/route"
)

// views are an application's templates: a layout, pages that fill its blocks,
// and partials, whose names begin with "_".
type views struct {
	files  fs.FS
	reload bool
	router *route.Router

	mu        sync.Mutex
	stamp     string
	templates *templateSet
}

type templateSet struct {
	partials *template.Template // of live lists; it is never executed, and cloned instead
	plain    *template.Template // those that are rendered without what a record refers to
	pool     sync.Pool          // those that are rendered with it, each a *bound
	pages    map[string]*template.Template
}

// A boundPartials is partials in which ref finds what one record comes with. It is not for
// concurrent use.
type boundPartials struct {
	partials *template.Template
	with     []*record.Image
}

// ref returns the record that an id refers to, nil if there is none that may be seen.
func (b *boundPartials) ref(id record.ID) (any, error) {
	for _, image := range b.with {
		if image.ID == id {
			return image.Record()
		}
	}
	return nil, nil
}

// noRef is ref where nothing is included.
func noRef(id record.ID) (any, error) {
	return nil, errors.New("ref needs a live list whose scope includes the reference: .Include(&post.AuthorID)")
}

// with returns what one of several records comes with.
func with(all [][]*record.Image, i int) []*record.Image {
	if all == nil {
		return nil
	}
	return all[i]
}

func newViews(files fs.FS, reload bool, router *route.Router) (*views, error) {
	v := &views{files: files, reload: reload, router: router}
	_, err := v.current()
	return v, err
}

// current returns the templates, parsed again if they may change and did.
func (v *views) current() (*templateSet, error) {
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

// list returns the names of the templates, and a stamp that differs when one of
// them has changed.
func (v *views) list() (names []string, stamp string, err error) {
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

func (v *views) parse(names []string) (*templateSet, error) {
	out := &templateSet{partials: template.New("").Option("missingkey=error").Funcs(template.FuncMap{"ref": noRef, "time": timeElement}), pages: map[string]*template.Template{}}
	pages := map[string]string{}
	for _, file := range names {
		text, err := fs.ReadFile(v.files, file)
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(file, "views/")
		if name != "layout.html" && !strings.HasPrefix(path.Base(name), "_") {
			pages[name] = string(text)
			continue
		}
		if _, err := out.partials.New(name).Parse(string(text)); err != nil {
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

func (v *views) page(page *View) ([]byte, error) {
	current, err := v.current()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := current.pages[page.route.View()].ExecuteTemplate(&out, "layout.html", page); err != nil {
		return nil, fmt.Errorf("render views/%s: %w", page.route.View(), err)
	}
	return out.Bytes(), nil
}

// bind returns partials in which ref finds what a record comes with; nil is a record
// that comes alone. They are for one rendering.
func (p *templateSet) bind(with []*record.Image) (partials *template.Template, done func(), err error) {
	if with == nil {
		return p.plain, func() {}, nil
	}
	b, _ := p.pool.Get().(*boundPartials)
	if b == nil {
		b = &boundPartials{}
		if b.partials, err = p.partials.Clone(); err != nil {
			return nil, nil, err
		}
		b.partials.Funcs(template.FuncMap{"ref": b.ref})
	}
	b.with = with
	return b.partials, func() {
		b.with = nil
		p.pool.Put(b)
	}, nil
}

// partial renders one record, and what it comes with. The element that it renders is
// given the record's id, by which the browser finds it.
func (p *templateSet) partial(name string, image *record.Image, with []*record.Image, session any) (string, error) {
	rec, err := image.Record()
	if err != nil {
		return "", err
	}
	data := rec
	if strings.HasSuffix(name, ".viewer.html") {
		data = struct{ Record, Session any }{rec, session}
	}
	partials, done, err := p.bind(with)
	if err != nil {
		return "", err
	}
	defer done()
	partial := partials.Lookup(name)
	if partial == nil {
		return "", fmt.Errorf("views/%s does not exist", name)
	}
	var out bytes.Buffer
	if err := partial.Execute(&out, data); err != nil {
		return "", fmt.Errorf("render views/%s: %w", name, err)
	}
	return mark(name, out.String(), image.ID)
}

// mark puts the record's id on the root element of what a partial rendered.
func mark(name, html string, id record.ID) (string, error) {
	html = strings.TrimSpace(html)
	end := 1
	for end < len(html) && (isLetter(html[end]) || end > 1 && (isDigit(html[end]) || html[end] == '-')) {
		end++
	}
	if end == 1 || html[0] != '<' {
		return "", fmt.Errorf("views/%s: a live partial must render one element, with nothing before it", name)
	}
	return html[:end] + ` data-id="` + template.HTMLEscapeString(string(id)) + `"` + html[end:], nil
}

func isLetter(b byte) bool { return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' }
func isDigit(b byte) bool  { return '0' <= b && b <= '9' }

var failurePage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Status}} {{.Message}}</title><link rel="stylesheet" href="/app.css"></head>
<body><main class="failure"><h1>{{.Status}}</h1><p>{{.Message}}</p>{{with .Detail}}<pre>{{.}}</pre>{{end}}<p><a href="/">Back to the front page</a></p></main></body></html>
`))

// writeFailure writes the page for an error; in development with its whole text.
func (v *views) writeFailure(w io.Writer, coded *fault.Error, err error, whole bool) {
	page := struct {
		Status          int
		Message, Detail string
	}{Status: coded.Status(), Message: coded.Error()}
	if whole && err.Error() != page.Message {
		page.Detail = err.Error()
	}
	_ = failurePage.Execute(w, page) // the client may be gone
}
