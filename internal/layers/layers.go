// Package layers has collections whose copies share what they have in common: a large
// transaction is forked for each of its writes.
package layers

import (
	"iter"
	"maps"
)

// A Map is copied in a time that hardly depends on its size: copies share layers that do
// not change any more, and each has one of its own on top. The zero value is empty.
type Map[K comparable, V any] struct {
	own   map[K]V
	below []map[K]V // shared, each at least twice as large as the next
}

// Get returns the value of a key.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if v, ok = m.own[k]; ok {
		return v, true
	}
	for i := len(m.below) - 1; i >= 0; i-- {
		if v, ok = m.below[i][k]; ok {
			return v, true
		}
	}
	return v, false
}

// Set sets the value of a key.
func (m *Map[K, V]) Set(k K, v V) {
	if m.own == nil {
		m.own = map[K]V{}
	}
	m.own[k] = v
}

// Copy returns a copy. It must not run beside other methods of m, but the copy may then
// be used beside m.
func (m *Map[K, V]) Copy() Map[K, V] {
	if len(m.own) > 0 {
		top, n := m.own, len(m.below)
		for n > 0 && len(m.below[n-1]) < 2*len(top) {
			n--
			merged := maps.Clone(m.below[n])
			maps.Copy(merged, top)
			top = merged
		}
		m.below, m.own = append(m.below[:n:n], top), nil
	}
	return Map[K, V]{below: m.below}
}

// Own yields what was set since the map was made by Copy.
func (m *Map[K, V]) Own() iter.Seq2[K, V] { return maps.All(m.own) }

// All yields each key once, with its value.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range m.own {
			if !yield(k, v) {
				return
			}
		}
		for i := len(m.below) - 1; i >= 0; i-- {
			above := Map[K, V]{own: m.own, below: m.below[i+1:]}
			for k, v := range m.below[i] {
				if _, hidden := above.Get(k); !hidden && !yield(k, v) {
					return
				}
			}
		}
	}
}

// A Trail is a list that grows at its end, and is copied by copying the pointer to its
// last element. nil is the empty one.
type Trail[T any] struct {
	item   T
	before *Trail[T]
	length int
}

// Len returns the number of items.
func (t *Trail[T]) Len() int {
	if t == nil {
		return 0
	}
	return t.length
}

// Add returns a list with one more item.
func (t *Trail[T]) Add(item T) *Trail[T] { return &Trail[T]{item, t, t.Len() + 1} }

// Since returns the items after the first n, in order.
func (t *Trail[T]) Since(n int) []T {
	items := make([]T, t.Len()-n)
	for i := len(items) - 1; i >= 0; i-- {
		items[i] = t.item
		t = t.before
	}
	return items
}
