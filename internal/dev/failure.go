package dev

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Failure is the reason why an application, or its newest source, does not run.
type Failure struct {
	Title  string    `json:"title"`  // "The build failed"
	Errors []Problem `json:"errors"` // at least one
	Text   string    `json:"text"`   // output of the compiler or the application
}

// A Problem is one error, with its place in the application's source if that is known.
type Problem struct {
	File    string   `json:"file,omitempty"` // relative to the application's folder, with slashes
	Line    int      `json:"line,omitempty"`
	Column  int      `json:"column,omitempty"` // in bytes, from 1; 0 if unknown
	Message string   `json:"message"`
	Hint    string   `json:"hint,omitempty"`   // what the user can do
	From    int      `json:"from,omitempty"`   // number of the first line in Source
	Source  []string `json:"source,omitempty"` // the lines around Line
}

func (f *Failure) Error() string {
	text := strings.ToLower(f.Title[:1]) + f.Title[1:]
	for _, p := range f.Errors {
		text += "\n" + p.String()
	}
	return text
}

// String returns the place and the message, without the source.
func (p Problem) String() string {
	if place := p.place(); place != "" {
		return place + "  " + p.Message
	}
	return p.Message
}

func (p Problem) place() string {
	if p.File == "" || p.Line == 0 {
		return p.File
	}
	place := p.File + ":" + strconv.Itoa(p.Line)
	if p.Column > 0 {
		place += ":" + strconv.Itoa(p.Column)
	}
	return place
}

// contextLines is the number of source lines to show before and after the error.
const contextLines = 3

// locate fills in the source lines around a problem's place. A place outside the folder
// keeps its absolute path and has no source.
func (p *Problem) locate(folder string) {
	if p.File == "" {
		return
	}
	path := filepath.FromSlash(p.File)
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	inside, err := filepath.Rel(folder, path)
	if err != nil || !filepath.IsLocal(inside) {
		return
	}
	p.File = filepath.ToSlash(inside)
	source, err := os.ReadFile(path)
	if err != nil {
		return
	}
	lines := strings.Split(string(bytes.TrimSuffix(source, []byte("\n"))), "\n")
	if p.Line < 1 || p.Line > len(lines) {
		return
	}
	first, last := max(p.Line-contextLines, 1), min(p.Line+contextLines, len(lines))
	p.From = first
	for _, line := range lines[first-1 : last] {
		p.Source = append(p.Source, strings.TrimSuffix(line, "\r"))
	}
}

var (
	compilerError = regexp.MustCompile(`^(.+?\.(?:go|mod|sum|work|s|c|cc|cpp|h)):(\d+)(?::(\d+))?: (.*)$`)
	cycleLink     = regexp.MustCompile(`^\s+imports (\S+)`)
)

// buildFailure parses the output of go build.
func buildFailure(folder, output string) *Failure {
	f := &Failure{Title: "The build failed"}
	var text []string
	var cycle []string
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "go: downloading ") || strings.HasPrefix(line, "go: finding ") {
			continue
		}
		text = append(text, line)
		last := len(f.Errors) - 1
		place := compilerError.FindStringSubmatch(line)
		link := cycleLink.FindStringSubmatch(line)
		switch {
		case line == "" || strings.HasPrefix(line, "# ") || strings.HasSuffix(line, "too many errors"):
		case line == "go: errors parsing go.mod:":
		case strings.HasPrefix(line, "package "):
			cycle = []string{strings.TrimPrefix(line, "package ")}
		case cycle != nil && link != nil:
			cycle = append(cycle, strings.TrimSuffix(link[1], ":"))
			if _, message, found := strings.Cut(line, ": "); found {
				f.Errors = append(f.Errors, Problem{Message: message + ": " + strings.Join(cycle, " → ")})
				cycle = nil
			}
		case place != nil && !strings.HasPrefix(line, "\t"):
			f.Errors = append(f.Errors, problemAt(place))
		case last >= 0 && (line[0] == '\t' || line[0] == ' '):
			f.Errors[last].Message += "\n" + strings.TrimSpace(line)
		default:
			f.Errors = append(f.Errors, Problem{Message: strings.TrimPrefix(line, "go: ")})
		}
	}
	f.Text = strings.TrimSpace(strings.Join(text, "\n"))
	if len(f.Errors) == 0 {
		f.Errors = []Problem{{Message: f.Text}}
	}
	for i := range f.Errors {
		f.Errors[i].Hint = hint(f.Errors[i].Message)
		f.Errors[i].locate(folder)
	}
	return f
}

func problemAt(match []string) Problem {
	line, _ := strconv.Atoi(match[2])
	column, _ := strconv.Atoi(match[3])
	file := filepath.ToSlash(strings.TrimPrefix(filepath.ToSlash(match[1]), "./"))
	return Problem{File: file, Line: line, Column: column, Message: match[4]}
}

// hints give advice for messages that have none.
var hints = []struct{ part, hint string }{
	{"no required module provides package", "go mod tidy"},
	{"missing go.sum entry", "go mod tidy"},
	{"updates to go.mod needed", "go mod tidy"},
	{"go.mod file not found", "run it in the folder of an application"},
	{"(replaced by ", "correct the replace in go.mod: its folder does not exist"},
	{"function main is undeclared", "main.go needs a func main"},
	{"dial tcp", "a module is missing, and the network is not reachable"},
}

func hint(message string) string {
	for _, h := range hints {
		if strings.Contains(message, h.part) {
			return h.hint
		}
	}
	return ""
}

// Print writes the failure for a terminal: each problem with its place, its source line
// and its hint.
func (f *Failure) Print(w io.Writer, color bool) {
	fmt.Fprintf(w, "%s %s\n", paint(color, red, "✗"), paint(color, bold, f.Title))
	for _, p := range f.Errors {
		message := strings.ReplaceAll(p.Message, "\n", "\n    ")
		if place := p.place(); place != "" {
			message = paint(color, bold, place) + "  " + message
		}
		fmt.Fprintf(w, "  %s\n", message)
		if line, caret, ok := p.sourceLine(); ok {
			fmt.Fprintf(w, "    %s\n", paint(color, dim, line))
			if caret != "" {
				fmt.Fprintf(w, "    %s\n", paint(color, red, caret))
			}
		}
		if p.Hint != "" {
			fmt.Fprintf(w, "    → %s\n", p.Hint)
		}
	}
}

// sourceLine returns the line of the problem without its indentation, and a caret that
// points at its column from the line below. The caret is empty if the column is unknown.
func (p Problem) sourceLine() (line, caret string, ok bool) {
	at := p.Line - p.From
	if p.From == 0 || at < 0 || at >= len(p.Source) {
		return "", "", false
	}
	full := p.Source[at]
	line = strings.TrimLeft(full, " \t")
	column := p.Column - 1 - (len(full) - len(line))
	if column >= 0 && column <= len(line) {
		before := strings.ReplaceAll(line[:column], "\t", "    ")
		caret = strings.Repeat(" ", utf8.RuneCountInString(before)) + "^"
	}
	line = strings.ReplaceAll(line, "\t", "    ")
	return line, caret, strings.TrimSpace(line) != ""
}
