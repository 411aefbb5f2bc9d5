package release

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"

	"github.com/towerkit/tower/internal/private"
)

func socketPath(folder string) string { return filepath.Join(folder, "supervisor.sock") }

// Ask asks the supervisor of a folder, and prints its answer: "status", or "swap VERSION". It
// returns when that is done; the error is the reason why it is not.
func Ask(ctx context.Context, folder, what string, out io.Writer) error {
	socket := socketPath(folder)
	if err := private.CheckSocket(socket); err != nil {
		return fmt.Errorf("no supervisor runs in %s: %w", folder, err)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("no supervisor runs in %s: %w", folder, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := fmt.Fprintln(conn, what); err != nil {
		return fmt.Errorf("ask the supervisor: %w", err)
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "done":
			_, err := fmt.Fprintln(out, rest)
			return err
		case "failed":
			return errors.New(rest)
		default:
			if _, err := fmt.Fprintln(out, rest); err != nil {
				return err
			}
		}
	}
	return errors.New("the supervisor ended before it answered")
}
