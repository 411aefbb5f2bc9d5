package form

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/towerkit/tower/internal/record"
)

// Set sets target, a field of an input, from the values that a form sends under its
// name. A list takes all values, each of their lines as an element, without the blank
// ones, so that a blank value alone clears it. Other types take the last value: so a
// hidden box can stand for one that is not checked.
//
// A pointer is a field that may be left out. Empty text is null, where null is a value
// of the type, and no value for a number or a bool behind a pointer; elsewhere it is
// the zero value. The error follows the name of the field: "is not a number".
func Set(target reflect.Value, values []string, zone *time.Location) error {
	t := target.Type()
	if t.Kind() == reflect.Pointer && !isList(t) {
		return setPointer(target, values, zone)
	}
	for _, text := range values {
		if !utf8.ValidString(text) {
			return errors.New("is not valid Unicode text")
		}
	}
	if isList(t) {
		return setList(target, values, zone)
	}
	return setText(target, values[len(values)-1], zone)
}

func setPointer(target reflect.Value, values []string, zone *time.Location) error {
	value := reflect.New(target.Type().Elem())
	if values[len(values)-1] == "" {
		switch value.Elem().Kind() {
		case reflect.Pointer: // a value that may be null
		case reflect.String, reflect.Struct, reflect.Slice, reflect.Map, reflect.Interface:
			if err := Set(value.Elem(), values, zone); err != nil {
				return err
			}
		default:
			target.SetZero()
			return nil
		}
	} else if err := Set(value.Elem(), values, zone); err != nil {
		return err
	}
	target.Set(value)
	return nil
}

func setList(target reflect.Value, values []string, zone *time.Location) error {
	if target.Kind() == reflect.Pointer {
		value := reflect.New(target.Type().Elem())
		if err := setList(value.Elem(), values, zone); err != nil {
			return err
		}
		target.Set(value)
		return nil
	}
	list := reflect.MakeSlice(target.Type(), 0, len(values))
	for _, value := range values {
		for line := range strings.SplitSeq(unify(value), "\n") {
			if strings.TrimSpace(line) == "" {
				continue
			}
			element := reflect.New(target.Type().Elem()).Elem()
			if err := setText(element, line, zone); err != nil {
				return errors.New("is not a valid list: " + line + " " + err.Error())
			}
			list = reflect.Append(list, element)
		}
	}
	target.Set(list)
	return nil
}

func setText(target reflect.Value, text string, zone *time.Location) error {
	t := target.Type()
	own, unmarshals := target.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case t == timeType && text != "":
		at, err := parseTime(text, zone)
		if err != nil {
			return errors.New("is not a time")
		}
		target.Set(reflect.ValueOf(at))
	case t != timeType && unmarshals && text != "":
		if own.UnmarshalText([]byte(text)) != nil {
			return errors.New(record.TypeProblem(t))
		}
	case t.Kind() == reflect.String:
		target.SetString(strings.ReplaceAll(text, "\r\n", "\n"))
	case text == "":
		target.SetZero()
	case t.Kind() == reflect.Bool:
		return setBool(target, text)
	case target.CanInt(), target.CanUint(), target.CanFloat():
		return record.SetNumber(target, text)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return errors.New("is not in base64")
		}
		target.SetBytes(data)
	default:
		return setJSON(target, text)
	}
	return nil
}

func setBool(target reflect.Value, text string) error {
	switch text {
	case "true", "on", "1":
		target.SetBool(true)
	case "false", "off", "0":
		target.SetBool(false)
	default:
		return errors.New("is not a bool")
	}
	return nil
}

func setJSON(target reflect.Value, text string) error {
	if !json.Valid([]byte(text)) {
		return errors.New(record.TypeProblem(target.Type()))
	}
	return record.DecodeValue(target, []byte(text))
}

// parseTime accepts the formats of JSON and, in the zone, of <input
// type="datetime-local"> and <input type="date">.
func parseTime(text string, zone *time.Location) (at time.Time, err error) {
	if at, err = time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if at, err = time.Parse(layout, text); err == nil {
			return inZone(at, zone), nil
		}
	}
	return at, err
}
