package form

import (
	"fmt"
	"html/template"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// A State is what a form shows besides the record: the values of a form that was
// refused, and their problems. A nil State is a form that has not been sent.
type State struct {
	Values   url.Values
	Problems map[string][]string
	Zone     *time.Location // in which times are shown; nil: the browser's, and UTC until its library has run
}

// Value returns the value of a field as an <input> shows it: the value that was sent, if
// the form was refused, or else the given value.
func (s *State) Value(field string, value any) string {
	if s != nil {
		if values := s.Values[field]; len(values) > 0 {
			if t := reflect.TypeOf(value); t != nil && isList(t) {
				return strings.Join(values, "\n")
			}
			return values[len(values)-1]
		}
	}
	return Text(value, s.zone())
}

// zone returns the zone in which the server shows times.
func (s *State) zone() *time.Location {
	if s == nil || s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// Problem returns the element that shows the problem of a field, hidden while there is none.
// Its id is that of the field and "-problem", for the aria-describedby of a control. The field "" is the form as a whole.
func (s *State) Problem(field string) template.HTML {
	id, text, hidden := "", "", " hidden"
	if field != "" {
		id = fmt.Sprintf(` id="%s"`, template.HTMLEscapeString(problemID(field)))
	}
	if s != nil && len(s.Problems[field]) > 0 {
		text, hidden = strings.Join(s.Problems[field], ", "), ""
	}
	return template.HTML(fmt.Sprintf(`<p class="problem" data-problem="%s" role="alert"%s%s>%s</p>`,
		template.HTMLEscapeString(field), id, hidden, template.HTMLEscapeString(text)))
}
