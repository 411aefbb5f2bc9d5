package scaffolds

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

const manifestName = ".tower/manifest.json"

// A manifest lists what was generated, so that Destroy removes exactly that. It
// belongs in version control.
type manifest struct {
	Generated []*entry `json:"generated"`
}

// An entry lists what one run of a generator wrote.
type entry struct {
	Kind  string            `json:"kind"`
	Name  string            `json:"name"`
	Files map[string]string `json:"files,omitempty"` // the hash of each file when it was written
	Lines map[string]blocks `json:"lines,omitempty"` // the lines inserted into each file
}

// Blocks are the lines that were inserted into a file, by place. In JSON, lines of one
// place are a string.
type blocks []string

func (b blocks) MarshalJSON() ([]byte, error) {
	var v any = []string(b)
	if len(b) == 1 {
		v = b[0]
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return out.Bytes(), err
}

func (b *blocks) UnmarshalJSON(text []byte) error {
	*b = make(blocks, 1)
	if err := json.Unmarshal(text, &(*b)[0]); err == nil {
		return nil
	}
	return json.Unmarshal(text, (*[]string)(b))
}

// manifest reads the manifest, and returns the content of the file as well. A
// missing file is an empty manifest.
func (p *project) manifest() (*manifest, []byte, error) {
	text, err := p.read(manifestName)
	if err != nil || text == nil {
		return &manifest{}, nil, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w; restore it from version control, or remove it; without it tower destroy finds nothing to remove", manifestName, err)
	}
	for _, e := range m.Generated {
		for _, name := range slices.Concat(slices.Collect(maps.Keys(e.Files)), slices.Collect(maps.Keys(e.Lines))) {
			if !filepath.IsLocal(filepath.FromSlash(name)) {
				return nil, nil, fmt.Errorf("read %s: %q is outside the application's folder; remove that line", manifestName, name)
			}
		}
	}
	return &m, text, nil
}

func (m *manifest) find(kind, name string) *entry {
	i := slices.IndexFunc(m.Generated, func(e *entry) bool { return e.Kind == kind && e.Name == name })
	if i < 0 {
		return nil
	}
	return m.Generated[i]
}

// claim returns the entry of a generator. It adds one if there is none.
func (m *manifest) claim(kind, name string) *entry {
	e := m.find(kind, name)
	if e == nil {
		e = &entry{Kind: kind, Name: name}
		m.Generated = append(m.Generated, e)
	}
	if e.Files == nil {
		e.Files = map[string]string{}
	}
	if e.Lines == nil {
		e.Lines = map[string]blocks{}
	}
	return e
}

// owner returns the entry that lists a file, or nil.
func (m *manifest) owner(file string) *entry {
	for _, e := range m.Generated {
		if e.Files[file] != "" {
			return e
		}
	}
	return nil
}

// accounts returns the names of the models of users that accounts were generated for.
func (m *manifest) accounts() (names []string) {
	for _, e := range m.Generated {
		if e.Kind == "auth" && e.Files["controllers/identity.go"] != "" {
			names = append(names, e.Name)
		}
	}
	return names
}

// take moves what flags have added to an entry into the entry.
func (m *manifest) take(e *entry) {
	e = m.claim(e.Kind, e.Name)
	m.Generated = slices.DeleteFunc(m.Generated, func(added *entry) bool {
		if added.Kind != e.Kind || !strings.HasPrefix(added.Name, e.Name+" --") {
			return false
		}
		maps.Copy(e.Files, added.Files)
		for file, lines := range added.Lines {
			e.Lines[file] = append(e.Lines[file], lines...)
		}
		return true
	})
}

// withoutLines returns a generated file without the lines that were inserted into it.
func (m *manifest) withoutLines(file string, text []byte) []byte {
	for _, e := range m.Generated {
		text, _ = e.Lines[file].removedFrom(text)
	}
	return text
}

// changed keeps a file that a generator changed as its owner wrote it: nobody edited it.
func (m *manifest) changed(file string, before, after []byte) {
	if e := m.owner(file); e != nil && e.Files[file] == hash(before) {
		e.Files[file] = hash(after)
	}
}

// record adds the step that writes the manifest, if it changed.
func (m *manifest) record(plan *Plan, before []byte) error {
	m.Generated = slices.DeleteFunc(m.Generated, func(e *entry) bool { return len(e.Files) == 0 && len(e.Lines) == 0 })
	if len(m.Generated) == 0 {
		if before != nil {
			plan.Steps = append(plan.Steps, Step{Verb: Remove, Path: manifestName, before: before})
		}
		return nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(m); err != nil {
		return fmt.Errorf("write %s: %w", manifestName, err)
	}
	switch {
	case before == nil:
		plan.Steps = append(plan.Steps, Step{Verb: Create, Path: manifestName, after: b.Bytes()})
	case !sameText(before, b.Bytes()):
		plan.Steps = append(plan.Steps, Step{Verb: Update, Path: manifestName, before: before, after: b.Bytes()})
	}
	return nil
}

func hash(text []byte) string {
	sum := sha256.Sum256([]byte(unixLines(text)))
	return hex.EncodeToString(sum[:])
}
