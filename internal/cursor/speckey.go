package cursor

import "github.com/towerkit/tower/internal/query"

// A specKey is a spec without conditions, tag and rules. Queries that differ only in
// these share it.
type specKey struct {
	Spec
	key     string
	queries int // number of queries that use it
}

// specKey returns the key of a spec.
func (x *index) specKey(s *Spec) *specKey {
	var room [128]byte
	key := s.appendKey(room[:0])
	k := x.specKeys[string(key)]
	if k == nil {
		k = &specKey{Spec: *s, key: string(key)}
		k.Scope.Where, k.Tag = query.Condition{}, ""
		k.forgetRules()
		x.specKeys[k.key] = k
	}
	return k
}

// release removes a key that no query uses any longer.
func (x *index) release(k *specKey) {
	if k.queries--; k.queries == 0 {
		delete(x.specKeys, k.key)
	}
}

// appendKey appends a key that is equal only for specs with the same specKey.
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
	switch { // a byte for each case, so that no key is a prefix of another
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
