package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/towerkit/tower"
)

// A VaultController lists users, whose secrets are private, and refuses visitors an action.
type VaultController struct{ *Session }

func (c *VaultController) Allow(action string) bool {
	return c.User != nil || action == "People" || action == "HowMany"
}

func (c *VaultController) People(ctx context.Context, in tower.None) (tower.Scope[User], error) {
	return Users.All(), nil
}

func (c *VaultController) HowMany(ctx context.Context, in tower.None) (tower.ValueScope[User], error) {
	return Users.All().AsCount(), nil
}

type Combination struct {
	Dial int      `json:"dial" validate:"required,gte=10"`
	Box  tower.ID `json:"box"`
}

func (c *VaultController) Unlock(ctx context.Context, in Combination) (tower.None, error) {
	return tower.None{}, nil
}

func (c *VaultController) Boxes(ctx context.Context, in Combination) (tower.Scope[Note], error) {
	return Notes.All(), nil
}

func vault() tower.Config {
	config := notebook()
	m := tower.Mount(config.Routes.(*tower.Router[*Session]), "vault", func(s *Session) *VaultController { return &VaultController{s} })
	tower.Cursor(m, "people", (*VaultController).People, tower.Narrow(Users, &Users.Fields.Name))
	tower.Value(m, "howMany", (*VaultController).HowMany, tower.Narrow(Users, &Users.Fields.Name))
	tower.Cursor(m, "boxes", (*VaultController).Boxes)
	tower.Action(m, "POST /vault/unlock", (*VaultController).Unlock)
	return config
}

// TestPrivateFieldsAnswerAsIfTheyDidNotExist narrows cursors by private fields, by names that
// are near to one and by names of nothing. All answers are alike.
func TestPrivateFieldsAnswerAsIfTheyDidNotExist(t *testing.T) {
	a := attack(t, vault())
	a.makeUser("ada")
	names := []string{"secret", "secre", "Secret", "sekret", "unheard", "createdAt"}
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).greet(transport)
		id := uint64(0)
		for _, narrowing := range []string{
			`"open":"vault.people","where":{"NAME":"x"}`, `"open":"vault.people","where":{"NAME":{"gt":[]}}`, `"open":"vault.people","where":{"NAME":{"unheard":1}}`,
			`"open":"vault.people","where":{"or":[{"not":{"NAME":{"in":5}}}]}`, `"open":"vault.people","order":["NAME"]`, `"open":"vault.people","order":["-NAME"]`,
			`"open":"vault.people","order":["NAME","NAME"]`, `"open":"vault.howMany","where":{"NAME":"x"}`, `"open":"vault.howMany","where":{"NAME":{"exists":7}}`,
		} {
			seen := map[string]string{}
			for _, name := range names {
				id++
				answer := p.answer(id, fmt.Sprintf(`{"id":%d,%s}`, id, strings.ReplaceAll(narrowing, "NAME", name)))
				if answer.Error == nil {
					t.Fatalf("%s by %s is allowed", narrowing, name)
				}
				text := fmt.Sprintf("%d %s %s", answer.Status, answer.Error.Code, strings.ReplaceAll(answer.Error.Message, name, "NAME"))
				seen[text] = name
			}
			if len(seen) != 1 {
				t.Errorf("%s tells names apart: %v", narrowing, seen)
			}
		}
		id++
		if answer := p.answer(id, fmt.Sprintf(`{"id":%d,"open":"vault.people","where":{"nam":"x"}}`, id)); answer.Error == nil || !strings.Contains(answer.Error.Message, "did you mean name?") {
			t.Errorf("a field that clients may name is not suggested: %+v", answer.Error)
		}
	})
}

// TestWhatIsDeniedDoesNotDescribeItsInput uses an action and a cursor that visitors may not
// use, with valid and with invalid input. All answers are alike.
func TestWhatIsDeniedDoesNotDescribeItsInput(t *testing.T) {
	a := attack(t, vault())
	inputs := []string{`{}`, `{"dial":"x"}`, `{"dial":5}`, `{"dial":12,"box":"no id"}`, `{"dial":12}`, `[]`}
	onEachTransport(t, func(t *testing.T, transport string) {
		p := a.in(t).greet(transport)
		for _, request := range []string{`"call":"POST /vault/unlock"`, `"open":"vault.boxes"`} {
			seen := map[string]string{}
			for i, in := range inputs {
				answer := p.answer(uint64(i+1), fmt.Sprintf(`{"id":%d,%s,"in":%s}`, i+1, request, in))
				text, _ := json.Marshal(answer.Error)
				seen[fmt.Sprint(answer.Status, " ", string(text))] = in
			}
			if len(seen) != 1 {
				t.Errorf("%s tells inputs apart: %v", request, seen)
			}
		}
	})
	seen := map[string]string{}
	for _, in := range inputs {
		response, body := a.request("POST", "/vault/unlock", in)
		seen[response.Status+" "+body] = in
	}
	for _, form := range []string{"dial=x", "dial=5", "dial=12"} {
		response, body := a.request("POST", "/vault/unlock", form, "Content-Type", "application/x-www-form-urlencoded")
		seen[response.Status+" "+body] = form
	}
	if len(seen) != 1 {
		t.Errorf("over HTTP, inputs are told apart: %v", seen)
	}
}
