package live

import "time"

// RateStep is how long a busy pane gathers commits before it shows them.
const RateStep = time.Second / 4

const (
	rateSteps = 8  // two seconds; the last four complete steps make a second
	busyFrom  = 30 // commits a second, more than a person can read
	busyFor   = 2 * time.Second
)

// A rateMeter measures the rate of recent commits.
type rateMeter struct {
	commits [rateSteps]int
	changes [rateSteps]map[string]int // by operation and model
	at      time.Time                 // when the current step began
	now     int
	until   time.Time // busy until then
}

// advance begins as many new steps as have elapsed.
func (p *rateMeter) advance(now time.Time) {
	if now.Sub(p.at) > rateSteps*RateStep {
		p.commits, p.changes, p.at = [rateSteps]int{}, [rateSteps]map[string]int{}, now
	}
	for now.Sub(p.at) >= RateStep {
		p.at = p.at.Add(RateStep)
		p.now = (p.now + 1) % rateSteps
		p.commits[p.now], p.changes[p.now] = 0, nil
	}
	if p.perSecond() >= busyFrom {
		p.until = now.Add(busyFor)
	}
}

func (p *rateMeter) add(now time.Time, commits int) {
	p.advance(now)
	p.commits[p.now] += commits
}

func (p *rateMeter) count(op, model string, n int) {
	if p.changes[p.now] == nil {
		p.changes[p.now] = map[string]int{}
	}
	p.changes[p.now][op+" "+model] += n
}

// perSecond returns the number of commits in the last complete second.
func (p *rateMeter) perSecond() int {
	sum := 0
	for i := 1; i <= 4; i++ {
		sum += p.commits[(p.now+rateSteps-i)%rateSteps]
	}
	return sum
}

// kinds returns the changes of the last complete second, by kind.
func (p *rateMeter) kinds() map[string]int {
	sum := map[string]int{}
	for i := 1; i <= 4; i++ {
		for kind, n := range p.changes[(p.now+rateSteps-i)%rateSteps] {
			sum[kind] += n
		}
	}
	return sum
}

func (p *rateMeter) busy(now time.Time) bool { return now.Before(p.until) }
