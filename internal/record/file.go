package record

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A File is what a record has of a file, whose content is stored elsewhere. The zero File is
// none, and null in JSON.
type File struct {
	ID   ID     `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
	Sum  string `json:"sum"`
	URL  string `json:"url"`
}

// MarshalJSON encodes the file.
func (f File) MarshalJSON() ([]byte, error) {
	if f == (File{}) {
		return []byte("null"), nil
	}
	type plain File
	return json.Marshal(plain(f))
}

// UnmarshalJSON decodes a file.
func (f *File) UnmarshalJSON(data []byte) error {
	type plain File
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*f = File(p)
	return nil
}

// fileTypes holds the types of fields that are files.
var fileTypes = map[reflect.Type]bool{reflect.TypeFor[File](): true}

// RegisterFile lets fields of type t be files. It panics unless t has the fields of [File].
// Package tower registers its own as the program starts, before there are models.
func RegisterFile(t reflect.Type) {
	if !t.ConvertibleTo(reflect.TypeFor[File]()) {
		panic(fmt.Sprintf("record: %s is not laid out as a File", t))
	}
	fileTypes[t] = true
}

// IsFile reports whether a type is that of a file.
func IsFile(t reflect.Type) bool { return fileTypes[t] }

// FileURL returns the path at which a file in a field of a record is downloaded.
func FileURL(model string, id ID, field string, file ID) string {
	return "/_tower/files/" + model + "/" + string(id) + "/" + field + "/" + string(file)
}

// File returns the file in a field, the zero File if there is none or it does not fit.
func (i *Image) File(f *Field) File {
	if i == nil || f.File == nil || i.Value(f).IsNull() {
		return File{}
	}
	return f.file(i.base)
}

// FileFields returns the fields of the model that are files.
func (m *Model) FileFields() []*Field { return m.files }

// FileRules are the limits of a file, as the tower tag of its field states them.
type FileRules struct {
	Max      int64     // bytes
	Accept   []string  // media types, as image/png or image/*; nil: all
	Variants []Variant // of its images; only the field of a model has any
}

// DefaultMaxFile is how many bytes a file may have whose field states nothing else.
const DefaultMaxFile = 100 << 20

// ParseFileRules reads the rules in a tower tag, and returns the words that are none.
func ParseFileRules(tag string) (rules *FileRules, rest string, err error) {
	rules = &FileRules{Max: DefaultMaxFile}
	var others []string
	for word := range strings.SplitSeq(tag, ",") {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "max":
			if rules.Max, err = parseBytes(value); err != nil {
				return nil, "", err
			}
		case "accept":
			rules.Accept = strings.Fields(value)
			for _, kind := range rules.Accept {
				if top, sub, found := strings.Cut(kind, "/"); !found || top == "" || top == "*" || sub == "" || kind != strings.ToLower(kind) {
					return nil, "", fmt.Errorf("accept=%s: %q is not a media type, as image/png or image/*", value, kind)
				}
			}
			if rules.Accept == nil {
				return nil, "", fmt.Errorf("accept= names no media type, as image/png or image/*")
			}
		default:
			others = append(others, word)
		}
	}
	return rules, strings.Join(others, ","), nil
}

var byteUnits = []struct {
	name  string
	bytes int64
}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

func parseBytes(text string) (int64, error) {
	for _, unit := range byteUnits {
		if number, found := strings.CutSuffix(text, unit.name); found {
			if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 && n <= (1<<50)/unit.bytes {
				return n * unit.bytes, nil
			}
			break
		}
	}
	return 0, fmt.Errorf("max=%s is not a size, as 500KB, 10MB or 2GB", text)
}

// FormatBytes returns a size for people: 10 MB.
func FormatBytes(n int64) string {
	for _, unit := range byteUnits {
		if n >= unit.bytes && unit.bytes > 1 {
			return strings.TrimSuffix(strconv.FormatFloat(float64(n)/float64(unit.bytes), 'f', 1, 64), ".0") + " " + unit.name
		}
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// Accepts reports whether a media type is one that the rules accept.
func (r *FileRules) Accepts(kind string) bool {
	for _, accepted := range r.Accept {
		family, all := strings.CutSuffix(accepted, "*")
		if accepted == kind || all && strings.HasPrefix(kind, family) {
			return true
		}
	}
	return r.Accept == nil
}

// TypeProblem returns the problem of a file of that media type, "" for none.
func (r *FileRules) TypeProblem(kind string) string {
	if r.Accepts(kind) {
		return ""
	}
	return fmt.Sprintf("is of type %s; it must be %s", kind, strings.Join(r.Accept, " or "))
}

// SizeProblem returns the problem of a file of so many bytes, "" for none.
func (r *FileRules) SizeProblem(size int64) string {
	if size <= r.Max {
		return ""
	}
	return "is too large: at most " + FormatBytes(r.Max)
}

// HoldsFile reports whether values of a type are made of files, or may hold some.
func HoldsFile(t reflect.Type) bool { return holdsFile(t, map[reflect.Type]bool{}) }

func holdsFile(t reflect.Type, seen map[reflect.Type]bool) bool {
	if IsFile(t) || seen[t] {
		return IsFile(t)
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsFile(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsFile(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}
