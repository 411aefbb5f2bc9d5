package conformance

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// bindings are the values of names such as "$epoch".
type bindings map[string]any

// fill returns a value of a script with its names replaced by what they stand for.
func (b bindings) fill(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return b.fillText(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = b.fill(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := map[string]any{}
		for name, field := range v {
			filled, err := b.fill(field)
			if err != nil {
				return nil, err
			}
			name, err := b.fillText(name)
			if err != nil {
				return nil, err
			}
			out[fmt.Sprint(name)] = filled
		}
		return out, nil
	}
	return v, nil
}

// fillText fills a text. A text that is only a name may stand for another type.
func (b bindings) fillText(text string) (any, error) {
	if v, bound := b[text]; bound {
		return v, nil
	}
	names := make([]string, 0, len(b))
	for name := range b {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { return len(y) - len(x) }) // $all2 before $all
	for _, name := range names {
		text = strings.ReplaceAll(text, name, fmt.Sprint(b[name]))
	}
	if strings.HasPrefix(text, "$") {
		return nil, fmt.Errorf("%s is used before it has a value", text)
	}
	return text, nil
}

// match compares what a server sent with what a script expects, and binds names. The error
// says where they differ.
func (b bindings) match(want, got any) error { return b.matchAt("", want, got) }

func (b bindings) matchAt(at string, want, got any) error {
	switch want := want.(type) {
	case string:
		return b.matchText(at, want, got)
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return differ(at, want, got)
		}
		for i := range want {
			if err := b.matchAt(fmt.Sprintf("%s[%d]", at, i), want[i], list[i]); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return differ(at, want, got)
		}
		return b.matchObject(at, want, object)
	}
	if !reflect.DeepEqual(want, got) {
		return differ(at, want, got)
	}
	return nil
}

func (b bindings) matchText(at, want string, got any) error {
	if want == "*" {
		return nil
	}
	if _, bound := b[want]; strings.HasPrefix(want, "$") && !bound && !strings.ContainsAny(want[1:], "$:") {
		b[want] = got
		return nil
	}
	filled, err := b.fillText(want)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(filled, got) {
		return differ(at, filled, got)
	}
	return nil
}

func (b bindings) matchObject(at string, want, got map[string]any) error {
	for name, field := range want {
		absent, isAbsent := strings.CutPrefix(name, "!")
		if isAbsent {
			if value, there := got[absent]; there {
				return fmt.Errorf("%s.%s is %s, and must not be there", at, absent, text(value))
			}
			continue
		}
		key, err := b.fillText(name)
		if err != nil {
			return err
		}
		value, there := got[fmt.Sprint(key)]
		if !there {
			return fmt.Errorf("%s.%v is missing", at, key)
		}
		if err := b.matchAt(fmt.Sprintf("%s.%v", at, key), field, value); err != nil {
			return err
		}
	}
	return nil
}

func differ(at string, want, got any) error {
	if at == "" {
		at = "it"
	}
	return fmt.Errorf("%s is %s, expected %s", strings.TrimPrefix(at, "."), text(got), text(want))
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}
