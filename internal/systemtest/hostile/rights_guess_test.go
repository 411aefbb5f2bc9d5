package hostile

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
)

// A LockController signs in with a password: the user's secret.
type LockController struct{ *Session }

func (c *LockController) Enter(ctx context.Context, in struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}) (tower.None, error) {
	user, err := Users.FindBy(ctx, c, tower.Is(&Users.Fields.Name, in.Name))
	right, tooMany := c.Guess(in.Name, func() bool { return err == nil && user.Secret == in.Password })
	switch {
	case tooMany != nil:
		return tower.None{}, tooMany
	case !right:
		return tower.None{}, tower.Unauthenticated("name or password are wrong")
	}
	c.SignIn(ctx, user.ID)
	return tower.None{}, nil
}

func lock() tower.Config {
	config := notebook()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "lock", func(s *Session) *LockController { return &LockController{s} })
	tower.Action(m, "POST /enter", (*LockController).Enter)
	return config
}

// guesses sends wrong passwords and returns how many answers have each status.
func (a attacker) guesses(n int, name func(i int) string) map[int]int {
	a.t.Helper()
	statuses := map[int]int{}
	for i := range n {
		response, _ := a.request("POST", "/enter", fmt.Sprintf(`{"name":%q,"password":"wrong %d"}`, name(i), i))
		statuses[response.StatusCode]++
	}
	return statuses
}

func (a attacker) enters(name string) int {
	a.t.Helper()
	response, _ := a.request("POST", "/enter", fmt.Sprintf(`{"name":%q,"password":"secret of %s"}`, name, name))
	return response.StatusCode
}

// expectSlowed checks that a run of wrong guesses had no more answers than a burst and one in each
// interval since.
func expectSlowed(t *testing.T, what string, statuses map[int]int, burst int, interval time.Duration, began time.Time) {
	t.Helper()
	took := time.Since(began)
	t.Logf("%s: %v in %v", what, statuses, took.Round(time.Millisecond))
	if most := burst + int(took/interval) + 1; statuses[401] > most || statuses[401] < burst {
		t.Errorf("%s: %d were compared, not %d to %d", what, statuses[401], burst, most)
	}
}

// TestGuessingPasswordsIsSlowed guesses at one account and at many. TOWER_TEST_GUESSES says how often
// for each.
func TestGuessingPasswordsIsSlowed(t *testing.T) {
	n := 60
	if given, err := strconv.Atoi(os.Getenv("TOWER_TEST_GUESSES")); err == nil {
		n = given
	}
	a := attack(t, lock())
	a.makeUser("ada")
	a.makeUser("bob")
	owner := a.at("127.0.0.9")
	if status := owner.enters("ada"); status != 200 {
		t.Fatalf("the owner: %d", status)
	}
	began := time.Now()
	expectSlowed(t, "one account", a.at("127.0.0.2").guesses(n, func(int) string { return "ada" }), 5, 30*time.Second, began)
	if status := a.at("127.0.0.2").enters("ada"); status != 429 {
		t.Errorf("the right password after many wrong ones: %d", status)
	}
	began = time.Now()
	expectSlowed(t, "many accounts", a.at("127.0.0.3").guesses(n, func(i int) string { return fmt.Sprint("nobody ", i) }), 30, 5*time.Second, began)
	began = time.Now()
	from := map[int]int{}
	for i := range max(n/4, 20) {
		for status, count := range a.at(fmt.Sprintf("127.1.%d.%d", i/250, i%250+1)).guesses(4, func(int) string { return "ada" }) {
			from[status] += count
		}
	}
	expectSlowed(t, "one account from many addresses", from, 45, time.Minute, began) // of 50, five are the first run's
	if status := a.at("127.0.2.1").enters("ada"); status != 429 {
		t.Errorf("of one account from many addresses: %d", status)
	}
	if status := owner.enters("ada"); status != 200 {
		t.Errorf("the owner is locked out: %d", status)
	}
	if status := a.at("127.0.2.1").enters("bob"); status != 200 {
		t.Errorf("another account is slowed: %d", status)
	}
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).at("127.0.0.2").greet(transport)
		if answer := p.answer(1, `{"id":1,"call":"POST /enter","in":{"name":"ada","password":"x"}}`); answer.Status != 429 || !strings.Contains(answer.Error.Message, "try again in") {
			t.Errorf("over a connection: %+v", answer)
		}
	})
}

// TestUnknownAccountsAnswerAsKnownOnes guesses at accounts that exist and that do not.
func TestUnknownAccountsAnswerAsKnownOnes(t *testing.T) {
	a := attack(t, lock())
	a.makeUser("ada")
	answers := map[string][]string{}
	for _, name := range []string{"ada", "nobody"} {
		from := a.at(map[string]string{"ada": "127.0.0.4", "nobody": "127.0.0.5"}[name])
		for range 10 {
			response, body := from.request("POST", "/enter", fmt.Sprintf(`{"name":%q,"password":"wrong"}`, name))
			body, _, _ = strings.Cut(body, " in ") // the wait
			answers[name] = append(answers[name], response.Status+" "+body)
		}
	}
	if known, unknown := fmt.Sprint(answers["ada"]), fmt.Sprint(answers["nobody"]); known != unknown {
		t.Errorf("an account that exists is answered\n%s\nand one that does not\n%s", known, unknown)
	}
}
