package dev

import (
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

var (
	frameFile  = regexp.MustCompile(`^\t(.+\.go):(\d+)(?: \+0x[0-9a-f]+)?$`)
	frameArgs  = regexp.MustCompile(`\([^()]*\)$`)
	traceStart = regexp.MustCompile(`^(panic: |fatal error: |runtime: |unexpected fault address |SIG[A-Z]+: )`)
)

// crashFailure reads the end of an application that ended by itself. The
// panic's trace, if last has one, is reduced to the frames in the
// application's folder.
func crashFailure(folder, how string, last []string) *Failure {
	f := &Failure{Title: "The application stopped", Text: strings.Join(last, "\n")}
	message, frames := readTrace(folder, last)
	if message == "" {
		message = how
	}
	if len(frames) == 0 {
		frames = []Problem{{}}
	}
	frames[0].Message = strings.TrimSpace(message + "\n" + frames[0].Message)
	f.Errors = frames
	for i := range f.Errors {
		f.Errors[i].locate(folder)
	}
	return f
}

// readTrace finds the message of a panic, and the frames of its goroutine that
// are in folder: the Message of each is the function.
func readTrace(folder string, lines []string) (message string, frames []Problem) {
	start := -1
	for i, line := range lines {
		if start < 0 && traceStart.MatchString(line) {
			start = i
		}
	}
	if start < 0 {
		return "", nil
	}
	goroutines, function := 0, ""
	for _, line := range lines[start:] {
		switch file := frameFile.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "goroutine "):
			goroutines++
		case goroutines == 0 && line != "" && !strings.HasPrefix(line, "[signal "):
			message = strings.TrimSpace(message + "\n" + strings.TrimSpace(line))
		case goroutines != 1:
		case file == nil:
			function = frameArgs.ReplaceAllString(strings.TrimPrefix(line, "created by "), "")
			function, _, _ = strings.Cut(function, " in goroutine ")
		case inFolder(folder, file[1]):
			number, _ := strconv.Atoi(file[2])
			frames = append(frames, Problem{File: file[1], Line: number, Message: "in " + path.Base(function)})
		}
	}
	return message, frames
}

func inFolder(folder, path string) bool {
	inside, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(inside)
}

// inTrace reports whether a line can be part of a panic's trace, once it began.
func inTrace(line string) bool {
	for _, prefix := range []string{"\t", "goroutine ", "created by ", "[signal ", "exit status ", "...", "panic: ", "runtime"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return line == "" || strings.HasSuffix(line, ")") && strings.Contains(line, ".")
}
