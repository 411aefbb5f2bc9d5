package systemtest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"
)

// An Album has a field of each kind that conditions differ in.
type Album struct {
	tower.Record
	Title    string     `json:"title" tower:"index"`
	Year     int        `json:"year" tower:"index"`
	Stars    *int       `json:"stars"`
	Genres   []string   `json:"genres"`
	Released *time.Time `json:"released"`
}

var Albums = tower.NewModel[Album]("albums")

type albumsController struct{ *tower.Connection }

type ofAlbum struct {
	ID tower.ID `json:"id"`
}

func (c *albumsController) Play(ctx context.Context, in ofAlbum) (struct{}, error) {
	return struct{}{}, tower.Conflict("it is being played")
}

func (c *albumsController) Burn(ctx context.Context, in ofAlbum) (struct{}, error) {
	return struct{}{}, tower.BadRequest("nobody burns albums")
}

func openAlbums(t *testing.T) *towertest.App {
	r := tower.NewRouter(func(ctx context.Context, c *tower.Connection) (*tower.Connection, error) { return c, nil })
	m := tower.Mount(r, "albums", func(c *tower.Connection) *albumsController { return &albumsController{c} })
	tower.Action(m, "POST /play", (*albumsController).Play)
	tower.Action(m, "POST /burn", (*albumsController).Burn)
	return towertest.Open(t, tower.Config{Name: "albums", Models: []tower.AnyModel{Albums}, Routes: r, Files: sampleViews})
}

func TestConditionsChooseRecords(t *testing.T) {
	app := openAlbums(t)
	five, two, day := 5, 2, time.Date(1965, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, album := range []*Album{
		{Title: "Blue", Year: 1971, Stars: &five, Genres: []string{"folk"}},
		{Title: "Blue Train", Year: 1958, Stars: &two, Genres: []string{"jazz"}},
		{Title: "Supreme", Year: 1965, Genres: []string{"jazz", "modal"}, Released: &day},
		{Title: "Untitled", Year: 1991},
	} {
		if err := Albums.Create(t.Context(), app, album); err != nil {
			t.Fatal(err)
		}
	}
	album := Albums.Fields
	for _, c := range []struct {
		name  string
		where tower.Condition
		want  string
	}{
		{"Is", tower.Is(&album.Year, 1965), "Supreme"},
		{"Is null", tower.Is(&album.Stars, nil), "Supreme, Untitled"},
		{"IsNot", tower.IsNot(&album.Year, 1965), "Blue, Blue Train, Untitled"},
		{"IsNot holds for null", tower.IsNot(&album.Stars, &five), "Blue Train, Supreme, Untitled"},
		{"In", tower.In(&album.Title, "Blue", "Supreme", "Kind of Blue"), "Blue, Supreme"},
		{"In nothing", tower.In(&album.Title), ""},
		{"Gt", tower.Gt(&album.Year, 1965), "Blue, Untitled"},
		{"Gte", tower.Gte(&album.Year, 1965), "Blue, Supreme, Untitled"},
		{"Lt", tower.Lt(&album.Year, 1965), "Blue Train"},
		{"Lte", tower.Lte(&album.Year, 1965), "Blue Train, Supreme"},
		{"Gt of null", tower.Gt(&album.Stars, &two), "Blue"},
		{"Lt of null", tower.Lt(&album.Stars, &five), "Blue Train"},
		{"Lte of a time", tower.Lte(&album.Released, &day), "Supreme"},
		{"Exists", tower.Exists(&album.Stars), "Blue, Blue Train"},
		{"Contains a part", tower.Contains(&album.Title, "Blue"), "Blue, Blue Train"},
		{"Contains an element", tower.Contains(&album.Genres, "jazz"), "Blue Train, Supreme"},
		{"And", tower.And(tower.Contains(&album.Genres, "jazz"), tower.Gt(&album.Year, 1960)), "Supreme"},
		{"And of none", tower.And(), "Blue, Blue Train, Supreme, Untitled"},
		{"Or", tower.Or(tower.Is(&album.Title, "Blue"), tower.Lt(&album.Year, 1960)), "Blue, Blue Train"},
		{"Or of none", tower.Or(), ""},
		{"Not", tower.Not(tower.Or(tower.Contains(&album.Title, "Blue"), tower.Exists(&album.Released))), "Untitled"},
	} {
		albums, err := Albums.Where(c.where).Asc(&album.Title).Records(t.Context(), app)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		titles := []string{}
		for _, one := range albums {
			titles = append(titles, one.Title)
		}
		if got := strings.Join(titles, ", "); got != c.want {
			t.Errorf("%s: %s; want %s", c.name, got, c.want)
		}
		if n, err := Albums.Where(c.where).Count(t.Context(), app); n != len(titles) || err != nil {
			t.Errorf("%s: %d are counted (%v)", c.name, n, err)
		}
	}
}

func TestConditionsThatMakeNoSenseAreErrors(t *testing.T) {
	app := openAlbums(t)
	album, other := Albums.Fields, Posts.Fields
	foreign := "a *string does not point to a stored field of the Fields of model albums"
	for _, c := range []struct {
		where tower.Condition
		want  string
	}{
		{tower.Condition{}, "an empty condition; make one with tower.Is and its like"},
		{tower.Is(&other.Title, "x"), foreign},
		{tower.And(tower.Is(&album.Year, 1), tower.Not(tower.In(&other.Title, "x"))), foreign},
		{tower.Or(tower.IsNot(&other.Title, "x"), tower.Exists(&album.Year)), foreign},
		{tower.Contains(&album.Genres, 7), "each of genres is a string; 7 is not"},
	} {
		if _, err := Albums.Where(c.where).Records(t.Context(), app); err == nil || err.Error() != "scope of albums: "+c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestErrorsReachClientsWithTheirCode(t *testing.T) {
	app := openAlbums(t)
	c := app.Connect(t, "")
	for _, e := range []struct {
		route, code, message string
		status               int
		err                  *tower.Error
	}{
		{"/play", "conflict", "it is being played", http.StatusConflict, tower.Conflict("it is being played")},
		{"/burn", "bad_request", "nobody burns albums", http.StatusBadRequest, tower.BadRequest("nobody burns albums")},
	} {
		if got := c.Call("POST "+e.route, nil); got.Status != e.status || got.Code != e.code || got.Message != e.message {
			t.Errorf("over a socket: %+v", got)
		}
		response, body := request(t, app, "POST", e.route, "{}", map[string]string{"Content-Type": "application/json"})
		if response.StatusCode != e.status || !strings.Contains(body, `{"error":{"code":"`+e.code+`","message":"`+e.message+`"}}`) {
			t.Errorf("over HTTP: %d %s", response.StatusCode, body)
		}
		var coded *tower.Error
		if !errors.As(error(e.err), &coded) || coded.Status() != e.status || coded.Error() != e.message {
			t.Errorf("in Go: %v", e.err)
		}
	}
}
