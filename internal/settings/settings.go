// Package settings fills the settings of an application, a struct with tags, from its
// environment, and describes them.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/towerkit/tower/internal/environ"
	"github.com/towerkit/tower/internal/record"
)

// A Setting is one field of the settings.
type Setting struct {
	Name     string // of its variable
	Field    string // of the struct: "Mail.Host"
	Value    string // "" if it is not set, or secret
	From     string // where the value comes from: see [environ.Environment.From]; "default", or "" if it is not set
	Secret   bool
	Required bool
}

// SecretType is the type whose values are secret. Package tower sets it.
var SecretType reflect.Type

// Fill sets the fields of the struct that target points to, and returns what they are. The
// error lists everything that is wrong, one problem on each line. It never holds a secret.
func Fill(target any, from *environ.Environment) ([]Setting, error) {
	at := reflect.ValueOf(target)
	if at.Kind() != reflect.Pointer || at.IsNil() || at.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("Config.Settings is a %T; it must be a pointer to a struct", target)
	}
	all := describe(at.Elem().Type(), "", "", from)
	var problems []string
	if err := env.ParseWithOptions(target, env.Options{Environment: from.All()}); err != nil {
		problems = explain(err, all, from)
	}
	broken, err := brokenRules(target, all, problems)
	if err != nil {
		return nil, fmt.Errorf("Config.Settings: %w", err)
	}
	if problems = append(problems, broken...); len(problems) > 0 {
		return all, errors.New(strings.Join(problems, "\n"))
	}
	return all, nil
}

// brokenRules returns a problem for each rule that a field breaks which has none yet.
func brokenRules(target any, all []Setting, known []string) (problems []string, err error) {
	found := &record.Problems{}
	if err := record.Validate(target, found); err != nil {
		return nil, err
	}
	validateWithin(reflect.ValueOf(target).Elem(), "", found)
	for _, field := range slices.Sorted(maps.Keys(found.Map())) {
		name := nameOf(all, field)
		if slices.ContainsFunc(known, func(problem string) bool { return strings.HasPrefix(problem, name+" ") }) {
			continue
		}
		for _, problem := range found.Map()[field] {
			problems = append(problems, strings.TrimSpace(name+" "+problem))
		}
	}
	return problems, nil
}

// validateWithin calls the Validate methods of the structs in a struct.
func validateWithin(in reflect.Value, path string, found *record.Problems) {
	for i := range in.NumField() {
		field := in.Type().Field(i)
		if !field.IsExported() || field.Type.Kind() != reflect.Struct || field.Tag.Get("env") != "" {
			continue
		}
		if at := in.Field(i).Addr(); record.CallsValidate(at.Type()) {
			own := &record.Problems{}
			record.ValidatePublic(at.Interface(), own)
			for name, problems := range own.Map() {
				for _, problem := range problems {
					found.Add(path+field.Name+"."+name, problem)
				}
			}
		}
		validateWithin(in.Field(i), path+field.Name+".", found)
	}
}

// describe lists the fields of a struct that have a variable.
func describe(t reflect.Type, prefix, path string, from *environ.Environment) (all []Setting) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("env"), ",")
		within := field.Type
		if within.Kind() == reflect.Pointer {
			within = within.Elem()
		}
		if name == "" {
			if within.Kind() == reflect.Struct && field.IsExported() {
				all = append(all, describe(within, prefix+field.Tag.Get("envPrefix"), path+field.Name+".", from)...)
			}
			continue
		}
		s := Setting{Name: prefix + name, Field: path + field.Name, Required: slices.Contains(strings.Split(options, ","), "required")}
		_, tagged := field.Tag.Lookup("secret")
		s.Secret = tagged || field.Type == SecretType
		text := from.Get(s.Name)
		if s.From = from.From(s.Name); s.From == "" {
			if fallback, has := field.Tag.Lookup("envDefault"); has {
				text, s.From = fallback, "default"
			}
		}
		if !s.Secret {
			s.Value = text
		}
		all = append(all, s)
	}
	return all
}

// explain returns the problems of an error of the parser, in the order of the fields.
func explain(err error, all []Setting, from *environ.Environment) (problems []string) {
	var several env.AggregateError
	if !errors.As(err, &several) {
		return []string{"Config.Settings: " + err.Error()}
	}
	for _, one := range several.Errors {
		var missing env.VarIsNotSetError
		var parse env.ParseError
		var unknown env.NoParserError
		var option env.NoSupportedTagOptionError
		switch {
		case errors.As(one, &missing):
			problems = append(problems, missing.Key+" is not set")
		case errors.As(one, &parse):
			problems = append(problems, misfit(parse, all, from))
		case errors.As(one, &unknown):
			problems = append(problems, fmt.Sprintf("Config.Settings: the field %s cannot be set: its type %s has no form as a text", unknown.Name, unknown.Type))
		case errors.As(one, &option):
			problems = append(problems, "Config.Settings: "+one.Error())
		default: // its text may hold a value
			problems = append(problems, "Config.Settings: a variable cannot be read")
		}
	}
	return problems
}

// misfit says which variable does not fit its field.
func misfit(parse env.ParseError, all []Setting, from *environ.Environment) string {
	for _, s := range all {
		if s.Field != parse.Name && !strings.HasSuffix(s.Field, "."+parse.Name) {
			continue
		}
		if text := from.Get(s.Name); text != "" && !s.Secret {
			return fmt.Sprintf("%s is %q; its type is %s", s.Name, text, parse.Type)
		}
		return fmt.Sprintf("%s does not fit its type, %s", s.Name, parse.Type)
	}
	return fmt.Sprintf("%s does not fit its type, %s", parse.Name, parse.Type)
}

// nameOf returns the variable of a field, or the field if it has none.
func nameOf(all []Setting, field string) string {
	for _, s := range all {
		if s.Field == field {
			return s.Name
		}
	}
	return field
}
