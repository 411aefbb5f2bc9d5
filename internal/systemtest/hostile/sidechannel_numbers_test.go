package hostile

import (
	"fmt"
	"testing"
)

// TestNumbersOfCursorsSayNothingOfOthers compares the numbers that a visitor receives while
// others hold many cursors, the same cursor or none.
func TestNumbersOfCursorsSayNothingOfOthers(t *testing.T) {
	a := attack(t, notebook())
	ada := a.makeUser("ada")
	onEachTransport(t, func(t *testing.T, transport string) {
		a := a.in(t)
		visitor, other := a.greet(transport), a.as(ada.ID).greet(transport)
		id := uint64(0)
		ask := func(p *peer, request string) uint64 {
			t.Helper()
			id++
			answer := p.answer(id, fmt.Sprintf(`{"id":%d,%s}`, id, request))
			if answer.Status != 200 {
				t.Fatalf("%s: %+v", request, answer)
			}
			return answer.Cursor
		}
		newest := func(p *peer, n int) uint64 { return ask(p, fmt.Sprintf(`"open":"notes.newest","in":{"n":%d}`, n)) }

		alone := newest(visitor, 1)
		ask(visitor, fmt.Sprintf(`"close":%d`, alone))
		newest(other, 1)
		shared := newest(visitor, 1)
		ask(visitor, fmt.Sprintf(`"close":%d`, shared))
		if alone != shared {
			t.Errorf("the number is %d alone, and %d while another holds the cursor", alone, shared)
		}

		before := newest(visitor, 2)
		for n := range scaled(20, 150) {
			newest(other, 100+n)
		}
		after := newest(visitor, 3)
		if distance := int64(after) - int64(before); distance > -1000 && distance < 1000 {
			t.Errorf("the numbers %d and %d count what others have opened between", before, after)
		}
		for _, n := range []uint64{alone, before, after} {
			if n == 0 || n >= 1<<53 {
				t.Errorf("%d is not a number for every client", n)
			}
		}
	})
}
