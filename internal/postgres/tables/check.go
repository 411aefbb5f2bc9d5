package tables

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/towerkit/tower/internal/record"
)

// check returns what other programs must observe in a column, in SQL: that the field can
// hold the value, and those rules of its validate tag that SQL can state whole. A rule that
// it cannot state it leaves out.
func check(c *Column, isID bool) string {
	name := quote(c.Name)
	var all []string
	if isID {
		all = append(all, name+" ~ '^[0-7][0-9A-HJKMNP-TV-Z]{25}$'")
	}
	all = append(all, bounds(c.Field, name)...)
	if f := c.Field; (f.Index || f.Unique || f.Grouped) && f.Kind == record.String {
		all = append(all, "octet_length("+name+") <= 1024")
	}
	return strings.Join(append(all, (&rules{c: c, name: name}).all()...), " AND ")
}

// bounds returns the conditions under which a field can hold a column's value.
func bounds(f *record.Field, name string) []string {
	base := f.Type()
	if base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	if f.Kind == record.List {
		// Elements are not checked one by one; those that do not fit are shown as such.
		return []string{fmt.Sprintf("(%s IS NULL OR array_position(%[1]s, NULL) IS NULL AND coalesce(array_ndims(%[1]s), 1) = 1)", name)}
	}
	switch f.Kind {
	case record.Int:
		if bits := base.Bits(); bits < 64 {
			most := int64(1)<<(bits-1) - 1
			return []string{fmt.Sprintf("%s BETWEEN %d AND %d", name, -most-1, most)}
		}
	case record.Uint:
		return []string{fmt.Sprintf("%s BETWEEN 0 AND %d", name, ^uint64(0)>>(64-base.Bits()))}
	case record.Float:
		most := "'-Infinity' AND %[1]s < 'Infinity'"
		if base.Bits() == 32 {
			most = "'-3.4028235e+38' AND %[1]s <= '3.4028235e+38'"
			return []string{fmt.Sprintf("%[1]s >= "+most, name)}
		}
		return []string{fmt.Sprintf("%[1]s > "+most, name)}
	case record.Time:
		return []string{fmt.Sprintf("%s >= '0001-01-01 00:00:00+00 BC' AND %[1]s < '10000-01-01 00:00:00+00'", name)}
	}
	return nil
}

// rules translates a validate tag.
type rules struct {
	c    *Column
	name string // of the column, in SQL
}

func (r *rules) all() []string {
	tag := r.c.Field.Rules()
	if tag == "" || tag == "-" {
		return nil
	}
	tags := strings.Split(tag, ",")
	for i, one := range tags {
		switch one {
		case "omitempty":
			empty := r.empty()
			if empty == "" {
				return r.each(tags[:i])
			}
			all := r.each(tags[:i])
			if rest := r.each(tags[i+1:]); len(rest) > 0 {
				all = append(all, "("+empty+" OR "+strings.Join(rest, " AND ")+")")
			}
			return all
		case "omitnil", "omitzero", "isdefault", "structonly", "nostructlevel":
			return r.each(tags[:i])
		}
	}
	return r.each(tags)
}

// each returns the rules that have a translation, up to those of a list's elements.
func (r *rules) each(tags []string) (all []string) {
	for _, one := range tags {
		if one == "dive" || one == "keys" {
			break
		}
		if strings.ContainsRune(one, '|') || strings.Contains(one, "0x") {
			continue
		}
		name, param, _ := strings.Cut(one, "=")
		rule := r.rule(name, param)
		if rule != "" && !r.c.NotNull && name != "required" && r.c.Field.Kind < record.List {
			rule = "(" + r.name + " IS NOT NULL AND " + rule + ")"
		}
		if rule != "" {
			all = append(all, rule)
		}
	}
	return all
}

// empty returns the condition under which the validator takes the value for empty; "" if
// SQL cannot state it.
func (r *rules) empty() string {
	if !r.c.NotNull {
		if k := r.c.Field.Kind; k < record.List || k == record.List {
			return r.name + " IS NULL"
		}
		return ""
	}
	return r.name + " = " + r.c.zero()
}

// zero returns the zero value of a column that is not null, in SQL.
func (c *Column) zero() string {
	switch c.Field.Kind {
	case record.Bool:
		return "false"
	case record.Time:
		return zeroTime
	case record.String:
		return "''"
	default:
		return "0"
	}
}

func (r *rules) rule(name, param string) string {
	f := r.c.Field
	if name == "required" {
		switch {
		case f.Kind == record.Object:
			return ""
		case !r.c.NotNull:
			return r.name + " IS NOT NULL"
		}
		return r.name + " <> " + r.c.zero()
	}
	base := f.Type()
	if base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	switch f.Kind {
	case record.String:
		return r.text(name, param)
	case record.Int, record.Uint:
		if base != reflect.TypeFor[time.Duration]() {
			return r.number(name, param, wholeNumber)
		}
	case record.Float:
		if base.Bits() == 64 {
			return r.number(name, param, decimalNumber)
		}
	case record.List:
		if op, size := comparisons[name], wholeNumber.MatchString(param); op != "" && size {
			return "coalesce(cardinality(" + r.name + "), 0) " + op + " " + param
		}
	}
	return ""
}

var (
	comparisons   = map[string]string{"min": ">=", "gte": ">=", "max": "<=", "lte": "<=", "gt": ">", "lt": "<", "len": "="}
	wholeNumber   = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,17})$`)
	decimalNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?$`)
	alternatives  = regexp.MustCompile(`'[^']*'|\S+`) // as the validator parts them
)

func (r *rules) text(name, param string) string {
	switch op := comparisons[name]; {
	case op != "" && wholeNumber.MatchString(param):
		return "char_length(" + r.name + ") " + op + " " + param
	case name == "eq":
		return r.name + " = " + literal(param)
	case name == "ne":
		return r.name + " <> " + literal(param)
	case name == "oneof" && param != "":
		var all []string
		for _, one := range alternatives.FindAllString(param, -1) {
			all = append(all, literal(strings.ReplaceAll(one, "'", "")))
		}
		return r.name + " IN (" + strings.Join(all, ", ") + ")"
	}
	return ""
}

func (r *rules) number(name, param string, syntax *regexp.Regexp) string {
	op := comparisons[name]
	switch name {
	case "eq":
		op = "="
	case "ne":
		op = "<>"
	}
	switch {
	case op != "" && syntax.MatchString(param):
		if strings.HasPrefix(param, "-") && r.c.Field.Kind == record.Uint {
			return "" // the validator cannot read it
		}
		return r.name + " " + op + " " + param
	case name == "oneof" && syntax == wholeNumber:
		all := strings.Fields(param)
		for _, one := range all {
			if _, err := strconv.ParseInt(one, 10, 64); err != nil || !wholeNumber.MatchString(one) {
				return ""
			}
		}
		if len(all) > 0 {
			return r.name + " IN (" + strings.Join(all, ", ") + ")"
		}
	}
	return ""
}
