package view

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"

	"github.com/towerkit/tower/internal/server/route"
)

// A page is a template with all that it uses.
type page struct {
	set   *template.Template
	start string // the template that begins the document: its layout, or its own "main"
}

// The layouts of a page and of a mail unless they define "layout", and the name of one without
// any.
const (
	defaultLayout = "layout.html"
	mailLayout    = "layouts/mail.html"
	noLayout      = "none"
)

// parse parses the templates with these names. An error names the file and the line.
func (v *Templates) parse(names []string) (*templateSet, error) {
	out := &templateSet{checkPath: v.checkPath, pages: map[string]page{}, failures: map[int]page{}}
	out.partials = template.New("").Option("missingkey=error").Funcs(v.Funcs).Funcs(functions(v.formats))
	out.partials.Funcs(renderIn(out.partials))
	sources := map[string]string{}
	for _, file := range names {
		source, err := fs.ReadFile(v.Files, file)
		if err != nil {
			return nil, err
		}
		text := strings.TrimPrefix(string(source), "\ufeff") // an editor's byte order mark
		name := strings.TrimPrefix(file, "views/")
		if !strings.HasPrefix(path.Base(name), "_") {
			sources[name] = text
		} else if _, err := out.partials.New(name).Parse(text); err != nil {
			return nil, located(err)
		}
	}
	for _, partial := range out.partials.Templates() {
		if strings.HasPrefix(path.Base(partial.Name()), "_") {
			if err := v.check(out.partials, partial.Name()); err != nil {
				return nil, err
			}
		}
	}
	var err error
	if out.plain, err = v.clone(out.partials); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if name == defaultLayout || strings.HasPrefix(name, "layouts/") {
			continue
		}
		parsed, err := v.parsePage(out.partials, sources, name)
		if err != nil {
			return nil, err
		}
		status, isFailure := strings.CutPrefix(name, "errors/")
		if !isFailure {
			out.pages[name] = parsed
			continue
		}
		code, err := strconv.Atoi(strings.TrimSuffix(status, ".html"))
		if err != nil || code < 400 || code > 599 {
			return nil, fmt.Errorf("views/%s: the page of an error has the name of its status, as in errors/404.html", name)
		}
		out.failures[code] = parsed
	}
	for _, rt := range v.router.Routes {
		if rt.Kind == route.KindPage && !rt.Answers && out.pages[rt.View()].set == nil {
			return nil, fmt.Errorf("%s shows views/%s, which does not exist", rt.Pattern(), rt.View())
		}
	}
	return out, nil
}

// parsePage parses a page, after its layout: the page's blocks take the place of the
// layout's.
func (v *Templates) parsePage(partials *template.Template, sources map[string]string, name string) (page, error) {
	isFailure := strings.HasPrefix(name, "errors/")
	layout, err := v.layoutOf(partials, name, sources[name], isFailure)
	if err != nil {
		return page{}, err
	}
	set, err := v.clone(partials)
	if err != nil {
		return page{}, err
	}
	if layout != noLayout {
		source, found := sources[layout]
		if !found {
			return page{}, fmt.Errorf("views/%s: its layout views/%s does not exist", name, layout)
		}
		if _, err := set.New(layout).Parse(source); err != nil {
			return page{}, located(err)
		}
	}
	if _, err := set.New(name).Parse(sources[name]); err != nil {
		return page{}, located(err)
	}
	start := layout
	if layout == noLayout {
		start = name
		if set.Lookup("main") != nil {
			start = "main"
		}
	} else if set.Lookup("main") == nil {
		return page{}, fmt.Errorf(`views/%s: a page defines "main", which its layout views/%s shows`, name, layout)
	}
	return page{set, start}, v.check(set, start)
}

// layoutOf returns the file of a page's layout: what the page names by {{define "layout"}},
// or else layout.html, for a mail layouts/mail.html. An error page has none unless it names one.
func (v *Templates) layoutOf(partials *template.Template, name, source string, isFailure bool) (string, error) {
	set, err := v.clone(partials)
	if err != nil {
		return "", err
	}
	if _, err := set.New(name).Parse(source); err != nil {
		return "", located(err)
	}
	defined := set.Lookup("layout")
	switch {
	case defined == nil && isFailure:
		return noLayout, nil
	case defined == nil && v.isMail(name):
		return mailLayout, nil
	case defined == nil:
		return defaultLayout, nil
	}
	var text strings.Builder
	for _, node := range defined.Tree.Root.Nodes {
		if node.Type() != parse.NodeText {
			return "", fmt.Errorf(`views/%s: "layout" is a name, as in {{define "layout"}}admin{{end}}, and holds no code`, name)
		}
		text.WriteString(node.String())
	}
	switch layout := strings.TrimSpace(text.String()); layout {
	case noLayout:
		return noLayout, nil
	case "", "layout":
		return defaultLayout, nil
	default:
		return "layouts/" + layout + ".html", nil
	}
}

// isMail reports whether a view is that of a mail: it is below mail/, and no page's.
func (v *Templates) isMail(name string) bool {
	return strings.HasPrefix(name, "mail/") && !slices.ContainsFunc(v.router.Routes, func(rt *route.Route) bool {
		return rt.Kind == route.KindPage && rt.View() == name
	})
}

// clone returns a copy of a set, whose function render finds what the copy defines.
func (v *Templates) clone(set *template.Template) (*template.Template, error) {
	fresh, err := set.Clone()
	if err != nil {
		return nil, err
	}
	return fresh.Funcs(renderIn(fresh)), nil
}

// check finds the mistakes in HTML that html/template reports only when a template runs:
// a value in a place where it cannot be made safe, or a template that is missing. It runs
// a copy that stops at its first function or value.
func (v *Templates) check(set *template.Template, start string) error {
	trial, err := set.Clone()
	if err != nil {
		return err
	}
	stopped := template.FuncMap{}
	for _, named := range []template.FuncMap{v.Funcs, functions(v.formats), renderIn(trial)} {
		for name := range named {
			stopped[name] = func(...any) (string, error) { return "", errors.New("not now") }
		}
	}
	var unsafe *template.Error
	if err := trial.Funcs(stopped).ExecuteTemplate(io.Discard, start, nil); errors.As(err, &unsafe) {
		return located(unsafe)
	}
	return nil
}

var templatePlace = regexp.MustCompile(`(?s)^(?:html/)?template: ?([^:\s]+\.html):(\d+)(?::\d+)?: ?(.*)$`)

// located returns an error of a template with the path of its file and its line in front:
// views/posts/index.html:3.
func located(err error) error {
	if found := templatePlace.FindStringSubmatch(err.Error()); found != nil {
		return placed{fmt.Sprintf("views/%s:%s: %s", found[1], found[2], found[3]), err}
	}
	return err
}

// A placed error says in its own words where err occurred.
type placed struct {
	text string
	err  error
}

func (p placed) Error() string { return p.text }

func (p placed) Unwrap() error { return p.err }
