package scaffolds

import (
	"regexp"
	"strconv"
	"strings"
)

// nameTypes gives each type a unique name: the type's own name, with its package's name
// before it if another type has the same, and with a number if needed. A type that is
// part of an input and of an output has a second name as an input.
func (t *typeScript) nameTypes() {
	shared := map[string]int{"ID": 1, "Time": 1, "Int64": 1} // these are types of the library
	for _, named := range t.schema.Types {
		shared[shortName(named.Name)]++
	}
	used := map[string]bool{"ID": true, "Time": true, "Int64": true}
	unique := func(name string) string {
		free := name
		for n := 2; used[free]; n++ {
			free = name + strconv.Itoa(n)
		}
		used[free] = true
		return free
	}
	t.names, t.inputNames = map[string]string{}, map[string]string{}
	for _, named := range t.schema.Types {
		name := shortName(named.Name)
		if shared[name] > 1 {
			name = capitalized(packageName(named.Name)) + name
		}
		t.names[named.Name] = unique(name)
	}
	for _, named := range t.schema.Types {
		t.inputNames[named.Name] = t.names[named.Name]
		if t.inputs[named.Name] && t.outputs[named.Name] {
			t.inputNames[named.Name] = unique(t.names[named.Name] + "Input")
		}
	}
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
