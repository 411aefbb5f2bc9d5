package view

import (
	"bytes"
	"fmt"
	"html/template"

	"github.com/towerkit/tower/internal/server/fault"
)

var failurePage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Status}} {{.Message}}</title>{{with .Styles}}<link rel="stylesheet" href="{{.}}">{{end}}</head>
<body><main class="failure"><h1>{{.Status}}</h1><p>{{.Message}}</p>{{if ge .Status 500}}{{with .Request}}<p>Request <code>{{.}}</code></p>{{end}}{{end}}{{with .Detail}}<pre>{{.}}</pre>{{end}}<p><a href="/">Back to the front page</a></p></main></body></html>
`))

// A Failure is what the page of an error sees as ".". It knows no session: the error may
// be that there is none.
type Failure struct {
	Status  int
	Message string // for the user: it holds nothing of an internal error
	Path    string // of the request
	Request string // its id, by which the log names it; "": it has none

	asset func(string) (string, error)
	nonce func() (string, error)
}

// Asset returns the address of a file, as [Page.Asset].
func (f *Failure) Asset(name string) (string, error) { return f.asset(name) }

// Nonce returns the nonce of this answer.
func (f *Failure) Nonce() (string, error) { return f.nonce() }

// NewFailure returns what the page of an error sees.
func NewFailure(err *fault.Error, id, path string, asset func(string) (string, error), nonce func() (string, error)) *Failure {
	return &Failure{Status: err.Status(), Message: err.Error(), Path: path, Request: id, asset: asset, nonce: nonce}
}

// Failure renders the page of an error: views/errors/404.html for the status 404, or else a
// plain one. It always returns a page; an error says why the application's own page could
// not be shown. detail is for developers: a page with it is always the plain one.
func (v *Templates) Failure(f *Failure, detail string) (html []byte, err error) {
	var out bytes.Buffer
	if detail == "" {
		current, failed := v.current()
		if failed == nil {
			if own := current.failures[f.Status]; own.set != nil {
				if failed = own.set.ExecuteTemplate(&out, own.start, f); failed == nil {
					return out.Bytes(), nil
				}
			}
		}
		if failed != nil {
			err = fmt.Errorf("render views/errors/%d.html: %w", f.Status, located(failed))
		}
	}
	out.Reset()
	styles, _ := f.asset("/app.css") // an application may have none
	_ = failurePage.Execute(&out, struct {
		*Failure
		Styles, Detail string
	}{f, styles, detail}) // a buffer takes all
	return out.Bytes(), err
}
