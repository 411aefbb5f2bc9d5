package record

import "testing"

type rUser struct {
	Record
	Name  string `json:"name" tower:"index" validate:"required,max=40"`
	Email string `json:"email" tower:"unique"`
	Hash  string `json:"hash" tower:"private"`
}

type rPost struct {
	Record
	AuthorID  ID       `json:"authorId" tower:"ref=users,index"`
	Title     string   `json:"title" validate:"required,max=140"`
	Likes     int      `json:"likes" tower:"index"`
	Published bool     `json:"published" tower:"index"`
	Tags      []string `json:"tags"`
}

func rMustModel(t testing.TB, name string, prototype any) *Model {
	t.Helper()
	m, err := NewModel(name, prototype)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func rErrorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
