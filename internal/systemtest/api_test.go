package systemtest

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

func TestEachReadsInOrderWithinItsWindow(t *testing.T) {
	app := openSample(t)
	ctx := t.Context()
	const all = 450 // more than two batches
	err := app.Transaction(ctx, func(tx *tower.Tx) error {
		for i := range all {
			if err := Users.Create(ctx, tx, &User{Name: fmt.Sprintf("user %03d", i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	byName := Users.All().Desc(&Users.Fields.Name)
	for _, scope := range []tower.Scope[User]{Users.All(), byName, byName.Limit(10), byName.Offset(190).Limit(20), byName.Offset(200), byName.Limit(200), byName.Offset(all), byName.Limit(all + 1)} {
		want, err := scope.Records(ctx, app)
		if err != nil {
			t.Fatal(err)
		}
		var got []*User
		for user, err := range scope.Each(ctx, app) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, user)
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
		if err := Users.Create(ctx, tx, &User{Name: "uncommitted"}); err != nil {
			return err
		}
		n := 0
		for _, err := range Users.All().Each(ctx, tx) {
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
	for user, err := range Users.All().Asc(&Posts.Fields.Title).Each(ctx, app) {
		if n++; user != nil || err == nil {
			t.Errorf("a scope with a mistake gives %v, %v", user, err)
		}
	}
	if n != 1 {
		t.Errorf("a scope with a mistake gives %d times", n)
	}
}

func TestFindBy(t *testing.T) {
	app := openSample(t)
	_, err := Users.FindBy(t.Context(), app, tower.Is(&Users.Fields.Name, "Ada"))
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
	app := openSample(t)
	ctx := t.Context()
	twice := func(tx *tower.Tx) error {
		return errors.Join(Users.Create(ctx, tx, &User{Name: "Ada"}), Users.Create(ctx, tx, &User{Name: "Ada"}))
	}
	var coded *tower.Error
	if err := app.Transaction(ctx, twice); !errors.As(err, &coded) || coded.Code != tower.CodeInvalid || coded.Problems.String() != "name is already taken" {
		t.Errorf("two of a unique value: %v", err)
	}
	own := tower.Conflict("The journal is closed.")
	if err := app.Transaction(ctx, func(*tower.Tx) error { return fmt.Errorf("transact: %w", own) }); !errors.Is(err, own) {
		t.Errorf("an error of the application's own: %v", err)
	}
	if _, err := app.Handle(ctx, tower.Request{Method: "POST", Path: "/nowhere"}); !errors.As(err, &coded) || coded.Code != tower.CodeNotFound {
		t.Errorf("an error of the server's: %v", err)
	}
}

func TestLimitsAreTheServers(t *testing.T) {
	config := sample()
	config.Limits.Timeout = -time.Second
	if _, err := tower.New(config); err == nil || !strings.Contains(err.Error(), "Config.Limits.Timeout is negative") {
		t.Errorf("a negative limit: %v", err)
	}
	config.Limits = tower.Limits{MaxCursors: 1}
	app := towertest.Open(t, config)
	client := app.Connect(t, "")
	client.Open("posts.visible", nil)
	if _, answer := client.TryOpen("posts.newest", map[string]any{"n": 3}); answer.Code != string(tower.CodeTooMany) {
		t.Errorf("a second cursor: %+v", answer)
	}
}
