package store

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"
)

// A Validator is a record or an input with rules that tags cannot say.
type Validator interface {
	Validate(*Problems)
}

var tags = newTags()

func newTags() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(sf reflect.StructField) string {
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		return name
	})
	return v
}

// Validate adds what is wrong with the struct behind record, by its validate
// tags (those of go-playground/validator) and by its own Validate method where
// it has one. The error is a tag that means nothing, or a panic in Validate.
func Validate(record any, problems *Problems) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("validate a %T: %v", record, r)
		}
	}()
	var found validator.ValidationErrors
	switch err := tags.Struct(record); {
	case errors.As(err, &found):
		for _, one := range found {
			_, path, _ := strings.Cut(one.Namespace(), ".")
			problems.Add(strings.TrimPrefix(path, "Record."), wording(one))
		}
	case err != nil:
		return fmt.Errorf("validate a %T: %w", record, err)
	}
	if own, ok := record.(Validator); ok {
		own.Validate(problems)
	}
	return nil
}

// wording says what a failed tag asks for, to follow the field's name.
func wording(e validator.FieldError) string {
	switch e.Tag() {
	case "required":
		return "is required"
	case "max", "lte":
		return bound(e, "is too long: at most %s characters", "has too many: at most %s", "must be at most %s")
	case "min", "gte":
		return bound(e, "is too short: at least %s characters", "has too few: at least %s", "must be at least %s")
	case "gt":
		return bound(e, "must be longer than %s characters", "must have more than %s", "must be more than %s")
	case "lt":
		return bound(e, "must be shorter than %s characters", "must have fewer than %s", "must be less than %s")
	case "len":
		return bound(e, "must have %s characters", "must have %s", "must be %s")
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

func bound(e validator.FieldError, text, list, number string) string {
	switch e.Kind() {
	case reflect.String:
		return fmt.Sprintf(text, e.Param())
	case reflect.Slice, reflect.Map, reflect.Array:
		return fmt.Sprintf(list, e.Param())
	default:
		return fmt.Sprintf(number, e.Param())
	}
}
