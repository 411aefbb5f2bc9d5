package guess

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func wrong() bool { return false }
func right() bool { return true }

// newLimiter returns a limiter whose clock the test moves.
func newLimiter() (*Limiter, *time.Time) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	l := New()
	l.now = func() time.Time { return now }
	return l, &now
}

// tries returns how many of n wrong guesses are checked.
func tries(l *Limiter, n int, account, address func(i int) string) (checked int) {
	for i := range n {
		l.Try(account(i), address(i), func() bool { checked++; return false })
	}
	return checked
}

func one(text string) func(int) string { return func(int) string { return text } }
func many(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

func TestGuessesAreBounded(t *testing.T) {
	for _, c := range []struct {
		name             string
		account, address func(int) string
		want             int
	}{
		{"one account from one address", one("ada"), one("192.0.2.1"), perBoth.burst},
		{"its name in other letters", func(i int) string { return []string{"ada", "Ada", " ADA"}[i%3] }, one("192.0.2.1"), perBoth.burst},
		{"all accounts from one address", many("user%d"), one("192.0.2.1"), perAddress.burst},
		{"all accounts from one network", many("user%d"), many("2001:db8::%x"), perAddress.burst},
		{"one account from all addresses", one("ada"), func(i int) string { return fmt.Sprintf("192.0.%d.%d", i/250, i%250) }, perAccount.burst},
	} {
		l, now := newLimiter()
		if got := tries(l, 400, c.account, c.address); got != c.want {
			t.Errorf("%s: %d of 400 guesses were checked, not %d", c.name, got, c.want)
		}
		*now = now.Add(time.Hour)
		if got := tries(l, 1, c.account, c.address); got != 1 {
			t.Errorf("%s: nothing is checked an hour later", c.name)
		}
	}
}

func TestTheWaitIsSaid(t *testing.T) {
	l, now := newLimiter()
	tries(l, 100, one("ada"), one("192.0.2.1"))
	_, wait := l.Try("ada", "192.0.2.1", right)
	if wait <= 0 || wait > perBoth.interval {
		t.Fatalf("the wait is %s", wait)
	}
	*now = now.Add(wait)
	if ok, wait := l.Try("ada", "192.0.2.1", right); !ok || wait != 0 {
		t.Errorf("after the wait: %v, wait for %s", ok, wait)
	}
}

func TestRightGuessesCostNothing(t *testing.T) {
	l, _ := newLimiter()
	for i := range 1000 {
		if ok, wait := l.Try("ada", "192.0.2.1", right); !ok {
			t.Fatalf("the right guess %d has to wait for %s", i, wait)
		}
	}
	if got := tries(l, 400, one("ada"), one("192.0.2.1")); got != perBoth.burst {
		t.Errorf("then %d wrong ones are checked", got)
	}
}

func TestAnAttackFromManyAddressesDoesNotLockTheOwnerOut(t *testing.T) {
	l, _ := newLimiter()
	if ok, _ := l.Try("ada", "198.51.100.1", right); !ok {
		t.Fatal("the owner does not get in")
	}
	tries(l, 10_000, one("ada"), func(i int) string { return fmt.Sprintf("192.0.%d.%d", i/250, i%250) })
	if ok, wait := l.Try("ada", "198.51.100.1", right); !ok {
		t.Errorf("the owner has to wait for %s", wait)
	}
	if ok, _ := l.Try("ada", "203.0.113.9", right); ok {
		t.Error("an address that is not known is not slowed")
	}
	if ok, wait := l.Try("bob", "192.0.2.1", right); !ok {
		t.Errorf("another account has to wait for %s", wait)
	}
}

func TestGuessesAtTheSameTimeAreBounded(t *testing.T) {
	l, _ := newLimiter()
	var checked atomic.Int32
	var guessing sync.WaitGroup
	for range 200 {
		guessing.Go(func() { l.Try("ada", "192.0.2.1", func() bool { checked.Add(1); return false }) })
	}
	guessing.Wait()
	if n := int(checked.Load()); n != perBoth.burst {
		t.Errorf("%d guesses were checked, not %d", n, perBoth.burst)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l, now := newLimiter()
	for i := range maxKeys + 1000 {
		l.Try(fmt.Sprint("user ", i), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), wrong)
	}
	for p, times := range l.used {
		if len(times) > maxKeys {
			t.Errorf("%v holds %d keys", p, len(times))
		}
	}
	*now = now.Add(24 * time.Hour)
	for i := range maxKeys {
		l.Try(fmt.Sprint("late user ", i), fmt.Sprintf("11.%d.%d.%d", i>>16, i>>8&255, i&255), right)
	}
	if len(l.known) > maxKeys {
		t.Errorf("%d addresses are remembered", len(l.known))
	}
}

// TestGuessesAreBoundedOverNodes guesses at all nodes as often as they allow.
func TestGuessesAreBoundedOverNodes(t *testing.T) {
	const long = 6 * time.Hour
	everywhere := func(i int) string { return fmt.Sprintf("192.%d.%d.%d", i/62500%250, i/250%250, i%250) }
	for _, c := range []struct {
		name             string
		account, address func(int) string
		bound            pace
	}{
		{"one account from one address", one("ada"), one("192.0.2.1"), perBoth},
		{"all accounts from one address", many("user%d"), one("192.0.2.1"), perAddress},
		{"one account from all addresses", one("ada"), everywhere, perAccount},
	} {
		for _, n := range []int{1, 3, 10} {
			now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
			nodes := make([]*Limiter, n)
			for i := range nodes {
				nodes[i] = New()
				nodes[i].now = func() time.Time { return now }
				nodes[i].Share(n)
			}
			checked, tried := 0, 0
			guess := func() {
				for _, l := range nodes {
					for before := -1; before < checked; {
						before = checked
						tried++
						l.Try(c.account(tried), c.address(tried), func() bool { checked++; return false })
					}
				}
			}
			guess()
			if most := max(c.bound.burst, n*leastBurst); checked > most {
				t.Errorf("%s: %d nodes check %d guesses at once, not %d", c.name, n, checked, most)
			}
			for begun := now; now.Sub(begun) < long; now = now.Add(c.bound.interval) {
				guess()
			}
			if most := max(c.bound.burst, n*leastBurst) + int(long/c.bound.interval) + n; checked > most {
				t.Errorf("%s: %d nodes check %d guesses in six hours, not %d", c.name, n, checked, most)
			}
		}
	}
}
