package dev

import (
	"html/template"
	"net/http"
)

var failurePage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
</head>
<body>
<pre>{{.Text}}</pre>
{{with .Reload}}<script src="/_tower/dev.js" data-version="{{.Version}}" defer></script>
{{end}}</body>
</html>
`))

// writePage answers with a page that shows a failure, or text if f is nil. The page
// reloads when the application's version differs from the given one.
func writePage(w http.ResponseWriter, status int, text, version string, f *Failure) {
	view := failureView{text, text, &reload{version}}
	if f != nil {
		view.Title, view.Text = f.Title, f.Error()
	}
	view.write(w, status)
}

// A failureView is what a page of a failure shows.
type failureView struct {
	Title, Text string
	Reload      *reload // nil: the page stays
}

// reload has the page load again when the application's version differs.
type reload struct{ Version string }

func (v failureView) write(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = failurePage.Execute(w, v) // it fails if the client is gone
}
