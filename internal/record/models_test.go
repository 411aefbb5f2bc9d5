package record

import "testing"

type user struct {
	Record
	Name  string `json:"name" tower:"index" validate:"required,max=40"`
	Email string `json:"email" tower:"unique"`
	Hash  string `json:"hash" tower:"private"`
}

type post struct {
	Record
	AuthorID  ID       `json:"authorId" tower:"ref=users,index"`
	Title     string   `json:"title" validate:"required,max=140"`
	Likes     int      `json:"likes" tower:"index"`
	Published bool     `json:"published" tower:"index"`
	Tags      []string `json:"tags"`
}

func mustModel(t testing.TB, name string, prototype any) *Model {
	t.Helper()
	m, err := NewModel(name, prototype)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
