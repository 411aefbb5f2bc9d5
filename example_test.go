package tower_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"

	"github.com/towerkit/tower"
)

// A Cook signs in, and a Recipe is a cook's: public, or a draft.

type Cook struct {
	tower.Record
	Name string `json:"name" validate:"required" tower:"unique"`
}

type Recipe struct {
	tower.Record
	CookID  tower.ID `json:"cookId" tower:"ref=cooks,index"`
	Title   string   `json:"title" validate:"required,max=60"`
	Minutes int      `json:"minutes" validate:"gte=0"`
	Public  bool     `json:"public" tower:"index"`
}

// Validate holds the rules that need more than one field.
func (r *Recipe) Validate(problems *tower.Problems) {
	if r.Public && r.Minutes == 0 {
		problems.Add("minutes", "is required of a public recipe")
	}
}

var (
	Cooks   = tower.NewModel[Cook]("cooks")
	Recipes = tower.NewModel[Recipe]("recipes")
)

// Quick is a scope with a name: public recipes that take at most so many minutes,
// quickest first.
func Quick(minutes int) tower.Scope[Recipe] {
	recipe := Recipes.Fields
	return Recipes.Where(tower.Is(&recipe.Public, true), tower.Lte(&recipe.Minutes, minutes)).Asc(&recipe.Minutes)
}

// A session is what the controllers of one connection share.
type session struct {
	*tower.Connection
	Cook *Cook // nil for a visitor
}

func connectCook(ctx context.Context, c *tower.Connection) (*session, error) {
	cook, err := Cooks.Follow(ctx, c, c.UserID())
	return &session{c, cook}, err
}

type recipesController struct{ *session }

func newRecipes(s *session) *recipesController { return &recipesController{s} }

// Match is the rule for every recipe that a client receives.
func (c *recipesController) Match(r *Recipe) bool {
	return r.Public || c.Cook != nil && r.CookID == c.Cook.ID
}

func (c *recipesController) Quick(ctx context.Context, in struct {
	Minutes int `json:"minutes"`
}) (tower.Scope[Recipe], error) {
	return Quick(in.Minutes), nil
}

func (c *recipesController) Drafts(ctx context.Context, in tower.None) (tower.ValueScope[Recipe], error) {
	return Recipes.Where(tower.Is(&Recipes.Fields.Public, false)).AsCount(), nil
}

func (c *recipesController) Show(ctx context.Context, in struct {
	ID tower.ID `json:"id"`
}) (*Recipe, error) {
	return tower.Visible(ctx, c, Recipes, in.ID)
}

func (c *recipesController) Create(ctx context.Context, in struct {
	Title string `json:"title"`
}) (*Recipe, error) {
	if c.Cook == nil {
		return nil, tower.Unauthenticated("Sign in to write a recipe.")
	}
	recipe := &Recipe{CookID: c.Cook.ID, Title: in.Title}
	return recipe, Recipes.Create(ctx, c, recipe)
}

func recipeRoutes() *tower.Router[*session] {
	r := tower.NewRouter(connectCook)
	recipes := tower.Mount(r, "recipes", newRecipes)
	tower.Page(recipes, "GET /", tower.ViewOnly)                        // views/recipes/index.html
	tower.Page(recipes, "GET /recipes/{id}", (*recipesController).Show) // views/recipes/show.html
	tower.Cursor(recipes, "quick", (*recipesController).Quick)
	tower.Value(recipes, "drafts", (*recipesController).Drafts)
	tower.Action(recipes, "POST /recipes", (*recipesController).Create, tower.RedirectTo("/recipes/{id}"))
	return r
}

var recipeViews = fstest.MapFS{
	"views/layout.html":          {Data: []byte(`{{block "main" .}}{{end}}`)},
	"views/recipes/_recipe.html": {Data: []byte(`<li>{{.Title}}</li>`)},
	"views/recipes/index.html":   {Data: []byte(`{{define "main"}}<ul>{{(.Cursor "quick" "recipes/_recipe.html" "minutes" 30).Len}} quick, {{(.LiveValue "drafts").Text}} drafts</ul>{{end}}`)},
	"views/recipes/show.html":    {Data: []byte(`{{define "main"}}<h1>{{.Data.Title}}</h1>{{end}}`)},
}

// openRecipes opens the application on a temporary store.
func openRecipes() (app *tower.App, end func()) {
	folder, err := os.MkdirTemp("", "tower-example-")
	check(err)
	app, err = tower.New(tower.Config{
		Models: []tower.AnyModel{Cooks, Recipes},
		Routes: recipeRoutes(),
		Files:  recipeViews,
		Env:    "test",
		Data:   filepath.Join(folder, "recipes.db"),
		Log:    slog.New(slog.DiscardHandler),
	})
	check(err)
	check(app.Open())
	return app, func() {
		check(app.Close())
		check(os.RemoveAll(folder))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// requestAs sends a request as a cook, nil for a visitor, and returns the status and the
// body of the answer.
func requestAs(app *tower.App, cook *Cook, method, path, body string) (status int, answer string) {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if req.Header.Set("Accept", "text/html"); body != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
	}
	if cook != nil {
		cookie, err := app.Cookie(cook.ID)
		check(err)
		req.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	app.Handler().ServeHTTP(w, req)
	return w.Code, strings.TrimSpace(w.Body.String())
}

// A model is a collection of structs that embed Record. Its tags declare indexes,
// references and rules.
func ExampleNewModel() {
	type Book struct {
		tower.Record
		Title  string `json:"title" validate:"required,max=200"`
		Author string `json:"author" tower:"index"`
		Notes  string `json:"notes" tower:"private"` // stored and never sent
	}
	books := tower.NewModel[Book]("books")
	fmt.Println(books.Name())
	// Output: books
}

// Conditions name fields by pointers into the Fields of the model, so the compiler
// checks both the field and the value.
func ExampleModel_Where() {
	app, end := openRecipes()
	defer end()
	ctx := context.Background()
	cook := &Cook{Name: "Ada"}
	check(Cooks.Create(ctx, app, cook))
	for title, minutes := range map[string]int{"Omelette": 10, "Stew": 180, "Salad": 15} {
		check(Recipes.Create(ctx, app, &Recipe{CookID: cook.ID, Title: title, Minutes: minutes, Public: true}))
	}

	recipe := Recipes.Fields
	quick := Recipes.Where(tower.Is(&recipe.Public, true), tower.Lt(&recipe.Minutes, 60)).Asc(&recipe.Minutes)
	records, err := quick.Records(ctx, app)
	check(err)
	for _, r := range records {
		fmt.Println(r.Minutes, r.Title)
	}
	// Output:
	// 10 Omelette
	// 15 Salad
}

// A transaction commits everything or nothing. Its queries see its own writes.
func ExampleApp_Transaction() {
	app, end := openRecipes()
	defer end()
	ctx := tower.WithAuthor(context.Background(), "job: import")

	err := app.Transaction(ctx, func(tx *tower.Tx) error {
		cook := &Cook{Name: "Ada"}
		if err := Cooks.Create(ctx, tx, cook); err != nil {
			return err
		}
		recipe := &Recipe{CookID: cook.ID, Title: "Stew", Minutes: 180}
		if err := Recipes.Create(ctx, tx, recipe); err != nil {
			return err
		}
		_, err := Recipes.Update(ctx, tx, recipe.ID, func(r *Recipe) error {
			r.Public = true
			return nil
		})
		return err
	})
	check(err)

	ada, err := Cooks.FindBy(ctx, app, tower.Is(&Cooks.Fields.Name, "Ada"))
	check(err)
	stew, err := Recipes.FindBy(ctx, app, tower.Is(&Recipes.Fields.CookID, ada.ID))
	check(err)
	fmt.Println(stew.Title, stew.Public, app.Seq())
	// Output: Stew true 1
}

// A loop with Each reads a large collection in batches.
func ExampleScope_Each() {
	app, end := openRecipes()
	defer end()
	ctx := context.Background()
	for _, name := range []string{"Ada", "Bob", "Cyd"} {
		check(Cooks.Create(ctx, app, &Cook{Name: name}))
	}

	for cook, err := range Cooks.All().Desc(&Cooks.Fields.Name).Each(ctx, app) {
		check(err)
		fmt.Println(cook.Name)
	}
	// Output:
	// Cyd
	// Bob
	// Ada
}

// A router declares what clients may call, load and open: actions, pages, cursors and
// values, as methods of controllers.
func ExampleNewRouter() {
	r := tower.NewRouter(connectCook)
	recipes := tower.Mount(r, "recipes", newRecipes)
	tower.Page(recipes, "GET /", tower.ViewOnly)                        // views/recipes/index.html
	tower.Page(recipes, "GET /recipes/{id}", (*recipesController).Show) // views/recipes/show.html
	tower.Cursor(recipes, "quick", (*recipesController).Quick)
	tower.Value(recipes, "drafts", (*recipesController).Drafts)
	tower.Action(recipes, "POST /recipes", (*recipesController).Create, tower.RedirectTo("/recipes/{id}"))

	_, err := tower.New(tower.Config{Models: []tower.AnyModel{Cooks, Recipes}, Routes: r, Files: recipeViews})
	fmt.Println(err)
	// Output: <nil>
}

// An action answers JSON, forms and sockets alike. The method knows its user by the
// session.
func ExampleAction() {
	app, end := openRecipes()
	defer end()
	ada := &Cook{Name: "Ada"}
	check(Cooks.Create(context.Background(), app, ada))

	status, _ := requestAs(app, ada, "POST", "/recipes", `{"title": "Stew"}`)
	fmt.Println(status, http.StatusText(status))
	status, answer := requestAs(app, nil, "POST", "/recipes", `{"title": "Stew"}`)
	fmt.Println(status, answer)
	// Output:
	// 201 Created
	// 401 {"error":{"code":"unauthenticated","message":"Sign in to write a recipe."}}
}

// A value is a cursor that carries a count, a sum or an extreme of its scope. Pages
// show it with LiveValue. It counts what the user may see.
func ExampleValue() {
	app, end := openRecipes()
	defer end()
	ctx := context.Background()
	ada := &Cook{Name: "Ada"}
	check(Cooks.Create(ctx, app, ada))
	check(Recipes.Create(ctx, app, &Recipe{CookID: ada.ID, Title: "Stew"}))
	check(Recipes.Create(ctx, app, &Recipe{CookID: ada.ID, Title: "Omelette", Minutes: 10, Public: true}))

	_, page := requestAs(app, ada, "GET", "/", "")
	fmt.Println("Ada:", page)
	_, page = requestAs(app, nil, "GET", "/", "")
	fmt.Println("a visitor:", page)
	// Output:
	// Ada: <ul>1 quick, 1 drafts</ul>
	// a visitor: <ul>1 quick, 0 drafts</ul>
}

// The error of an invalid record holds the problems of each field: those of its
// validate tags, and those that its Validate method adds.
func ExampleProblems() {
	app, end := openRecipes()
	defer end()
	ctx := context.Background()
	err := Recipes.Create(ctx, app, &Recipe{Public: true})

	var invalid *tower.Error
	if errors.As(err, &invalid) && invalid.Code == tower.CodeInvalid {
		fmt.Println(invalid.Problems)
	}
	// Output: minutes is required of a public recipe; title is required
}

// Match decides which records a client receives, and Visible asks it for one record. A
// record that the user may not see is not found.
func ExampleVisible() {
	app, end := openRecipes()
	defer end()
	ctx := context.Background()
	ada, bob := &Cook{Name: "Ada"}, &Cook{Name: "Bob"}
	check(Cooks.Create(ctx, app, ada))
	check(Cooks.Create(ctx, app, bob))
	draft := &Recipe{CookID: ada.ID, Title: "Stew"}
	check(Recipes.Create(ctx, app, draft))

	for _, cook := range []*Cook{ada, bob} {
		status, _ := requestAs(app, cook, "GET", "/recipes/"+string(draft.ID), "")
		fmt.Println(cook.Name, status, http.StatusText(status))
	}
	// Output:
	// Ada 200 OK
	// Bob 404 Not Found
}
