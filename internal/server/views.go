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

// views holds an application's templates: a layout, pages that fill its blocks, and
// partials, whose names begin with "_". It is safe for concurrent use.
type views struct {
	files  fs.FS
	reload bool
	router *route.Router
	data   func(*View) any // see Config.View

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
}

// A boundPartials is a copy of the partials whose function ref finds the references of one
// record. It is not safe for concurrent use.
type boundPartials struct {
	partials *template.Template
	with     []*record.Image
}

// ref returns the record with an id, nil if the list does not include it or the user may
// not see it.
func (b *boundPartials) ref(id record.ID) (any, error) {
	for _, image := range b.with {
		if image.ID == id {
			return image.Record()
		}
	}
	return nil, nil
}

// noRef is the function ref for lists that include nothing.
func noRef(id record.ID) (any, error) {
	return nil, errors.New("ref needs a live list whose scope includes the reference: .Include(&post.AuthorID)")
}

// with returns the references of the record with index i.
func with(all [][]*record.Image, i int) []*record.Image {
	if all == nil {
		return nil
	}
	return all[i]
}

// newViews parses the templates in files and checks that each page has one.
func newViews(files fs.FS, reload bool, router *route.Router, data func(*View) any) (*views, error) {
	v := &views{files: files, reload: reload, router: router, data: data}
	_, err := v.current()
	return v, err
}

// current returns the templates. It parses them again if they have changed and reload is
// on.
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

// list returns the names of the templates, and a stamp that differs if one of them has
// changed.
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

// parse parses the templates with these names.
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

// page renders a page.
func (v *views) page(page *View) ([]byte, error) {
	current, err := v.current()
	if err != nil {
		return nil, err
	}
	data := any(page)
	if v.data != nil {
		data = v.data(page)
	}
	var out bytes.Buffer
	if err := current.pages[page.route.View()].ExecuteTemplate(&out, "layout.html", data); err != nil {
		return nil, fmt.Errorf("render views/%s: %w", page.route.View(), err)
	}
	return out.Bytes(), nil
}

// bind returns the partials for a record with its references; nil is a record without any.
// They are for one rendering: call done afterwards.
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

// partial renders a record with its references. It adds the record's id to the element, so
// that the browser finds it.
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

// mark adds the record's id to the root element of a rendered partial.
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

// writeFailure writes the page for an error. With whole, it shows the text of err, too.
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

// timeLayout is the default layout of a time in a page: 2 January 2006, 15:04 UTC.
const timeLayout = "2 January 2006, 15:04 MST"

// timeElement is the function time of views. It returns a <time> element for a time.Time or
// a pointer to one, and nothing for the zero time and nil. A layout as for time.Format
// changes the text.
func timeElement(value any, layout ...string) (template.HTML, error) {
	at, isTime := value.(time.Time)
	if pointer, isPointer := value.(*time.Time); isPointer {
		if isTime = true; pointer != nil {
			at = *pointer
		}
	}
	if !isTime || len(layout) > 1 {
		return "", fmt.Errorf(`time takes a time and at most one layout, as in {{time .CreatedAt "2 Jan 2006"}}; it got a %T`, value)
	}
	if at.IsZero() {
		return "", nil
	}
	text := append(layout, timeLayout)[0]
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, at.Format(time.RFC3339), template.HTMLEscapeString(at.Format(text)))), nil
}
