package wire

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// kinds maps the first words of a golden file's name to the type that it holds. The longest
// match wins.
var kinds = map[string]func() any{
	"request":         func() any { return new(Request) },
	"hello":           func() any { return new(Hello) },
	"answer":          func() any { return new(Answer) },
	"commit":          func() any { return new(Commit) },
	"push":            func() any { return new(Push) },
	"link_batch":      func() any { return new(Batch) },
	"link_poll":       func() any { return new(Poll) },
	"link_delivery":   func() any { return new(Delivery) },
	"control_request": func() any { return new(ControlRequest) },
	"control_reply":   func() any { return new(ControlReply) },
	"control_hello":   func() any { return new(ControlHello) },
	"control_written": func() any { return new(Written) },
	"control_cursor":  func() any { return new(CursorInfo) },
	"control_route":   func() any { return new(Route) },
	"control_called":  func() any { return new(Called) },
	"control_why":     func() any { return new(Why) },
	"control_diff":    func() any { return new(Diff) },
	"control_impact":  func() any { return new(Impact) },
	"control_schema":  func() any { return new(Schema) },
}

func kindOf(name string) func() any {
	for prefix := name; prefix != ""; {
		if make, ok := kinds[prefix]; ok {
			return make
		}
		prefix = prefix[:max(0, strings.LastIndexByte(prefix, '_'))]
	}
	return nil
}

func goldens(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden frames in testdata: %v", err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(path), ".json")] = data
	}
	return files
}

func TestGoldenFramesRoundTrip(t *testing.T) {
	for name, data := range goldens(t) {
		if name == "frames" {
			continue // below
		}
		t.Run(name, func(t *testing.T) {
			kind := kindOf(name)
			if kind == nil {
				t.Fatalf("%s.json: no kind of frame is named so; see kinds", name)
			}
			frame := kind()
			if err := json.Unmarshal(data, frame); err != nil {
				t.Fatal(err)
			}
			got, err := Encode(frame)
			if err != nil {
				t.Fatal(err)
			}
			want := compact(t, data)
			if !bytes.Equal(got, want) {
				t.Errorf("encoded again:\n got %s\nwant %s", got, want)
			}
			if delivery, ok := frame.(*Delivery); ok && !bytes.Equal(delivery.Append(nil), want) {
				t.Errorf("appended:\n got %s\nwant %s", delivery.Append(nil), want)
			}
		})
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	for name, data := range goldens(t) {
		if name == "frames" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			known, more := kindOf(name)(), kindOf(name)()
			if err := json.Unmarshal(data, known); err != nil {
				t.Fatal(err)
			}
			extended := `{"fromTheFuture":{"x":[1]},` + strings.TrimPrefix(string(compact(t, data)), "{")
			if err := json.Unmarshal([]byte(extended), more); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(known, more) {
				t.Errorf("an unknown field changed the frame:\n got %+v\nwant %+v", more, known)
			}
		})
	}
}

func TestFramesSplitsAMessage(t *testing.T) {
	frames, err := Frames(goldens(t)["frames"])
	if err != nil {
		t.Fatal(err)
	}
	if len(frames) != 4 {
		t.Fatalf("%d frames, want 4", len(frames))
	}
	for i, frame := range []any{new(Commit), new(Commit), new(Answer), new(Push)} {
		if err := json.Unmarshal(frames[i], frame); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		got, err := Encode(frame)
		if err != nil {
			t.Fatal(err)
		}
		if want := compact(t, frames[i]); !bytes.Equal(got, want) {
			t.Errorf("frame %d:\n got %s\nwant %s", i, got, want)
		}
	}

	one, err := Frames([]byte(" \n{\"applied\":1}"))
	if err != nil || len(one) != 1 || string(one[0]) != `{"applied":1}` {
		t.Errorf("a single frame: %q, %v", one, err)
	}
	for _, bad := range []string{"", "  ", "{", "[{}", "hello", "[1,]", `{"a":1}{"b":2}`} {
		if frames, err := Frames([]byte(bad)); err == nil {
			t.Errorf("Frames(%q) = %q, want an error", bad, frames)
		}
	}
}

func TestMarkupTravelsUnescaped(t *testing.T) {
	after := ""
	for _, frame := range []any{
		Commit{Seq: 1, Cursors: map[uint64]*Delta{1: {Enter: []Entry{{ID: "a", After: &after, HTML: "<b>&</b>"}}}}},
		Answer{Status: 200, Items: []Item{{ID: "a", HTML: "<b>&</b>"}}},
	} {
		text, err := Encode(frame)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("<b>&</b>")) {
			t.Errorf("the markup was escaped: %s", text)
		}
	}
}

func TestEncodeNamesTheFrameThatFailed(t *testing.T) {
	_, err := Encode(Commit{Seq: 1, Records: map[string][]json.RawMessage{"posts": {json.RawMessage("{")}}})
	if err == nil || !strings.Contains(err.Error(), "wire.Commit") {
		t.Errorf("got %v, want an error that names wire.Commit", err)
	}
}

func compact(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
