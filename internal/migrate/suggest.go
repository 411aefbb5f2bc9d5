package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

type suggestion struct{ wire.SuggestedMigration }

// Suggest returns a migration that would mend what has changed, or nil if nothing needs
// one. It is a proposal: whether a field was renamed or dropped only its author knows.
func Suggest(changes []Change) *wire.SuggestedMigration {
	s := &suggestion{}
	for _, c := range changes {
		switch c.Kind {
		case Retyped:
			s.retype(c)
		case GoneField:
			if c.To != "" {
				s.Steps = append(s.Steps, fmt.Sprintf("tower.Rename(%q, %q, %q)", c.Model, c.Field, c.To))
				s.Tags = append(s.Tags, fmt.Sprintf("the tag tower:\"was=%s\" at %s renames %[3]s.%[1]s to %[2]s without a migration", c.Field, c.To, c.Model))
			} else {
				s.Steps = append(s.Steps, fmt.Sprintf("tower.Drop(%q, %q)", c.Model, c.Field))
			}
		case GoneModel:
			s.Steps = append(s.Steps, fmt.Sprintf("tower.DropModel(%q)", c.Model))
		}
	}
	if len(s.Steps) == 0 {
		return nil
	}
	return &s.SuggestedMigration
}

// conversions are the bodies of functions that convert a value, by the types from and to.
var conversions = map[[2]string]struct{ body, imports string }{
	{"string", "int"}:   {"return strconv.Atoi(old)", "strconv"},
	{"string", "float"}: {"return strconv.ParseFloat(old, 64)", "strconv"},
	{"string", "bool"}:  {"return strconv.ParseBool(old)", "strconv"},
	{"string", "time"}:  {"return time.Parse(time.RFC3339, old)", "time"},
	{"int", "string"}:   {"return strconv.Itoa(old), nil", "strconv"},
	{"int", "float"}:    {"return float64(old), nil", ""},
	{"int", "bool"}:     {"return old != 0, nil", ""},
	{"float", "int"}:    {"return int(old), nil", ""},
	{"bool", "int"}:     {"if old {\n\t\treturn 1, nil\n\t}\n\treturn 0, nil", ""},
	{"bool", "string"}:  {"return strconv.FormatBool(old), nil", "strconv"},
	{"time", "string"}:  {"return old.Format(time.RFC3339), nil", "time"},
}

var goTypes = map[string]string{"int": "int", "uint": "uint", "float": "float64", "bool": "bool", "string": "string", "time": "time.Time"}

func (s *suggestion) retype(c Change) {
	name := convertName(c)
	from, to := goType(c.From), goType(c.To)
	convert, known := conversions[[2]string{strings.TrimSuffix(c.From, "?"), strings.TrimSuffix(c.To, "?")}]
	if !known {
		convert.body = fmt.Sprintf("return value, fmt.Errorf(\"%s: it is not decided what becomes of %%v\", old)", c.Field)
		convert.imports = "fmt"
	}
	for _, needed := range []string{convert.imports, timeOf(from), timeOf(to)} {
		if needed != "" && !slices.Contains(s.Imports, needed) {
			s.Imports = append(s.Imports, needed)
		}
	}
	s.Steps = append(s.Steps, fmt.Sprintf("tower.Retype(%q, %q, %s)", c.Model, c.Field, name))
	s.Funcs = append(s.Funcs, fmt.Sprintf("// %s returns the %s of %s for a value that was of type %s.\nfunc %s(old %s) (value %s, err error) {\n\t%s\n}",
		name, c.To, c.Model+"."+c.Field, c.From, name, from, to, convert.body))
}

// goType returns the Go type of a field for the function of a migration.
func goType(name string) string {
	name = strings.TrimSuffix(name, "?")
	if element, list := strings.CutPrefix(name, "[]"); list {
		return "[]" + goType(element)
	}
	if strings.HasPrefix(name, "ref ") {
		return "string"
	}
	if known, found := goTypes[name]; found {
		return known
	}
	return "any"
}

func timeOf(goType string) string {
	if strings.Contains(goType, "time.") {
		return "time"
	}
	return ""
}

func convertName(c Change) string {
	return "convert" + strings.ToUpper(c.Field[:1]) + c.Field[1:] + "Of" + strings.ToUpper(c.Model[:1]) + c.Model[1:]
}
