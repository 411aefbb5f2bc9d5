package archive

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Point names a state of a store: the one after a commit, or that of a moment. The
// zero Point is the newest state that there is.
type Point struct {
	Epoch string // "": the newest
	Seq   uint64
	At    time.Time // used if it is not zero
}

func (p Point) newest() bool { return p == Point{} }

func (p Point) String() string {
	switch {
	case !p.At.IsZero():
		return p.At.Format(time.RFC3339)
	case p.Epoch != "":
		return fmt.Sprintf("commit %s:%d", p.Epoch, p.Seq)
	case p.newest():
		return "the newest commit"
	default:
		return fmt.Sprintf("commit %d", p.Seq)
	}
}

var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// ParsePoint reads a commit's number, EPOCH:SEQ, a time, which is local unless it
// names its zone, or how long ago, like 90m.
func ParsePoint(text string, now time.Time) (Point, error) {
	text = strings.TrimSpace(text)
	if seq, err := strconv.ParseUint(strings.TrimPrefix(text, "#"), 10, 64); err == nil && seq > 0 {
		return Point{Seq: seq}, nil
	}
	if epoch, number, ok := strings.Cut(text, ":"); ok && len(epoch) == 26 {
		if seq, err := strconv.ParseUint(number, 10, 64); err == nil {
			return Point{Epoch: epoch, Seq: seq}, nil
		}
	}
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			if at.After(now) {
				return Point{}, fmt.Errorf("%s has not come yet", text)
			}
			return Point{At: at}, nil
		}
	}
	if ago, err := ParseAge(text); err == nil {
		return Point{At: now.Add(-ago)}, nil
	}
	return Point{}, fmt.Errorf("%q names no state: give a commit like 813, a time like %q, or how long ago like 90m", text, now.Format("2006-01-02 15:04"))
}

// ParseAge reads a positive length of time: that of [time.ParseDuration], or days like
// 30d.
func ParseAge(text string) (time.Duration, error) {
	var age time.Duration
	var err error
	if number, isDays := strings.CutSuffix(text, "d"); isDays {
		var days int
		days, err = strconv.Atoi(number)
		if days > 36500 {
			return 0, fmt.Errorf("%q is longer than a century", text)
		}
		age = time.Duration(days) * 24 * time.Hour
	} else {
		age, err = time.ParseDuration(text)
	}
	if err != nil || age <= 0 {
		return 0, fmt.Errorf("%q is no length of time; write it like 36h or 30d", text)
	}
	return age, nil
}
