package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower/internal/record"
	bolt "go.etcd.io/bbolt"
)

// These are the same collection; its struct changes from build to build.
type (
	plainCity struct {
		record.Record
		Name string `json:"name"`
		Zip  string `json:"zip"`
	}
	indexedCity struct {
		record.Record
		Name string `json:"name" tower:"index"`
		Zip  string `json:"zip" tower:"unique"`
	}
	sparseCity struct {
		record.Record
		Name string  `json:"name" tower:"index,sparse"`
		Zip  *string `json:"zip" tower:"unique,sparse"`
	}
	privateCity struct {
		record.Record
		Name string `json:"name" tower:"private"`
		Zip  string `json:"zip"`
	}
	narrowCity struct {
		record.Record
		Title string `json:"NAME"`
	}
	numberedCity struct {
		record.Record
		Name string `json:"name" tower:"index"`
		Zip  int    `json:"zip,string" tower:"index"`
	}
	datedCity struct {
		record.Record
		Zip  time.Time `json:"zip" tower:"index"`
		Name string    `json:"name" tower:"index"`
	}
)

func openCities(t *testing.T, b *blog, prototype any) *record.Model {
	t.Helper()
	if b.Store != nil {
		b.close()
	}
	cities := mustModel(t, "cities", prototype)
	b.open(Options{Models: []*record.Model{cities}})
	return cities
}

func newCities(t *testing.T, names ...string) *blog {
	b := newBlog(t, Options{})
	cities := openCities(t, b, &plainCity{})
	for i, name := range names {
		b.do(func(tx *Tx) error {
			_, err := tx.Create(cities, &plainCity{Name: name, Zip: strings.Repeat("1", 3-i)})
			return err
		})
	}
	return b
}

// list returns a field of the cities in the order of the index on another.
func list(t *testing.T, s *Store, m *record.Model, index, field string) (values []string) {
	t.Helper()
	if err := s.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(m, Range{Index: m.Field(index)}, func(image *record.Image) bool {
			values = append(values, image.Value(m.Field(field)).String())
			return true
		})
	}); err != nil {
		t.Fatal(err)
	}
	return values
}

func buckets(t *testing.T, s *Store) (names []string) {
	t.Helper()
	if err := s.read(func(btx *bolt.Tx) error {
		return btx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			names = append(names, string(name))
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestIndexesComeAndGo(t *testing.T) {
	b := newCities(t, "Ulm", "Aachen", "Köln")
	cities := openCities(t, b, &indexedCity{})
	if got := list(t, b.Store, cities, "name", "name"); !slices.Equal(got, []string{`"Aachen"`, `"Köln"`, `"Ulm"`}) {
		t.Errorf("by name: %v", got)
	}
	if got := list(t, b.Store, cities, "zip", "zip"); !slices.Equal(got, []string{`"1"`, `"11"`, `"111"`}) {
		t.Errorf("by zip: %v", got)
	}
	_, err := b.Update(context.Background(), "test", func(tx *Tx) error {
		_, err := tx.Create(cities, &indexedCity{Name: "Bonn", Zip: "11"})
		return err
	})
	if errorText(err) != "cities: zip is already taken" {
		t.Error(err)
	}
	with := buckets(t, b.Store)

	plain := openCities(t, b, &plainCity{})
	without := buckets(t, b.Store)
	for _, name := range []string{"indexes/cities.name", "indexes/cities.zip"} {
		if !slices.Contains(with, name) || slices.Contains(without, name) {
			t.Errorf("%s was in %v, and is in %v", name, with, without)
		}
	}
	b.do(func(tx *Tx) error { _, err := tx.Create(plain, &plainCity{Name: "Bonn", Zip: "2"}); return err })
	if got := list(t, b.Store, openCities(t, b, &indexedCity{}), "name", "name"); len(got) != 4 || got[1] != `"Bonn"` {
		t.Errorf("by name: %v", got)
	}
}

func TestSparseIndexes(t *testing.T) {
	b := newCities(t, "Ulm", "", "Aachen")
	dense := openCities(t, b, &indexedCity{})
	if got := list(t, b.Store, dense, "name", "name"); len(got) != 3 {
		t.Errorf("by name: %v", got)
	}
	cities := openCities(t, b, &sparseCity{})
	zip := "11"
	bonn := &sparseCity{Name: "Bonn"}
	for _, city := range []*sparseCity{bonn, {}, {Name: "Kiel"}} {
		b.do(func(tx *Tx) error { _, err := tx.Create(cities, city); return err })
	}
	wants := func(names, zips string) {
		t.Helper()
		if got := strings.Join(list(t, b.Store, cities, "name", "name"), " "); got != names {
			t.Errorf("by name: %s", got)
		}
		if got := strings.Join(list(t, b.Store, cities, "zip", "zip"), " "); got != zips {
			t.Errorf("by zip: %s", got)
		}
		if err := b.Check(context.Background()); err != nil {
			t.Error(err)
		}
	}
	wants(`"Aachen" "Bonn" "Kiel" "Ulm"`, `"1" "11" "111"`)
	bonn.Zip = &zip
	put := func(tx *Tx) error {
		_, err := tx.Update(cities, bonn.ID, func(rec any) error {
			rec.(*sparseCity).Name, rec.(*sparseCity).Zip = bonn.Name, bonn.Zip
			return nil
		})
		return err
	}
	if _, err := b.Update(context.Background(), "test", put); errorText(err) != "cities: zip is already taken" {
		t.Error(err)
	}
	bonn.Name, zip = "", "22"
	b.do(put)
	wants(`"Aachen" "Kiel" "Ulm"`, `"1" "11" "111" "22"`)
	bonn.Name, bonn.Zip = "Bonn", nil
	b.do(put)
	wants(`"Aachen" "Bonn" "Kiel" "Ulm"`, `"1" "11" "111"`)
}

func TestAnIndexThatCannotBeUnique(t *testing.T) {
	b := newCities(t)
	cities := b.Model("cities")
	var ids []string
	for _, zip := range []string{"1", "2", "1"} {
		city := &plainCity{Zip: zip}
		b.do(func(tx *Tx) error { _, err := tx.Create(cities, city); return err })
		ids = append(ids, string(city.ID))
	}
	b.close()
	_, err := Open(b.path, Options{Models: []*record.Model{mustModel(t, "cities", &indexedCity{})}})
	want := "zip of cities cannot be unique: cities/" + ids[0] + " and cities/" + ids[2] + ` both have "1"; change one of them first`
	if errorText(err) != "open the store "+b.path+": "+want {
		t.Error(err)
	}
	b.open(Options{Models: []*record.Model{cities}})
	if slices.Contains(buckets(t, b.Store), "indexes/cities.name") {
		t.Error("the other index was made")
	}
}

func TestFieldsThatBecomePrivate(t *testing.T) {
	b := newCities(t, "Ulm", "Aachen")
	cities := b.Model("cities")
	b.do(func(tx *Tx) error { _, err := tx.Create(cities, &plainCity{Name: "Bonn", Zip: "2"}); return err })
	seq := b.Seq()

	private := openCities(t, b, &privateCity{})
	if got := list(t, b.Store, private, "createdAt", "name"); !slices.Equal(got, []string{`"Ulm"`, `"Aachen"`, `"Bonn"`}) {
		t.Errorf("the names are %v", got)
	}
	eachCity(t, b.Store, private, func(image *record.Image) {
		if strings.Contains(string(image.JSON), "name") || !strings.Contains(string(image.JSON), "zip") {
			t.Errorf("what is sent is %s", image.JSON)
		}
	})
	if _, err := b.Feed(0).Next(context.Background()); !errors.Is(err, ErrExpired) || b.LogStart() != seq+2 || b.Seq() != seq+1 {
		t.Errorf("the log is from %d to %d: %v", b.LogStart(), b.Seq(), err)
	}

	public := openCities(t, b, &plainCity{})
	eachCity(t, b.Store, public, func(image *record.Image) {
		if !strings.Contains(string(image.JSON), `"name":"`) || image.Private != nil {
			t.Errorf("what is sent is %s without %s", image.JSON, image.Private)
		}
	})
}

func TestFieldsThatGo(t *testing.T) {
	b := newCities(t, "Ulm", "Aachen")
	narrow := openCities(t, b, &narrowCity{})
	var names []string
	eachCity(t, b.Store, narrow, func(image *record.Image) {
		names = append(names, image.Value(narrow.Field("NAME")).Text())
		if sent := string(image.JSON); strings.Contains(sent, "zip") || !strings.Contains(sent, `"NAME":"`) || strings.Contains(sent, "name") {
			t.Errorf("what is sent is %s", sent)
		}
	})
	if !slices.Equal(names, []string{"Ulm", "Aachen"}) {
		t.Errorf("the names are %v", names)
	}
	if b.LogStart() != 4 {
		t.Errorf("the log begins at %d", b.LogStart())
	}
	b.do(func(tx *Tx) error { _, err := tx.Create(narrow, &narrowCity{Title: "Bonn"}); return err })
	plain := openCities(t, b, &plainCity{})
	eachCity(t, b.Store, plain, func(image *record.Image) {
		if sent := string(image.JSON); !strings.Contains(sent, `"name":"`) || strings.Contains(sent, "NAME") {
			t.Errorf("what is sent is %s", sent)
		}
	})
	if got := list(t, b.Store, plain, "createdAt", "zip"); !slices.Equal(got, []string{`"111"`, `"11"`, `""`}) {
		t.Errorf("the zips are %v", got)
	}
	seq, start := b.Seq(), b.LogStart()
	if openCities(t, b, &indexedCity{}); b.Seq() != seq || b.LogStart() != start {
		t.Errorf("an index began the log at %d", b.LogStart())
	}
}

func eachCity(t *testing.T, s *Store, cities *record.Model, fn func(*record.Image)) {
	t.Helper()
	if err := s.View(context.Background(), func(snap *Snapshot) error {
		return snap.Scan(cities, Range{}, func(image *record.Image) bool { fn(image); return true })
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFieldsThatChangeTheirType(t *testing.T) {
	b := newCities(t, "Ulm", "Aachen", "Bonn")
	openCities(t, b, &indexedCity{})
	numbered := openCities(t, b, &numberedCity{})
	if got := list(t, b.Store, numbered, "zip", "zip"); !slices.Equal(got, []string{"1", "11", "111"}) {
		t.Errorf("by zip: %v", got)
	}
	var ids []record.ID
	eachCity(t, b.Store, numbered, func(image *record.Image) { ids = append(ids, image.ID) })
	dated := openCities(t, b, &datedCity{})
	if got := list(t, b.Store, dated, "zip", "name"); len(got) != 0 {
		t.Errorf("by zip, which fits none: %v", got)
	}
	survey := b.Surveys()[0]
	if survey.Broken != 3 || !strings.Contains(survey.String(), "3 of 3 cities do not fit datedCity: zip ") {
		t.Errorf("the survey is %s", survey)
	}
	rename := func(rec any) error { rec.(*datedCity).Name = "Köln"; return nil }
	if _, err := b.Begin("test").Update(dated, ids[0], rename); err == nil || !strings.Contains(err.Error(), "zip must be set") {
		t.Error(err)
	}
	b.do(func(tx *Tx) error { return tx.Delete(dated, ids[2]) })
	b.do(func(tx *Tx) error {
		_, err := tx.Update(dated, ids[1], func(rec any) error { rec.(*datedCity).Zip = time.Time{}; return nil })
		return err
	})
	if got := list(t, b.Store, dated, "zip", "name"); !slices.Equal(got, []string{`"Aachen"`}) {
		t.Errorf("by zip, with one that was mended: %v", got)
	}
	if err := b.Check(context.Background()); err != nil {
		t.Error(err)
	}
	openCities(t, b, &datedCity{}) // the one that is left is counted again
	if survey := b.Surveys()[0]; survey.Broken != 1 || survey.Records != 2 || !slices.Equal(survey.Unfit, ids[:1]) {
		t.Errorf("the survey is %s", survey)
	}
	again := openCities(t, b, &indexedCity{}) // and it fits what it was
	if got := list(t, b.Store, again, "zip", "name"); len(got) != 2 {
		t.Errorf("as it was, by zip: %v", got)
	}
	if err := b.Check(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestModelsThatAreLeftOut(t *testing.T) {
	b := newCities(t, "Ulm")
	cities := openCities(t, b, &indexedCity{})
	b.close()
	b.open(Options{Models: []*record.Model{b.users}})
	b.do(func(tx *Tx) error { _, err := tx.Create(b.users, &user{Name: "Ada"}); return err })
	if c, err := b.Feed(0).Next(context.Background()); err != nil || c.Seq != 1 || len(c.Changes) != 0 {
		t.Errorf("a change of a model that is left out: %v, %v", c, err)
	}
	b.close()
	b.open(Options{Models: []*record.Model{cities}})
	if got := list(t, b.Store, cities, "name", "name"); !slices.Equal(got, []string{`"Ulm"`}) {
		t.Errorf("by name: %v", got)
	}
}
