package repl

import "time"

const (
	pulseEvery = time.Second / 4
	pulseSpan  = 8  // of which the last four make a second
	busyFrom   = 30 // commits a second, more than can be read as they come
	busyFor    = 2 * time.Second
)

// A pulse is how much happens, lately.
type pulse struct {
	commits [pulseSpan]int
	changes [pulseSpan]map[string]int // by what was done to which model
	at      time.Time                 // when the last quarter began
	now     int
	until   time.Time // it counts as busy
}

// turn begins a new quarter as often as is due.
func (p *pulse) turn(now time.Time) {
	if now.Sub(p.at) > pulseSpan*pulseEvery {
		p.commits, p.changes, p.at = [pulseSpan]int{}, [pulseSpan]map[string]int{}, now
	}
	for now.Sub(p.at) >= pulseEvery {
		p.at = p.at.Add(pulseEvery)
		p.now = (p.now + 1) % pulseSpan
		p.commits[p.now], p.changes[p.now] = 0, nil
	}
	if p.rate() >= busyFrom {
		p.until = now.Add(busyFor)
	}
}

func (p *pulse) add(now time.Time, commits int) {
	p.turn(now)
	p.commits[p.now] += commits
}

func (p *pulse) count(op, model string, n int) {
	if p.changes[p.now] == nil {
		p.changes[p.now] = map[string]int{}
	}
	p.changes[p.now][op+" "+model] += n
}

// rate is how many commits there were in the last whole second.
func (p *pulse) rate() int {
	sum := 0
	for i := 1; i <= 4; i++ {
		sum += p.commits[(p.now+pulseSpan-i)%pulseSpan]
	}
	return sum
}

// kinds are the changes of that second, by kind.
func (p *pulse) kinds() map[string]int {
	sum := map[string]int{}
	for i := 1; i <= 4; i++ {
		for kind, n := range p.changes[(p.now+pulseSpan-i)%pulseSpan] {
			sum[kind] += n
		}
	}
	return sum
}

func (p *pulse) busy(now time.Time) bool { return now.Before(p.until) }
