package dev

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

var (
	frameFile  = regexp.MustCompile(`^\t(.+\.go):(\d+)(?: \+0x[0-9a-f]+)?$`)
	frameArgs  = regexp.MustCompile(`\([^()]*\)$`)
	traceStart = regexp.MustCompile(`^(panic: |fatal error: |runtime: |unexpected fault address |SIG[A-Z]+: )`)
)

// crashFailure describes an application that exited on its own, from the last lines that
// it printed and the trace of its panic, if any. It keeps the frames of the trace that
// are in the application's folder.
func crashFailure(folder, how string, last, trace []string) *Failure {
	message, frames := readTrace(folder, trace)
	switch {
	case message == "":
		frames = []Problem{{Message: how}}
	case len(frames) == 0:
		frames = []Problem{{Message: message}}
	default:
		frames[0].Message = message + "\n" + frames[0].Message
	}
	for i := range frames {
		frames[i].locate(folder)
	}
	return &Failure{Title: "The application stopped", Errors: frames, Text: strings.Join(last, "\n")}
}

// startFailure describes an application that did not start. If it did not panic, its
// last lines most likely name a place in the source.
func startFailure(folder, how string, last, trace []string) *Failure {
	f := crashFailure(folder, how, last, trace)
	f.Title = "The application does not start"
	if f.Errors[0].File != "" {
		return f
	}
	few := last[max(len(last)-5, 0):]
	if p := findPlace(folder, append(slices.Clone(few), how)); p != nil {
		if !strings.Contains(how, p.Message) {
			p.Message += "\n" + how
		}
		p.locate(folder)
		f.Errors = []Problem{*p}
	}
	return f
}

// readTrace returns the message of a panic, and the frames of its goroutine that are in
// folder. The Message of a frame names its function.
func readTrace(folder string, trace []string) (message string, frames []Problem) {
	goroutines, function := 0, ""
	module := modulePath(folder)
	for _, line := range trace {
		switch file := frameFile.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "goroutine "):
			goroutines++
		case goroutines == 0 && line != "" && !strings.HasPrefix(line, "[signal "):
			message = strings.TrimSpace(message + "\n" + strings.TrimSpace(line))
		case goroutines != 1:
		case file == nil:
			function = frameArgs.ReplaceAllString(strings.TrimPrefix(line, "created by "), "")
			function, _, _ = strings.Cut(function, " in goroutine ")
		case inFolder(folder, untrimmed(folder, module, file[1])):
			number, _ := strconv.Atoi(file[2])
			frames = append(frames, Problem{File: untrimmed(folder, module, file[1]), Line: number, Message: "in " + path.Base(function)})
		}
	}
	return message, frames
}

// modulePath returns the path of the module in folder, or "".
func modulePath(folder string) string {
	text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		return ""
	}
	return modfile.ModulePath(text)
}

// untrimmed returns the path of a source file of the application. Builds with -trimpath
// name it by its module instead of its folder.
func untrimmed(folder, module, file string) string {
	if inside, found := strings.CutPrefix(file, module+"/"); found && module != "" {
		return filepath.Join(folder, filepath.FromSlash(inside))
	}
	return file
}

var placeInLine = regexp.MustCompile(`([\w./\\-]+\.\w+):(\d+)(?::(\d+))?: (.+)$`)

// findPlace returns the place and the message of the last line that names a place in a
// file of folder or of its views, as errors of templates do; or nil.
func findPlace(folder string, lines []string) *Problem {
	for _, line := range slices.Backward(lines) {
		match := placeInLine.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		for _, name := range []string{match[1], "views/" + match[1]} {
			path := filepath.Join(folder, filepath.FromSlash(name))
			if filepath.IsAbs(match[1]) {
				path = match[1]
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && inFolder(folder, path) {
				p := problemAt(match)
				p.File = path
				return &p
			}
		}
	}
	return nil
}

func inFolder(folder, path string) bool {
	inside, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(inside)
}

// isTraceLine reports whether a line can belong to the trace of a panic, after its first
// line.
func isTraceLine(line string) bool {
	for _, prefix := range []string{"\t", "goroutine ", "created by ", "[signal ", "exit status ", "...", "panic: ", "runtime"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return line == "" || strings.HasSuffix(line, ")") && strings.Contains(line, ".")
}
