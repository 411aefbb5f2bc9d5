package cursor

import "github.com/towerkit/tower/internal/query"

// A specKey is what queries on a model have in common that differ in their
// conditions and tags: the rest of their spec, without rules. It is held once.
type specKey struct {
	Spec
	key     string
	queries int // that have it
}

// specKey returns the form of a spec.
func (x *index) specKey(s *Spec) *specKey {
	var room [128]byte
	key := s.appendKey(room[:0])
	f := x.specKeys[string(key)]
	if f == nil {
		f = &specKey{Spec: *s, key: string(key)}
		f.Scope.Where, f.Tag = query.Condition{}, ""
		f.forgetRules()
		x.specKeys[f.key] = f
	}
	return f
}

// release lets go of a form that a query had.
func (x *index) release(f *specKey) {
	if f.queries--; f.queries == 0 {
		delete(x.specKeys, f.key)
	}
}

// appendKey appends a text that is the same for specs of one form only.
func (s *Spec) appendKey(key []byte) []byte {
	if s.ruled() {
		key = append(key, 3)
	}
	for _, in := range s.Include {
		for _, f := range in.Fields {
			key = query.AppendString(append(key, 4), f.Name)
		}
	}
	if s.Inline {
		key = append(key, 5)
	}
	scope := s.Scope
	switch { // a byte for each form, so that no key is the beginning of another's
	case s.valued():
		scope.Order = nil
		key = query.AppendString(append(key, 2), s.Value.String())
	case s.ordered():
		key = append(key, 1)
	default:
		key = append(key, 0)
	}
	return scope.AppendWindow(key)
}
