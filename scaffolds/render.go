package scaffolds

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"strings"
	"text/template"
)

// The templates delimit actions by [[ ]], because what they generate contains {{ }}.
// Go templates that would not compile here end in .tmpl.
//
//go:embed all:resource all:auth pages types migration deploy mail
//go:embed app/*.go app/README.md app/.gitignore app/models app/controllers all:app/views app/public
//go:embed demo/*.go demo/README.md demo/models demo/controllers all:demo/views demo/public
var trees embed.FS

// render executes a template, and formats it if it is Go.
func render(name string, data any) ([]byte, error) {
	text, err := trees.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	parsed, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("template %w", err)
	}
	var b bytes.Buffer
	if err := parsed.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("template %w", err)
	}
	if !strings.HasSuffix(strings.TrimSuffix(name, ".tmpl"), ".go") {
		return b.Bytes(), nil
	}
	code, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("template %s does not make valid Go: %w", name, err)
	}
	return code, nil
}
