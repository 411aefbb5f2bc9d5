package tower

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"

	"github.com/towerkit/tower/internal/settings"
)

// A Secret is a text that is not printed: fmt, JSON, a log and a template show "[secret]"
// in its place, however deep it lies. Use it for the keys and passwords in the settings of
// an application: see [Config]. The zero value is empty.
type Secret struct{ reveal func() string } // a function, so that no printer follows it

const hidden = "[secret]"

func init() { settings.SecretType = reflect.TypeFor[Secret]() }

// NewSecret returns a text as a secret.
func NewSecret(text string) Secret { return Secret{func() string { return text }} }

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsEmpty reports whether the text is "".
func (s Secret) IsEmpty() bool { return s.Reveal() == "" }

// String returns "[secret]", or "" if the text is empty.
func (s Secret) String() string {
	if s.IsEmpty() {
		return ""
	}
	return hidden
}

// Format writes what String returns, whatever the verb.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, s.String()) }

// LogValue returns what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets the text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
