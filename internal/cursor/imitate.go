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
// fast a client is answered must not say what others ask for. It uses no processor, and
// waits for its turns as the reading would.
func imitate(ctx context.Context, examined int) error {
	for part := firstPart; examined > 0; part = min(2*part, mostPart) {
		part = min(part, examined)
		done, err := store.Part(ctx)
		if err != nil {
			return err
		}
		done()
		store.Charge(ctx, part)
		timer := time.NewTimer(time.Duration(part) * perExamined)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		examined -= part
	}
	return nil
}
