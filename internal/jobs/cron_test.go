package jobs

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// field returns what a field of a cron expression allows.
func field(text string, low, high int) map[int]bool {
	allowed := map[int]bool{}
	for part := range strings.SplitSeq(text, ",") {
		part, step, _ := strings.Cut(part, "/")
		from, to := low, high
		if part != "*" {
			a, b, ranged := strings.Cut(part, "-")
			from, _ = strconv.Atoi(a)
			to = from
			if ranged {
				to, _ = strconv.Atoi(b)
			}
		}
		every, _ := strconv.Atoi(step)
		for n := from; n <= to; n += max(every, 1) {
			allowed[n] = true
		}
	}
	return allowed
}

// naive is an expression that is compared with each minute.
type naive struct {
	minute, hour, day, month, weekday map[int]bool
	everyDay, everyWeekday, everyHour bool
}

func newNaive(text string) naive {
	f := strings.Fields(text)
	return naive{field(f[0], 0, 59), field(f[1], 0, 23), field(f[2], 1, 31), field(f[3], 1, 12), field(f[4], 0, 6), f[2][0] == '*', f[4][0] == '*', f[1][0] == '*'}
}

// names reports whether the expression names a time on the wall.
func (n naive) names(wall time.Time) bool {
	day, weekday := n.day[wall.Day()], n.weekday[int(wall.Weekday())]
	dayFits := day && weekday
	if !n.everyDay && !n.everyWeekday {
		dayFits = day || weekday
	}
	return n.minute[wall.Minute()] && n.hour[wall.Hour()] && n.month[int(wall.Month())] && dayFits
}

// times returns all times of the expression, minute by minute.
func (n naive) times(zone *time.Location, from, to time.Time) (times []time.Time) {
	wall := func(t time.Time) time.Time {
		t = t.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	shown := map[time.Time]bool{}
	for t := from.Add(-3 * time.Hour); t.Before(to); t = t.Add(time.Minute) {
		now := wall(t)
		due := n.names(now) && (n.everyHour || !shown[now])
		if !n.everyHour { // what the clock has been put forward over
			for w := wall(t.Add(-time.Minute)).Add(time.Minute); w.Before(now); w = w.Add(time.Minute) {
				due = due || n.names(w) && !shown[w]
				shown[w] = true
			}
		}
		shown[now] = true
		if due && t.After(from) {
			times = append(times, t)
		}
	}
	return times
}

// TestSchedulesOverChangesOfSummerTime compares random schedules with a reading of each minute.
func TestSchedulesOverChangesOfSummerTime(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(options ...string) string { return options[random.IntN(len(options))] }
	number := func(low, high int) string { return strconv.Itoa(low + random.IntN(high-low+1)) }
	list := func(low, high int) string {
		a := low + random.IntN(high-low)
		return pick(number(low, high), number(low, high)+","+number(low, high), fmt.Sprintf("%d-%d", a, a+random.IntN(high-a)+1), fmt.Sprintf("%d-%d/2", low, high))
	}
	zones := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "Asia/Kolkata", "UTC"}
	for n := range 50 {
		hours := pick("*", "*/2", "*/3", list(0, 4), list(0, 4), list(0, 23))
		text := strings.Join([]string{pick("*/15", "*/7", list(0, 59), "30", "0", "59"), hours, pick("*", "*", "*", "*/2", list(1, 31)), "*", pick("*", "*", "*", list(0, 6))}, " ")
		zone, err := time.LoadLocation(zones[n%len(zones)])
		if err != nil {
			t.Fatal(err)
		}
		cron, err := ParseCron(text, zone)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		change := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 2 {
			if _, change = change.In(zone).ZoneBounds(); change.IsZero() {
				change = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
			}
			from := change.UTC().Add(-time.Duration(random.IntN(2*24*60)) * time.Minute)
			to := from.AddDate(0, 0, 4)
			want := newNaive(text).times(zone, from, to)
			at := from
			for i := range want {
				next, err := cron.Next(at)
				if err != nil || !next.Equal(want[i]) {
					t.Fatalf("seed %d: %q in %s after %s: %s, not %s (%v)", seed, text, zone, at.In(zone), next.In(zone), want[i].In(zone), err)
				}
				at = next
			}
			if next, err := cron.Next(at); err == nil && next.Before(to) {
				t.Fatalf("seed %d: %q in %s after %s: %s, and there is none", seed, text, zone, at.In(zone), next.In(zone))
			}
		}
	}
}

func TestWrongExpressions(t *testing.T) {
	for _, text := range []string{"", "* * * *", "60 * * * *", "0 0 30 2 *", "0 0 * * * *", "@never", "a b c d e"} {
		if _, err := ParseCron(text, time.UTC); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	for _, text := range []string{"@daily", "0 0 29 2 *", "*/5 9-17 * * 1-5"} {
		if _, err := ParseCron(text, time.UTC); err != nil {
			t.Error(err)
		}
	}
}
