package form

import (
	"net/url"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // browsers name zones that a small server may not have
)

// zoneName returns the name under which a form sends the zone of a field's box. The browser
// library shows a time in the browser's zone and adds it.
func zoneName(field string) string { return field + "~zone" }

// Zone returns the zone in which a form has the time of a field: the one that it names, or
// else fallback. It returns false if there is no such zone.
func Zone(sent url.Values, field string, fallback *time.Location) (*time.Location, bool) {
	name := sent.Get(zoneName(field))
	if name == "" {
		return fallback, true
	}
	return LoadZone(name)
}

var zones sync.Map // of *time.Location, by name

// LoadZone returns the time zone with an IANA name, "Europe/Berlin", and false if there is
// none.
func LoadZone(name string) (*time.Location, bool) {
	if known, found := zones.Load(name); found {
		return known.(*time.Location), true
	}
	if name == "" || strings.EqualFold(name, "local") || len(name) > 64 {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, false
	}
	zones.Store(name, zone)
	return zone, true
}

// inZone returns the instant at which the clocks of a zone show a time. Of two, when they
// are set back, it is the first. If there is none, when they are set forward, it is as if
// they had not been: 2:30 becomes 3:30.
func inZone(shown time.Time, zone *time.Location) time.Time {
	const day = 24 * time.Hour
	_, before := shown.Add(-day).In(zone).Zone()
	_, after := shown.Add(day).In(zone).Zone()
	early := shown.Add(-time.Duration(max(before, after)) * time.Second)
	late := shown.Add(-time.Duration(min(before, after)) * time.Second)
	shows := func(at time.Time) bool {
		_, offset := at.In(zone).Zone()
		return at.Add(time.Duration(offset) * time.Second).Equal(shown)
	}
	switch {
	case shows(early):
		return early
	case shows(late):
		return late
	}
	return shown.Add(-time.Duration(before) * time.Second)
}
