package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestReport(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
		text string
	}{
		{nil, 0, ""},
		{ExitCode(3), 3, ""},
		{errors.New("no"), 1, "tower: no\n"},
		{Hinted(errors.New("no"), "do"), 1, "tower: no\n  → do\n"},
		{fmt.Errorf("build: %w", context.Canceled), 1, "tower: interrupted\n"},
		{fmt.Errorf("all: %w", Usage("no", "see")), 2, "tower: all: no\n  → see\n"},
	} {
		var text strings.Builder
		if code := report(&text, &cobra.Command{Use: "tower"}, test.err); code != test.code || text.String() != test.text {
			t.Errorf("%v: %d %q", test.err, code, text.String())
		}
	}
}
