package store

import (
	"iter"
	"maps"
)

// A layers is a map that is copied in a time that hardly depends on its size: copies
// share layers that do not change any more, and each has one of its own on top. A large
// transaction is forked for each of its writes. The zero value is empty.
type layers[K comparable, V any] struct {
	own   map[K]V
	below []map[K]V // shared, each at least twice as large as the next
}

func (l *layers[K, V]) get(k K) (v V, ok bool) {
	if v, ok = l.own[k]; ok {
		return v, true
	}
	for i := len(l.below) - 1; i >= 0; i-- {
		if v, ok = l.below[i][k]; ok {
			return v, true
		}
	}
	return v, false
}

func (l *layers[K, V]) set(k K, v V) {
	if l.own == nil {
		l.own = map[K]V{}
	}
	l.own[k] = v
}

// copy returns a copy. It must not run beside other methods of l, but the copy may then
// be used beside l.
func (l *layers[K, V]) copy() layers[K, V] {
	if len(l.own) > 0 {
		top, n := l.own, len(l.below)
		for n > 0 && len(l.below[n-1]) < 2*len(top) {
			n--
			merged := maps.Clone(l.below[n])
			maps.Copy(merged, top)
			top = merged
		}
		l.below, l.own = append(l.below[:n:n], top), nil
	}
	return layers[K, V]{below: l.below}
}

// all yields each key once, with its value.
func (l *layers[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range l.own {
			if !yield(k, v) {
				return
			}
		}
		for i := len(l.below) - 1; i >= 0; i-- {
			above := layers[K, V]{own: l.own, below: l.below[i+1:]}
			for k, v := range l.below[i] {
				if _, hidden := above.get(k); !hidden && !yield(k, v) {
					return
				}
			}
		}
	}
}

// A trail is a list that grows at its end, and is copied by copying the pointer to its
// last element. nil is the empty one.
type trail[T any] struct {
	item   T
	before *trail[T]
	length int
}

func (t *trail[T]) len() int {
	if t == nil {
		return 0
	}
	return t.length
}

func (t *trail[T]) add(item T) *trail[T] { return &trail[T]{item, t, t.len() + 1} }

// since returns the items after the first n, in order.
func (t *trail[T]) since(n int) []T {
	items := make([]T, t.len()-n)
	for i := len(items) - 1; i >= 0; i-- {
		items[i] = t.item
		t = t.before
	}
	return items
}
