package tower_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
)

// TestNothingInternalCanBeCalled looks at all that an application can reach from the
// public types: their methods and fields, and what these take and return.
func TestNothingInternalCanBeCalled(t *testing.T) {
	allowed := reflect.TypeFor[tower.ID]() // an alias of a string type
	seen := map[reflect.Type]bool{}
	var look func(path string, at reflect.Type)
	look = func(path string, at reflect.Type) {
		if seen[at] || at == allowed {
			return
		}
		seen[at] = true
		if strings.Contains(at.PkgPath(), "/tower/internal/") {
			t.Errorf("%s is a %s", path, at)
			return
		}
		switch at.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Chan, reflect.Array:
			look(path, at.Elem())
		case reflect.Func:
			for i := range at.NumIn() {
				look(fmt.Sprintf("%s, parameter %d", path, i), at.In(i))
			}
			for i := range at.NumOut() {
				look(fmt.Sprintf("%s, result %d", path, i), at.Out(i))
			}
		case reflect.Struct:
			for i := range at.NumField() {
				if f := at.Field(i); f.IsExported() || f.Anonymous {
					look(path+"."+f.Name, f.Type)
				}
			}
		}
		if !strings.HasPrefix(at.PkgPath(), "github.com/towerkit/tower") {
			return
		}
		for _, of := range []reflect.Type{at, reflect.PointerTo(at)} {
			for i := range of.NumMethod() {
				if m := of.Method(i); m.IsExported() {
					look(path+"."+m.Name, m.Type)
				}
			}
		}
	}
	for _, public := range []any{
		tower.App{}, tower.Connection{}, tower.Tx{}, tower.Request{}, tower.Error{}, tower.Problems{}, tower.Record{}, tower.View{},
		tower.List{}, tower.LiveValue{}, tower.Config{}, tower.Limits{}, tower.Condition{}, tower.ActionOption{},
		tower.Model[Recipe]{}, tower.Scope[Recipe]{}, tower.ValueScope[Recipe]{}, tower.CursorOption[Recipe]{},
		tower.Router[*session]{}, tower.Mounted[*recipesController]{},
	} {
		at := reflect.TypeOf(public)
		look(at.Name(), at)
	}
	for _, public := range []reflect.Type{reflect.TypeFor[tower.DB](), reflect.TypeFor[tower.Viewer](), reflect.TypeFor[tower.AnyModel](), reflect.TypeFor[tower.Routes]()} {
		look(public.Name(), public)
	}
	var methods []string
	for i := range reflect.TypeFor[*tower.Tx]().NumMethod() {
		methods = append(methods, reflect.TypeFor[*tower.Tx]().Method(i).Name)
	}
	if !slices.Equal(methods, []string{"Transaction"}) {
		t.Errorf("a transaction has the methods %v; it is committed by returning", methods)
	}
}

func TestEachReadsInOrderWithinItsWindow(t *testing.T) {
	app, end := openRecipes()
	defer end()
	ctx := t.Context()
	const all = 450 // more than two batches
	err := app.Transaction(ctx, func(tx *tower.Tx) error {
		for i := range all {
			if err := Cooks.Create(ctx, tx, &Cook{Name: fmt.Sprintf("cook %03d", i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	byName := Cooks.All().Desc(&Cooks.Fields.Name)
	for _, scope := range []tower.Scope[Cook]{Cooks.All(), byName, byName.Limit(10), byName.Offset(190).Limit(20), byName.Offset(200), byName.Limit(200), byName.Offset(all), byName.Limit(all + 1)} {
		want, err := scope.Records(ctx, app)
		if err != nil {
			t.Fatal(err)
		}
		var got []*Cook
		for cook, err := range scope.Each(ctx, app) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, cook)
		}
		if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("Each gives %d records, Records %d", len(got), len(want))
		}
		exists, err := scope.Exists(ctx, app)
		if err != nil || exists != (len(want) > 0) {
			t.Errorf("exists: %t, %v, of %d records", exists, err, len(want))
		}
	}
	err = app.Transaction(ctx, func(tx *tower.Tx) error {
		if err := Cooks.Create(ctx, tx, &Cook{Name: "uncommitted"}); err != nil {
			return err
		}
		n := 0
		for _, err := range Cooks.All().Each(ctx, tx) {
			if n++; err != nil {
				return err
			}
		}
		if n != all+1 {
			t.Errorf("a transaction iterates over %d records", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for cook, err := range Cooks.All().Asc(&Recipes.Fields.Title).Each(ctx, app) {
		if n++; cook != nil || err == nil {
			t.Errorf("a scope with a mistake gives %v, %v", cook, err)
		}
	}
	if n != 1 {
		t.Errorf("a scope with a mistake gives %d times", n)
	}
}

func TestFindBy(t *testing.T) {
	app, end := openRecipes()
	defer end()
	_, err := Cooks.FindBy(t.Context(), app, tower.Is(&Cooks.Fields.Name, "Ada"))
	var coded *tower.Error
	if !errors.As(err, &coded) || coded.Code != tower.CodeNotFound || coded.Status() != http.StatusNotFound {
		t.Errorf("without such a record: %v", err)
	}
}

func TestParseID(t *testing.T) {
	id := tower.NewID()
	if parsed, err := tower.ParseID(string(id)); parsed != id || err != nil {
		t.Errorf("%s is parsed as %s, %v", id, parsed, err)
	}
	for _, text := range []string{"", "me", strings.ToLower(string(id)), string(id) + "0"} {
		if parsed, err := tower.ParseID(text); parsed != "" || err == nil {
			t.Errorf("%q is parsed as %q", text, parsed)
		}
	}
}

// TestErrorsOfTheStoreAreErrorsOfTower wants the error of a unique value that is taken,
// which is found at the commit, to be as readable as the others.
func TestErrorsOfTheStoreAreErrorsOfTower(t *testing.T) {
	app, end := openRecipes()
	defer end()
	ctx := t.Context()
	twice := func(tx *tower.Tx) error {
		return errors.Join(Cooks.Create(ctx, tx, &Cook{Name: "Ada"}), Cooks.Create(ctx, tx, &Cook{Name: "Ada"}))
	}
	var coded *tower.Error
	if err := app.Transaction(ctx, twice); !errors.As(err, &coded) || coded.Code != tower.CodeInvalid || coded.Problems.String() != "name is already taken" {
		t.Errorf("two of a unique value: %v", err)
	}
	own := tower.Conflict("The kitchen is closed.")
	if err := app.Transaction(ctx, func(*tower.Tx) error { return fmt.Errorf("cook: %w", own) }); !errors.Is(err, own) {
		t.Errorf("an error of the application's own: %v", err)
	}
	if _, err := app.Handle(ctx, tower.Request{Method: "POST", Path: "/nowhere"}); !errors.As(err, &coded) || coded.Code != tower.CodeNotFound {
		t.Errorf("an error of the server's: %v", err)
	}
}

func TestLimitsAreTheServers(t *testing.T) {
	config := tower.Config{Models: []tower.AnyModel{Cooks, Recipes}, Routes: recipeRoutes(), Files: recipeViews, Env: "test"}
	config.Limits.Timeout = -time.Second
	if _, err := tower.New(config); err == nil || !strings.Contains(err.Error(), "Config.Limits.Timeout is negative") {
		t.Errorf("a negative limit: %v", err)
	}
	app, end := openRecipesWith(tower.Limits{MaxBody: 20})
	defer end()
	ada := &Cook{Name: "Ada"}
	if err := Cooks.Create(context.Background(), app, ada); err != nil {
		t.Fatal(err)
	}
	for title, want := range map[string]int{"Stew": http.StatusCreated, "Stew of the house": http.StatusRequestEntityTooLarge} {
		if status, answer := requestAs(app, ada, "POST", "/recipes", `{"title":"`+title+`"}`); status != want {
			t.Errorf("%s: %d %s", title, status, answer)
		}
	}
}
