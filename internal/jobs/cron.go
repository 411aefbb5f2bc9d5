package jobs

import (
	"fmt"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

// A Cron is a cron expression in a time zone. Over a change of the zone's offset it means
// what Debian's cron does:
//
//   - An expression whose hours begin with * comes at each minute that a clock on the wall shows,
//     as often as the clock shows it.
//   - Another comes once for each time that it names: at the first, if the clock shows
//     the time twice, and when the clock is put forward, if it does not show it.
type Cron struct {
	text      string
	zone      *time.Location
	everyHour bool
}

// ParseCron returns the expression with five fields, or one like @daily.
func ParseCron(text string, zone *time.Location) (Cron, error) {
	segments, err := gronx.Segments(text)
	if err == nil && !strings.HasPrefix(text, "@") && len(strings.Fields(text)) != 5 {
		err = fmt.Errorf("it has five fields: minute, hour, day of the month, month, day of the week")
	}
	if err == nil && !gronx.IsValid(text) {
		err = fmt.Errorf("a field is out of its range")
	}
	if err != nil {
		return Cron{}, fmt.Errorf("the cron expression %q: %w", text, err)
	}
	c := Cron{text, zone, strings.HasPrefix(segments[2], "*")}
	if _, err := c.Next(time.Date(2023, 3, 1, 0, 0, 0, 0, time.UTC)); err != nil { // a leap year follows
		return Cron{}, err
	}
	return c, nil
}

// Next returns the first time after another.
func (c Cron) Next(after time.Time) (time.Time, error) {
	if c.everyHour {
		return c.nextShown(after)
	}
	for wall := c.wall(after); ; {
		var err error
		if wall, err = c.nextWall(wall, false); err != nil {
			return time.Time{}, err
		}
		if at := c.instant(wall); at.After(after) {
			return at, nil
		}
	}
}

// nextShown returns the first time after another at which the clock shows a time of the
// expression.
func (c Cron) nextShown(after time.Time) (time.Time, error) {
	for from, including := after, false; ; including = true {
		wall, err := c.nextWall(c.wall(from), including)
		if err != nil {
			return time.Time{}, err
		}
		at := wall.Add(-c.offset(from))
		_, end := from.In(c.zone).ZoneBounds()
		if end.IsZero() || at.Before(end) {
			return at, nil
		}
		from = end
	}
}

// nextWall returns the next time that the expression names, as UTC: so the library knows of no changes.
func (c Cron) nextWall(wall time.Time, including bool) (time.Time, error) {
	next, err := gronx.NextTickAfter(c.text, wall, including)
	if err != nil {
		return time.Time{}, fmt.Errorf("the cron expression %q has no next time", c.text)
	}
	return next, nil
}

// wall returns what a clock on the wall shows at a time, as UTC.
func (c Cron) wall(t time.Time) time.Time { return t.UTC().Add(c.offset(t)) }

func (c Cron) offset(t time.Time) time.Duration {
	_, seconds := t.In(c.zone).Zone()
	return time.Duration(seconds) * time.Second
}

// instant returns when a clock on the wall shows a time for the first time, or is put forward over it.
func (c Cron) instant(wall time.Time) time.Time {
	around := wall.Add(-c.offset(wall)).In(c.zone)
	start, end := around.ZoneBounds()
	first := time.Time{}
	for _, t := range []time.Time{start.Add(-1), around, end} {
		at := wall.Add(-c.offset(t))
		if c.wall(at).Equal(wall) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, change := range []time.Time{start, end} {
		if first.IsZero() && !change.IsZero() && c.wall(change.Add(-1)).Before(wall) && c.wall(change).After(wall) {
			first = change.UTC()
		}
	}
	return first
}
