package repl

import (
	"regexp"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

var secretName = regexp.MustCompile(`(?i)pass(word|wd|phrase)|^pass$|secret|token|api_?key|credential`)

// isSecret tells whether what goes by a name is nobody's business: it sounds so, or
// it is a private field.
func isSecret(models []wire.ModelInfo, name string) bool {
	return secretName.MatchString(name) || slices.ContainsFunc(models, func(m wire.ModelInfo) bool {
		return slices.ContainsFunc(m.Fields, func(f wire.FieldInfo) bool { return f.Private && f.Name == name })
	})
}

// redacted is code without the texts that are given to secret names.
func redacted(code string, secret func(name string) bool) string {
	if secret == nil {
		return code
	}
	var s scanner
	var out strings.Builder
	hides := false // the next text is a secret
	name := ""
	for _, t := range s.scan(code) {
		text := code[t.start:t.end]
		switch t.kind {
		case wordToken, keywordToken:
			name, hides = text, false
		case punctToken:
			hides = (text == ":" || text == "=") && secret(name)
		case stringToken, templateToken:
			if name = strings.Trim(text, `"'`); hides {
				text, hides = `"…"`, false
			}
		case numberToken:
			hides = false
		}
		out.WriteString(text)
	}
	return out.String()
}
