package route

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Fill replaces the braces of a path by the fields of an action's output, or else by the
// values in its own path.
func Fill(pattern string, out json.RawMessage, path url.Values) (string, error) {
	var fields map[string]any
	_ = json.Unmarshal(out, &fields) // only an object has fields
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		name, isField := strings.CutPrefix(part, "{")
		if !isField {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		value := path.Get(name)
		if field, ok := fields[name]; ok {
			value = fmt.Sprint(field)
		}
		if value == "" {
			return "", fmt.Errorf("%s: the output has no field %q", pattern, name)
		}
		parts[i] = url.PathEscape(value)
	}
	return strings.Join(parts, "/"), nil
}
