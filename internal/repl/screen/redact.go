package screen

import (
	"regexp"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/repl/script"
	"github.com/towerkit/tower/internal/repl/show"
	"github.com/towerkit/tower/internal/wire"
)

var (
	secretName = regexp.MustCompile(`(?i)(^|_)(passw(or)?d|passphrase|passcode|pass|pwd|secret|token|api_?key|access_?key|private_?key|credentials?|authorization|auth|bearer|otp|pin|ssn)$`)
	// Prefixes of common tokens, and other text that is not a word.
	secretText = regexp.MustCompile(`(?i)^(bearer |basic |eyj[\w-]{8,}\.|(sk|pk|rk)_(live|test)_|gh[pousr]_|twr_|github_pat_|glpat-|xox[abposr]-|akia[0-9a-z]{12,}|aiza[\w-]{30,}|-----begin |\$2[aby]\$|\$argon2)`)
	userinfo   = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@`)
	camel      = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// redact replaces secrets in code before it is stored: the values of private fields,
// values whose name suggests a password, token or key, and values that look like one.
func redact(code string, models []wire.ModelInfo) string {
	var s show.Lexer
	tokens := slices.DeleteFunc(s.Scan(code), func(t show.Token) bool { return t.Kind == show.SpaceToken || t.Kind == show.CommentToken })
	r := redactor{show.Code{Text: code, Tokens: tokens}, privateNames(models)}
	var out strings.Builder
	written := 0
	for i, t := range tokens {
		if t.Start >= written && r.secret(i) {
			out.WriteString(code[written:t.Start] + script.Redacted)
			written = r.end(i)
		}
	}
	return out.String() + code[written:]
}

func privateNames(models []wire.ModelInfo) []string {
	var names []string
	for _, m := range models {
		for _, f := range m.Fields {
			if f.Private {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

type redactor struct {
	show.Code
	private []string
}

// secret reports whether a literal is a secret.
func (r *redactor) secret(i int) bool {
	switch r.Tokens[i].Kind {
	case show.StringToken, show.TemplateToken:
		return looksSecret(strings.Trim(r.Word(i), "\"'`")) || r.hasSecretName(i) && r.Word(i+1) != ":"
	case show.NumberToken:
		return r.hasSecretName(i)
	}
	return false
}

// hasSecretName reports whether a literal is the value of something with a secret name:
// a key, a variable, or an operator on such a field.
func (r *redactor) hasSecretName(i int) bool {
	for {
		switch r.Word(i - 1) {
		case ":", "=":
			name := strings.Trim(r.Word(i-2), "\"'`")
			if r.isSecretName(name) {
				return true
			}
			// {password: {is: "x"}}
			if open := r.Enclosing(i - 3); r.Word(open) == "{" && r.Word(open-1) == ":" {
				i = open
				continue
			}
		case "(", "[", ",": // an element of a list, or an argument
			open := r.Enclosing(i - 1)
			if r.Word(open) == "(" {
				return r.isSecretName(r.Word(open - 1))
			}
			if r.Word(open) == "[" && (r.Word(open-1) == ":" || r.Word(open-1) == "=") {
				i = open
				continue
			}
		}
		return false
	}
}

func (r *redactor) isSecretName(name string) bool {
	return name != "" && (slices.Contains(r.private, name) || secretName.MatchString(camel.ReplaceAllString(name, "${1}_$2")))
}

// end returns the end of the literal that begins at tokens[i]. A template consists of
// several tokens.
func (r *redactor) end(i int) int {
	if r.Tokens[i].Kind != show.TemplateToken {
		return r.Tokens[i].End
	}
	var s show.Lexer
	for at := r.Tokens[i].Start; at < len(r.Text); {
		_, end := s.Token(r.Text, at)
		if at = end; len(s.Open) == 0 {
			return end
		}
	}
	return len(r.Text)
}

// looksSecret reports whether a text is a token, by its prefix or because it is long
// and looks random.
func looksSecret(text string) bool {
	if secretText.MatchString(text) || userinfo.MatchString(text) {
		return true
	}
	return len(text) >= 32 && !show.IsID(text) && strings.IndexFunc(text, notOfToken) < 0 && mixed(text)
}

func notOfToken(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("+/=_-", r))
}

// mixed reports whether a text contains letters and many digits, as random text does.
func mixed(text string) bool {
	digits := 0
	for _, r := range text {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	return digits >= len(text)/10 && digits < len(text)
}
