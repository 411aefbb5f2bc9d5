package record

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"
)

// A Validator is a record or an input with rules that tags cannot express.
type Validator interface {
	// Validate adds a problem for each rule that the value breaks.
	Validate(*Problems)
}

var tags = newTags()

func newTags() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(sf reflect.StructField) string {
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case embedded(sf):
			return embeddedPath
		case name == "-":
			return sf.Name
		}
		return name
	})
	return v
}

// embeddedPath is the path element of an embedded struct, which JSON does not name.
const embeddedPath = "^"

// failedTags returns the validate tags that the struct behind record breaks, or an
// error if a tag is invalid.
func failedTags(record any) (failed validator.ValidationErrors, err error) {
	if !hasTags(reflect.TypeOf(record)) {
		return nil, nil // the validator would visit each field
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	if err := tags.Struct(record); !errors.As(err, &failed) {
		return nil, err
	}
	return failed, nil
}

var tagged sync.Map // whether a type has validate tags, by its reflect.Type

// hasTags reports whether a value of type t, or what it holds, may have validate tags.
func hasTags(t reflect.Type) bool {
	if has, ok := tagged.Load(t); ok {
		return has.(bool)
	}
	seen := map[reflect.Type]bool{}
	var found func(t reflect.Type) bool
	found = func(t reflect.Type) bool {
		switch t.Kind() {
		case reflect.Interface:
			return true // it may hold anything
		case reflect.Map:
			return reaches(t.Key(), found, seen)
		case reflect.Struct:
			for i := range t.NumField() {
				if _, has := t.Field(i).Tag.Lookup("validate"); has {
					return true
				}
			}
		}
		return false
	}
	has := reaches(t, found, seen)
	tagged.Store(t, has)
	return has
}

// Validate adds a problem for each rule that the struct behind record breaks: those
// of its validate tags (see go-playground/validator), and those of its Validate
// method, if it has one. It returns an error if a tag is invalid or Validate panics.
func Validate(record any, problems *Problems) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("validate a %T: %v", record, r)
		}
	}()
	if err := checkTags(record, problems); err != nil {
		return fmt.Errorf("validate a %T: %w", record, err)
	}
	if own, ok := record.(Validator); ok {
		own.Validate(problems)
	} else if ValidatePublic != nil {
		ValidatePublic(record, problems)
	}
	return nil
}

// checkTags adds a problem for each rule of the validate tags that the struct behind
// record breaks. It returns an error if a tag is invalid.
func checkTags(record any, problems *Problems) error {
	failed, err := failedTags(record)
	for _, one := range failed {
		path := strings.TrimPrefix(one.Namespace(), reflect.Indirect(reflect.ValueOf(record)).Type().Name()+".")
		problems.Add(strings.ReplaceAll(path, embeddedPath+".", ""), tagProblem(one))
	}
	return err
}

// ValidatePublic calls the Validate method of a record or an input that takes the
// public form of problems, if it has one. Package tower sets it.
var ValidatePublic func(record any, problems *Problems)

// PublicValidator is the interface type of the method that ValidatePublic calls.
// Package tower sets it.
var PublicValidator reflect.Type

// CallsValidate reports whether [Validate] calls the Validate method of values of a
// type.
func CallsValidate(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[Validator]()) || PublicValidator != nil && t.Implements(PublicValidator)
}

// tagProblem describes a failed tag, in words that follow the field's name.
func tagProblem(e validator.FieldError) string {
	switch e.Tag() {
	case "required":
		return "is required"
	case "max", "lte":
		return boundProblem(e, "is too long: at most %s characters", "has too many: at most %s", "must be at most %s")
	case "min", "gte":
		return boundProblem(e, "is too short: at least %s characters", "has too few: at least %s", "must be at least %s")
	case "gt":
		return boundProblem(e, "must be longer than %s characters", "must have more than %s", "must be more than %s")
	case "lt":
		return boundProblem(e, "must be shorter than %s characters", "must have fewer than %s", "must be less than %s")
	case "len":
		return boundProblem(e, "must have %s characters", "must have %s", "must be %s")
	case "oneof":
		return "must be one of " + strings.ReplaceAll(e.Param(), " ", ", ")
	case "email":
		return "is not an email address"
	case "url", "http_url":
		return "is not a URL"
	}
	if e.Param() != "" {
		return "does not satisfy " + e.Tag() + "=" + e.Param()
	}
	return "does not satisfy " + e.Tag()
}

func boundProblem(e validator.FieldError, text, list, number string) string {
	switch {
	case e.Param() == "": // a time compared with the present
		return "does not satisfy " + e.Tag()
	case e.Kind() == reflect.String:
		if e.Param() == "1" {
			text = strings.TrimSuffix(text, "s")
		}
		return fmt.Sprintf(text, e.Param())
	case e.Kind() == reflect.Slice, e.Kind() == reflect.Map, e.Kind() == reflect.Array:
		return fmt.Sprintf(list, e.Param())
	default:
		return fmt.Sprintf(number, e.Param())
	}
}
