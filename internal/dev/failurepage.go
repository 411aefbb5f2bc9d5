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
<script src="/_tower/dev.js" data-version="{{.Version}}" defer></script>
</body>
</html>
`))

// writePage answers with a page that shows a failure, or text if f is nil. The page
// reloads when the application's version differs from the given one.
func writePage(w http.ResponseWriter, status int, text, version string, f *Failure) {
	view := struct{ Title, Text, Version string }{text, text, version}
	if f != nil {
		view.Title, view.Text = f.Title, f.Error()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	failurePage.Execute(w, view)
}
