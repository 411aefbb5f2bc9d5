package csv

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func readAll(text string) (rows [][]string, lines []int, err error) {
	r := NewReader(strings.NewReader(text))
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, lines, nil
		}
		if err != nil {
			return rows, lines, err
		}
		rows, lines = append(rows, row), append(lines, r.Line())
	}
}

func TestRead(t *testing.T) {
	for text, want := range map[string][][]string{
		"":                                nil,
		"\ufeff":                          nil,
		"\n\r\n\n":                        nil,
		"a":                               {{"a"}},
		"\ufeffa,b\n1,2":                  {{"a", "b"}, {"1", "2"}},
		"\ufeff\"a\",b\r\n1,2\r\n":        {{"a", "b"}, {"1", "2"}},
		"a,b\n\n1,\n,2\n":                 {{"a", "b"}, {"1", ""}, {"", "2"}},
		"a\n\"x\r\ny\"\r\n\"z\rz\"":       {{"a"}, {"x\r\ny"}, {"z\rz"}},
		"a\n\"x\ny\"\n\"\r\"\n\"\r\n\"":   {{"a"}, {"x\ny"}, {"\r"}, {"\r\n"}},
		"a\n\"\"\n\"\"\"\"\r\n\"q\"\"q\"": {{"a"}, {""}, {`"`}, {`q"q`}},
		"a,b\nx\ry, z \n":                 {{"a", "b"}, {"x\ry", " z "}},
		"a\n\"x\"\r":                      {{"a"}, {"x"}},
		"a\n\u00a0日本\ufeff":               {{"a"}, {"\u00a0日本\ufeff"}},
	} {
		rows, _, err := readAll(text)
		if err != nil || !slices.EqualFunc(rows, want, slices.Equal) {
			t.Errorf("%q is %q, want %q: %v", text, rows, want, err)
		}
	}
	_, lines, err := readAll("a\n\n\"x\r\n\ny\"\r\nz\n")
	if want := []int{1, 3, 6}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("the rows begin at %v, want %v: %v", lines, want, err)
	}
}

func TestSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"a,b\n1":                              "line 2: it has 1 cells, and the first row has 2",
		"a\n\n1,2":                            "line 3: it has 2 cells",
		"a\nx\"y":                             "line 2: there is a quote in a cell",
		"a\n\"x\"y":                           "line 2: there is text after the quote",
		"a\n\"x\"\ry":                         "line 2: there is text after the quote",
		"a\n\"x\n\ny":                         "line 2: the quote that begins here is not closed",
		"a\n\"" + strings.Repeat("x", MaxRow): "line 2: the row that begins here has more than 16 MiB",
	} {
		if _, _, err := readAll(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
	r := NewReader(strings.NewReader("a,b\n1\n3,4"))
	_, _ = r.Read()
	_, err := r.Read()
	row, err2 := r.Read()
	if err == nil || err2 != nil || !slices.Equal(row, []string{"3", "4"}) {
		t.Errorf("after %v it goes on with %q, %v", err, row, err2)
	}
}

// What encoding/csv writes is read as it was, with any text and with both line ends.
func TestRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	alphabet := []string{"a", " ", ",", `"`, "\r", "\n", "\r\n", "\t", "\ufeff", "日", "\\.", "'", "\x00"}
	for range 2000 {
		width := 2 + rng.IntN(3)
		var rows [][]string
		for range rng.IntN(5) {
			row := make([]string, width)
			for i := range row {
				for range rng.IntN(4) {
					row[i] += alphabet[rng.IntN(len(alphabet))]
				}
			}
			rows = append(rows, row)
		}
		if len(rows) > 0 {
			rows[0][0] = "id" // a mark at the beginning is none of the text
		}
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		got, _, err := readAll(b.String())
		if err != nil || !slices.EqualFunc(got, rows, slices.Equal) {
			t.Fatalf("%q was read as %q, from %q: %v", rows, got, b.String(), err)
		}
	}
}
