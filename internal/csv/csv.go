// Package csv reads CSV as RFC 4180 describes it, and changes no text: encoding/csv, which
// writes it, takes the carriage return from a line break within quotes.
package csv

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxRow is the most bytes of a row.
const MaxRow = 16 << 20

// A Reader reads rows. Lines end with a line feed, or a carriage return and a line feed.
// Lines without text are no rows, and a byte order mark at the beginning is no text. Each row has as
// many cells as the first one.
type Reader struct {
	r     *bufio.Reader
	next  int // the line of the next byte
	line  int // of the row that was read last
	size  int // bytes of that row
	cells int // of the first row
	begun bool
}

// NewReader returns a reader of the rows in r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), next: 1}
}

// Line returns the number of the line, from 1, at which the row that Read has returned
// begins.
func (r *Reader) Line() int { return r.line }

// A SyntaxError reports text that is not CSV.
type SyntaxError struct {
	Line    int
	Problem string
	Row     bool // the row alone cannot be used, and Read goes on after it
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Problem) }

func (r *Reader) misread(line int, format string, args ...any) error {
	return &SyntaxError{Line: line, Problem: fmt.Sprintf(format, args...)}
}

// Read returns the cells of the next row, which belong to the caller. After the last row it
// returns [io.EOF]. After an error it must not be called again, except one of a row alone.
func (r *Reader) Read() ([]string, error) {
	if !r.begun {
		r.begun = true
		if mark, _ := r.r.Peek(3); string(mark) == "\ufeff" {
			_, _ = r.r.Discard(3) // they are there
		}
	}
	row, err := r.row()
	if err != nil {
		return nil, err
	}
	if r.cells == 0 {
		r.cells = len(row)
	}
	if len(row) != r.cells {
		return nil, &SyntaxError{r.line, fmt.Sprintf("it has %d cells, and the first row has %d", len(row), r.cells), true}
	}
	return row, nil
}

func (r *Reader) row() (row []string, err error) {
	for {
		r.line, r.size = r.next, 0
		c, err := r.byte()
		if err != nil {
			return nil, err
		}
		if c == '\n' {
			continue
		}
		if c == '\r' {
			if next, _ := r.r.Peek(1); string(next) == "\n" {
				continue
			}
		}
		r.unread()
		break
	}
	for more := true; more; {
		var cell string
		if cell, more, err = r.cell(); err != nil {
			return nil, err
		}
		row = append(row, cell)
	}
	return row, nil
}

// cell reads a cell and what ends it. It returns false after the last one of the row.
func (r *Reader) cell() (text string, more bool, err error) {
	c, err := r.byte()
	if err == nil && c == '"' {
		return r.quoted()
	}
	var cell []byte
	for ; err == nil; c, err = r.byte() {
		switch c {
		case ',':
			return string(cell), true, nil
		case '\n':
			if n := len(cell); n > 0 && cell[n-1] == '\r' {
				cell = cell[:n-1]
			}
			return string(cell), false, nil
		case '"':
			return "", false, r.misread(r.next, `there is a quote in a cell that does not begin with one; write the cell as "a ""b"" c"`)
		}
		cell = append(cell, c)
	}
	return string(cell), false, atEnd(err)
}

// quoted reads a cell whose first quote has been read.
func (r *Reader) quoted() (text string, more bool, err error) {
	var cell []byte
	begun := r.next
	for {
		c, err := r.byte()
		if errors.Is(err, io.EOF) {
			return "", false, r.misread(begun, "the quote that begins here is not closed")
		}
		if err != nil {
			return "", false, err
		}
		if c != '"' {
			cell = append(cell, c)
			continue
		}
		switch c, err = r.byte(); {
		case err != nil:
			return string(cell), false, atEnd(err)
		case c == '"':
			cell = append(cell, '"')
			continue
		case c == ',':
			return string(cell), true, nil
		case c == '\r':
			if next, _ := r.r.Peek(1); string(next) == "\n" || len(next) == 0 {
				c, err = r.byte()
			}
		}
		if err != nil || c == '\n' {
			return string(cell), false, atEnd(err)
		}
		return "", false, r.misread(r.next, "there is text after the quote that closes a cell")
	}
}

// atEnd returns the error of a row that the end of the file ends.
func atEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (r *Reader) byte() (byte, error) {
	c, err := r.r.ReadByte()
	if err != nil {
		return 0, err
	}
	if c == '\n' {
		r.next++
	}
	if r.size++; r.size > MaxRow {
		return 0, r.misread(r.line, "the row that begins here has more than %d MiB; is a quote not closed?", MaxRow>>20)
	}
	return c, nil
}

// unread takes back the byte that was read last, which is no line feed.
func (r *Reader) unread() {
	_ = r.r.UnreadByte() // it was read
	r.size--
}
