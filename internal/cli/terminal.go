package cli

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// HasColor reports whether w is a terminal, and neither NO_COLOR nor TERM disables
// colors.
func HasColor(w io.Writer) bool {
	return IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// IsTerminal reports whether stream is a file that is a terminal.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && (isatty.IsTerminal(file.Fd()) || isatty.IsCygwinTerminal(file.Fd()))
}
