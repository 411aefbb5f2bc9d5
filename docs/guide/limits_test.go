package guide_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server/limit"
)

// TestTheTableOfLimitsIsComplete compares the table with the fields and their defaults.
func TestTheTableOfLimitsIsComplete(t *testing.T) {
	text, err := os.ReadFile("limits.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|[^|]+\\| ([^|]+) \\| [^|]+ \\|$").FindAllStringSubmatch(string(text), -1) {
		rows[row[1]] = row[2]
	}
	limits, err := limit.Limits{}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for value, i := reflect.ValueOf(limits), 0; i < value.NumField(); i++ {
		name := value.Type().Field(i).Name
		if _, found := reflect.TypeFor[tower.Limits]().FieldByName(name); !found {
			t.Errorf("tower.Limits has no field %s", name)
		}
		if want := printed(value.Field(i)); rows[name] != want {
			t.Errorf("the default of %s is %s; the table says %q", name, want, rows[name])
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("the table has %s, which is no field of tower.Limits", name)
	}
}

// printed returns a default as the table shows it.
func printed(value reflect.Value) string {
	if d, ok := value.Interface().(time.Duration); ok {
		if d%time.Minute == 0 {
			return fmt.Sprintf("%d min", d/time.Minute)
		}
		if d < time.Second {
			return fmt.Sprintf("%d ms", d.Milliseconds())
		}
		return fmt.Sprintf("%g s", d.Seconds())
	}
	n := value.Int()
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	case n >= 1000:
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	return fmt.Sprint(n)
}
