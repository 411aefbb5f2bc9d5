package main

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// hasColor reports whether w is a terminal, and neither NO_COLOR nor TERM disables
// colors.
func hasColor(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && (isatty.IsTerminal(file.Fd()) || isatty.IsCygwinTerminal(file.Fd()))
}
