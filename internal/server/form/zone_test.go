package form

import (
	"net/url"
	"testing"
	"time"
)

func TestInZone(t *testing.T) {
	for _, test := range []struct{ zone, shown, want string }{
		{"America/New_York", "2026-07-01T15:00:00", "2026-07-01T19:00:00Z"},
		{"America/New_York", "2026-03-08T01:59:59", "2026-03-08T06:59:59Z"},
		{"America/New_York", "2026-03-08T02:30:00", "2026-03-08T07:30:00Z"}, // is skipped: as if it were winter still
		{"America/New_York", "2026-03-08T03:00:00", "2026-03-08T07:00:00Z"},
		{"America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"}, // comes twice: the first
		{"America/New_York", "2026-11-01T02:00:00", "2026-11-01T07:00:00Z"},
		{"Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:45:00Z"}, // half an hour is skipped
		{"Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"},        // a day is skipped
		{"Asia/Kathmandu", "2026-01-01T00:00:00", "2025-12-31T18:15:00Z"},
		{"UTC", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z"},
	} {
		zone, found := LoadZone(test.zone)
		shown, err := time.Parse("2006-01-02T15:04:05", test.shown)
		if !found || err != nil {
			t.Fatal(test.zone, err)
		}
		if got := inZone(shown, zone).Format(time.RFC3339); got != test.want {
			t.Errorf("%s in %s is %s, want %s", test.shown, test.zone, got, test.want)
		}
	}
}

func TestZonesOfForms(t *testing.T) {
	berlin, _ := LoadZone("Europe/Berlin")
	if zone, found := Zone(url.Values{}, "at", berlin); !found || zone != berlin {
		t.Errorf("without a zone it is %v", zone)
	}
	if zone, found := Zone(url.Values{"at~zone": {"Asia/Tokyo"}}, "at", berlin); !found || zone.String() != "Asia/Tokyo" {
		t.Errorf("with a zone it is %v", zone)
	}
	for _, name := range []string{"Local", "local", "Nowhere/Here", "../../etc/passwd", "/etc/localtime", "\x00", string(make([]byte, 1<<16))} {
		if zone, found := Zone(url.Values{"at~zone": {name}}, "at", berlin); found {
			t.Errorf("the zone %.20q is %v", name, zone)
		}
	}
}
