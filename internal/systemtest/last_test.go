package systemtest

import (
	"errors"
	"slices"
	"testing"

	"github.com/towerkit/tower"
)

// TestLastIsTheEndOfTheList compares the last record of many scopes with the end of what
// the scope returns.
func TestLastIsTheEndOfTheList(t *testing.T) {
	a := openSnippets(t, nil)
	for i := range 12 {
		owner := tower.ID("")
		if i%3 == 0 {
			owner = a.person("somebody")
		}
		a.snippet(owner, []string{"a", "b"}[i%2], i%3, i%4 == 0)
	}
	s := Snippets.Fields
	all := Snippets.All()
	scopes := []tower.Scope[Snippet]{all, Snippets.Where(tower.Is(&s.Open, true)), Snippets.Where(tower.Gt(&s.Stars, 100))}
	for _, field := range []any{&s.ID, &s.Title, &s.Stars, &s.Open, &s.OwnerID, &s.CreatedAt} {
		scopes = append(scopes, all.Asc(field), all.Desc(field), all.Desc(field).Asc(&s.Title), all.Asc(&s.Open).Desc(field))
	}
	for _, scope := range slices.Clone(scopes) {
		scopes = append(scopes, scope.Limit(5), scope.Limit(4).Offset(3), scope.Limit(3).Offset(100))
	}
	for i, scope := range scopes {
		list, err := scope.Records(t.Context(), a.App)
		if err != nil {
			continue // a field that is named twice
		}
		last, err := scope.Last(t.Context(), a.App)
		if len(list) == 0 {
			if coded := (*tower.Error)(nil); !errors.As(err, &coded) || coded.Code != tower.CodeNotFound {
				t.Errorf("%d: %v, %v", i, last, err)
			}
			continue
		}
		if err != nil || last.ID != list[len(list)-1].ID {
			t.Errorf("%d: %+v, %v, want %+v", i, last, err, list[len(list)-1])
		}
	}
}
