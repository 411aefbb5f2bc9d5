package bulk

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"github.com/towerkit/tower/internal/csv"
	"github.com/towerkit/tower/internal/record"
)

// The formats of files.
const (
	NDJSON = "ndjson"
	CSV    = "csv"
)

// maxLine is the most bytes of a record.
const maxLine = 16 << 20

// A source is a file that is imported.
type source struct {
	File
	model *record.Model
	file  *os.File
	info  fs.FileInfo
	sum   [sha256.Size]byte
}

// open opens a file and computes its checksum.
func (s *source) open() (err error) {
	if s.file, err = os.Open(s.Path); err != nil {
		return err
	}
	if s.info, err = s.file.Stat(); err != nil {
		return err
	}
	if !s.info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", s.Path)
	}
	hash := sha256.New()
	_, _ = io.WriteString(hash, s.model.Name+"\n") // a hash accepts everything
	if _, err := io.Copy(hash, s.file); err != nil {
		return err
	}
	hash.Sum(s.sum[:0])
	return nil
}

// changed reports whether the file is another than when it was opened.
func (s *source) changed() bool {
	info, err := s.file.Stat()
	return err != nil || info.Size() != s.info.Size() || !info.ModTime().Equal(s.info.ModTime())
}

// id returns the id of the record that begins at a line, if it has none.
func (s *source) id(line int) (id ulid.ULID) {
	_ = id.SetTime(ulid.Timestamp(s.modified())) // it is no later than the last ULID
	copy(id[6:12], s.sum[:])
	binary.BigEndian.PutUint32(id[12:], uint32(line))
	return id
}

func (s *source) modified() time.Time {
	at := s.info.ModTime()
	if at.Before(time.UnixMilli(0)) || at.After(ulid.Time(ulid.MaxTime())) {
		return time.UnixMilli(0)
	}
	return at
}

// A row is a record as a file has it.
type row struct {
	line   int
	values map[string]json.RawMessage // by the name of the field
}

// rows reads the rows of a source. next returns [io.EOF] after the last one, and a
// [*Problem] for a row that cannot be read; it goes on after that, unless the problem is one of
// the file as a whole.
type rows interface {
	next() (row, error)
}

// A fatal problem is one after which nothing more of a file is read.
type fatal struct{ Problem }

func (f *fatal) Error() string { return f.Text }

// Error returns the problem without its place.
func (p *Problem) Error() string { return p.Text }

// read returns the rows of a source, from the beginning. counted is called with the bytes as
// they are read.
func (s *source) read(counted func(n int)) (rows, error) {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(&countingReader{s.file, counted}, 64<<10)
	switch mark, _ := r.Peek(3); {
	case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
		return nil, &fatal{Problem{Line: 1, Text: "the file is UTF-16; save it as UTF-8"}}
	case s.Format == CSV:
		return &table{source: s, r: csv.NewReader(r)}, nil
	case string(mark) == "\ufeff":
		_, _ = r.Discard(3) // they are there
	}
	return &lines{r: r}, nil
}

type countingReader struct {
	r       io.Reader
	counted func(n int)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.counted(n)
	return n, err
}

// lines reads rows from a file that has one JSON object per line.
type lines struct {
	r    *bufio.Reader
	line int
	text []byte
}

func (l *lines) next() (row, error) {
	for {
		if err := l.readLine(); err != nil {
			return row{}, err
		}
		text := bytes.TrimSpace(l.text)
		if len(text) == 0 {
			continue
		}
		if l.line == 1 && text[0] == '[' {
			return row{}, &fatal{Problem{Line: 1, Text: "the file is a list of JSON; each line must be an object: jq -c '.[]' makes them"}}
		}
		values, err := members(text)
		if err != nil {
			return row{}, &Problem{Line: l.line, Text: err.Error()}
		}
		return row{l.line, values}, nil
	}
}

// readLine reads the next line into l.text.
func (l *lines) readLine() error {
	l.text = l.text[:0]
	l.line++
	for {
		part, err := l.r.ReadSlice('\n')
		l.text = append(l.text, part...)
		switch {
		case len(l.text) > maxLine:
			return &fatal{Problem{Line: l.line, Text: fmt.Sprintf("the line has more than %d MiB", maxLine>>20)}}
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(l.text) > 0:
			return nil
		}
		return err
	}
}

// members returns the members of an object of JSON.
func members(text []byte) (map[string]json.RawMessage, error) {
	var values map[string]json.RawMessage
	err := json.Unmarshal(text, &values)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("it is not JSON: %w", err)
	case err != nil || values == nil:
		return nil, errors.New("it is not an object of JSON")
	}
	return values, nil
}

// A table is rows of CSV, whose first row names the fields.
type table struct {
	source *source
	r      *csv.Reader
	fields []*record.Field
}

func (t *table) next() (row, error) {
	for {
		cells, err := t.r.Read()
		var syntax *csv.SyntaxError
		switch {
		case errors.As(err, &syntax) && syntax.Row:
			return row{}, &Problem{Line: syntax.Line, Text: syntax.Problem}
		case errors.As(err, &syntax):
			return row{}, &fatal{Problem{Line: syntax.Line, Text: syntax.Problem}}
		case err != nil:
			return row{}, err
		case t.fields != nil:
			return t.row(cells)
		}
		if err := t.head(cells); err != nil {
			return row{}, err
		}
	}
}

// head reads the names of the fields.
func (t *table) head(names []string) error {
	known := map[string]bool{}
	for _, name := range names {
		problem := ""
		switch f := t.source.model.Field(name); {
		case name == "":
			problem = "a column has no name; the first row names the fields"
		case f == nil:
			problem = t.source.model.Unknown(name)
		case known[name]:
			problem = "is the name of two columns"
		}
		if problem != "" {
			return &fatal{Problem{Line: t.r.Line(), Field: name, Text: problem}}
		}
		known[name] = true
		t.fields = append(t.fields, t.source.model.Field(name))
	}
	return nil
}

func (t *table) row(cells []string) (row, error) {
	read := row{t.r.Line(), make(map[string]json.RawMessage, len(cells))}
	for i, f := range t.fields {
		if cells[i] == "" {
			continue
		}
		if !utf8.ValidString(cells[i]) {
			return row{}, &Problem{Line: read.line, Field: f.Name, Text: "is not valid Unicode text"}
		}
		read.values[f.Name] = t.source.value(f, cells[i])
	}
	return read, nil
}

// value returns a cell as the JSON of a field: texts are written as they are, and all others
// as JSON.
func (s *source) value(f *record.Field, cell string) json.RawMessage {
	text, _ := json.Marshal(cell) // valid UTF-8 can always be encoded
	switch f.Kind {
	case record.String, record.Time:
		return text
	case record.Object: // its JSON may be a text
		if raw := []byte(cell); !json.Valid(raw) || !s.model.Accepts(f, raw) {
			return text
		}
		return []byte(cell)
	}
	if !json.Valid([]byte(cell)) {
		return text
	}
	return []byte(cell)
}
