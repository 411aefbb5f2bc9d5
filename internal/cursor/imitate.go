package cursor

import (
	"context"
	"time"

	"github.com/towerkit/tower/internal/store"
)

// perExamined is about the time that reading one record takes.
const perExamined = 2 * time.Microsecond

// imitate waits as long as it takes to read so many records, and counts them as read. It
// stands in place of a reading that need not be done because others have read the same: how
// fast a client is answered must not say what others ask for. It uses no processor.
func imitate(ctx context.Context, examined int) error {
	store.Charge(ctx, examined)
	timer := time.NewTimer(time.Duration(examined) * perExamined)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
