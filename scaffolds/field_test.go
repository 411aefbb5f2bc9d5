package scaffolds

import (
	"strings"
	"testing"
)

var (
	posts = model{Type: "Post", Var: "Posts", Collection: "posts"}
	users = model{Type: "User", Var: "Users", Collection: "users", Label: "Name"}
)

func TestFields(t *testing.T) {
	for _, c := range []struct{ arg, goName, typ, tags string }{
		{"title:string", "Title", "string", `json:"title" validate:"max=200"`},
		{"body:text", "Body", "string", `json:"body"`},
		{"body:text:required", "Body", "string", `json:"body" validate:"required"`},
		{"published_at:time:index", "PublishedAt", "time.Time", `json:"publishedAt,omitzero" tower:"index"`},
		{"stars:int:index", "Stars", "int", `json:"stars" tower:"index"`},
		{"code:int:unique", "Code", "int", `json:"code" tower:"unique"`},
		{"rank:int:optional", "Rank", "*int", `json:"rank"`},
		{"rank:float:optional:unique", "Rank", "*float64", `json:"rank" tower:"unique"`},
		{"price:float", "Price", "float64", `json:"price"`},
		{"email:string:unique", "Email", "string", `json:"email" tower:"unique" validate:"required,max=200"`},
		{"email:string:unique:index:required", "Email", "string", `json:"email" tower:"unique" validate:"required,max=200"`},
		{"done:bool", "Done", "bool", `json:"done"`},
		{"paper:file", "Paper", "tower.File", `json:"paper" tower:"max=10MB"`},
		{"cover:image:required", "Cover", "tower.File", `json:"cover" tower:"max=10MB,accept=image/png image/jpeg image/gif image/webp" validate:"required"`},
		{"user:ref", "UserID", "tower.ID", `json:"userId" tower:"ref=users,delete=refuse,index"`},
		{"author:ref=users", "AuthorID", "tower.ID", `json:"authorId" tower:"ref=users,delete=refuse,index"`},
		{"author:ref=User", "AuthorID", "tower.ID", `json:"authorId" tower:"ref=users,delete=refuse,index"`},
		{"author_id:ref=user:required", "AuthorID", "tower.ID", `json:"authorId" tower:"ref=users,delete=refuse,index" validate:"required"`},
		{"owner:ref=users:unique", "OwnerID", "tower.ID", `json:"ownerId" tower:"ref=users,delete=refuse,unique" validate:"required"`},
		{"parent:ref=posts", "ParentID", "tower.ID", `json:"parentId" tower:"ref=posts,delete=refuse,index"`},
		{"api_url:string", "APIURL", "string", `json:"apiUrl" validate:"max=200"`},
		{"state:enum(open,done)", "State", "string", `json:"state" validate:"omitempty,oneof=open done"`},
		{"state:enum(open,in_progress):required:index", "State", "string", `json:"state" tower:"index" validate:"required,oneof=open in_progress"`},
		{"tags:list", "Tags", "[]string", `json:"tags" validate:"max=100,dive,max=200"`},
		{"tags:list:required", "Tags", "[]string", `json:"tags" validate:"min=1,max=100,dive,max=200"`},
		{"notes:text:private", "Notes", "string", `json:"notes" tower:"private"`},
		{"api_keys:list:private", "APIKeys", "[]string", `json:"apiKeys" tower:"private" validate:"max=100,dive,max=200"`},
		{"password_hash:string:private:index", "PasswordHash", "string", `json:"passwordHash" tower:"index,private" validate:"max=200"`},
		{"password_changed_at:time", "PasswordChangedAt", "time.Time", `json:"passwordChangedAt,omitzero"`},
		{"password:password", "Password", "string", `json:"passwordHash" tower:"private"`},
		{"pin:password", "Pin", "string", `json:"pinHash" tower:"private"`},
		{"type:string", "Type", "string", `json:"type" validate:"max=200"`},
	} {
		// The first one is a label; what is looked at is the second.
		fields, err := parseFields([]string{"label:string", c.arg}, posts, []model{users})
		if err != nil {
			t.Errorf("%s: %v", c.arg, err)
			continue
		}
		if f := fields[1]; f.Go != c.goName || f.Type != c.typ || f.Tags != c.tags {
			t.Errorf("%s is %s %s `%s`", c.arg, f.Go, f.Type, f.Tags)
		}
	}
}

func TestTheLabelIsRequired(t *testing.T) {
	for args, want := range map[string]string{
		"stars:int title:string name:string": `json:"title" validate:"required,max=200"`,
		"stars:int body:text note:text":      `json:"body" validate:"required"`,
		"body:text title:string":             `json:"title" validate:"required,max=200"`,
	} {
		fields, err := parseFields(strings.Fields(args), posts, nil)
		if err != nil {
			t.Fatal(err)
		}
		if label := labelOf(fields); label.Tags != want {
			t.Errorf("%s: the label is %s", args, label.Tags)
		}
	}
}

func TestFieldsThatCannotBe(t *testing.T) {
	for args, want := range map[string]string{
		"title":                          "a field is NAME:TYPE",
		":string":                        "a field is NAME:TYPE",
		"title:":                         "a field is NAME:TYPE",
		"title:strin":                    "the types are string, text",
		"title:varchar":                  "called string, not varchar; use title:string",
		"title:string:uniqe":             "the options are index, unique, required, optional and private",
		"title:string:index:index":       "given twice",
		"password:string":                "password:password stores its hash",
		"api_token:string":               "sent to everyone",
		"pass_phrase:password:private":   "a password has no options",
		"token:string":                   "the hash of a secret that people type with token:password",
		"password_hash:string":           "stored and sent as plain text",
		"api_keys:list":                  "keep it from clients with api_keys:string:private",
		"state:enum":                     "an enum lists its values",
		"state:enum(open":                "end with )",
		"state:enum(open)":               "at least two values",
		"state:enum(open,a'b)":           "cannot be a value",
		"state:enum(open,)":              "cannot be a value",
		"state:enum(open,open)":          "given twice",
		"state:enum(a,b):unique":         "use index",
		"tags:list:index":                "a list has no index",
		"notes:text:private:required":    "no client sends a private field",
		"avatar:file:index":              "a file has no index",
		"user:ref:cascade:clear":         "what deleting the other record does",
		"user:ref:clear:required":        "cannot be cleared",
		"title:string:cascade":           "of a ref refuse, cascade and clear",
		"1st:string":                     "begins with a letter",
		"id:string":                      "every record already has the field id",
		"created_at:time":                "every record already has the field createdAt",
		"updatedAt:time":                 "every record already has the field updatedAt",
		"record:string":                  "every record already has the field record",
		"title:string title:text":        "there is already a field title",
		"author:ref=users author_id:int": "there is already a field authorId",
		"done:bool:required":             "always has a value",
		"done:bool:optional":             "use an enum",
		"rank:int:optional:required":     "two answers",
		"due:time:optional":              "may be empty unless it is required",
		"body:text:index":                "too long for an index",
		"done:bool:unique":               "only two records",
		"title:string=users":             "only a ref names a model",
		"author:ref":                     "there is no model authors in models/; generate it first: tower generate scaffold Author name:string; or name another: author:ref=users",
		"author:ref=writers":             "there is no model writers",
		"parent:ref=posts:required":      "each Post would require another",
	} {
		if fields, err := parseFields(strings.Fields(args), posts, []model{users}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want an error with %q", args, fields, err, want)
		}
	}
}
