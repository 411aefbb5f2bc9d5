package scaffolds

import (
	"regexp"
	"strconv"
	"strings"
)

// name returns a unique name for each type: the type's own name, with its package's
// name before it if another type has the same, and with a number if needed.
func (t *typeScript) name() map[string]string {
	shared := map[string]int{"ID": 1, "Time": 1, "Int64": 1} // these are types of the library
	for _, named := range t.schema.Types {
		shared[shortName(named.Name)]++
	}
	names, used := map[string]string{}, map[string]bool{"ID": true, "Time": true, "Int64": true}
	for _, named := range t.schema.Types {
		name := shortName(named.Name)
		if shared[name] > 1 {
			name = capitalized(packageName(named.Name)) + name
		}
		free := name
		for n := 2; used[free] || used[free+"Input"]; n++ {
			free = name + strconv.Itoa(n)
		}
		names[named.Name], used[free] = free, true
		if t.inputs[named.Name] && t.outputs[named.Name] {
			used[free+"Input"] = true
		}
	}
	return names
}

var (
	qualified = regexp.MustCompile(`[^\[\],*]*[./]`)
	between   = regexp.MustCompile(`[^\p{L}\p{N}_]+`)
)

// shortName turns example.com/blog/models.Page[example.com/blog/models.Post] into PagePost.
func shortName(full string) string {
	var name string
	for _, part := range between.Split(qualified.ReplaceAllString(full, ""), -1) {
		name += capitalized(part)
	}
	return name
}

// packageName returns the last part of a type's package: models.
func packageName(full string) string {
	path, _, _ := strings.Cut(full, "[")
	path = path[strings.LastIndexByte(path, '/')+1:]
	name, _, _ := strings.Cut(path, ".")
	return between.ReplaceAllString(name, "")
}

func capitalized(word string) string {
	for i, first := range word {
		return strings.ToUpper(string(first)) + word[i+len(string(first)):]
	}
	return word
}

// goName returns the name of a type in Go, models.Post.
func goName(full string) string {
	path, arguments, generic := strings.Cut(full, "[")
	name := path[strings.LastIndexByte(path, '/')+1:]
	if generic {
		name += "[" + arguments
	}
	return name
}
