package view

import (
	"html/template"
	"io"

	"github.com/towerkit/tower/internal/server/fault"
)

var failurePage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Status}} {{.Message}}</title><link rel="stylesheet" href="/app.css"></head>
<body><main class="failure"><h1>{{.Status}}</h1><p>{{.Message}}</p>{{with .Detail}}<pre>{{.}}</pre>{{end}}<p><a href="/">Back to the front page</a></p></main></body></html>
`))

// WriteFailure writes the page for an error. With whole, it shows the text of err, too.
func (v *Templates) WriteFailure(w io.Writer, coded *fault.Error, err error, whole bool) {
	page := struct {
		Status          int
		Message, Detail string
	}{Status: coded.Status(), Message: coded.Error()}
	if whole && err.Error() != page.Message {
		page.Detail = err.Error()
	}
	_ = failurePage.Execute(w, page) // the client may be gone
}
