//go:build unix

package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// testKeyboard has a team, a token and devices by the keyboard alone, and looks at each page on the way.
func testKeyboard(t *testing.T, a *testApp, b *browser) {
	email := strings.Repeat("dorothea", 8) + "@" + strings.Repeat("example", 8) + ".com" // as wide as there are
	crew := strings.Repeat("Teamwork", 10)
	p, finn := b.tab("Dora", a.url), b.tab("Finn", a.url)
	finn.signUp(a, "finn@example.com", "Finn")
	p.signUp(a, email, strings.Repeat("Dorothea", 9))
	p.visit("/teams")
	p.presses("New team")
	p.onPage("New team")
	p.types(" " + kb.Enter)
	p.refused("Name", "is required")
	p.types(kb.Backspace + crew + kb.Enter)
	p.onPage(crew)

	p.presses("Invite")
	p.onPage("Invite to " + crew)
	p.types("finn@example" + kb.Enter)
	p.refused("Email", "is not an email address")
	p.types(".com" + kb.Enter)
	p.onPage(crew)
	p.until("the invitation", `document.querySelector(".some li")?.innerText.includes("finn@example.com")`)
	p.goes("Revoke the invitation of finn@example.com")
	finn.visit(a.newestMail("finn@example.com", `/invitation/open\?token=[\w-]+`))
	finn.clicks("Join the team")
	p.until("Finn", `document.querySelector("li a[aria-label='Change Finn']")`)
	p.focusIsOn("H1", crew) // the invitation is gone

	p.presses("Change Finn")
	p.onPage("Finn")
	p.goes("Member")
	p.types(kb.ArrowDown)
	p.presses("Save")
	p.onPage(crew)
	p.until("the role", `document.querySelector("li:has([aria-label='Change Finn'])")?.innerText.includes("admin")`)
	p.presses("Change Finn")
	p.onPage("Finn")
	p.presses("Remove from the team")
	p.onPage(crew)
	p.until("no Finn", `!document.querySelector("main").innerText.includes("Finn")`)

	p.visit("/account")
	p.presses("Make a token")
	p.onPage("Make a token")
	p.types("deploy")
	p.goes("May use")
	p.types("nothing" + kb.Enter)
	p.refused("May use", "there is no such action")
	p.back()
	p.types(kb.Tab + "*" + kb.Enter) // Tab selects what is there
	p.onPage("Your token")
	p.goes("Token")
	p.until("the token", `document.activeElement.value.startsWith("twr_")`)
	p.presses("I have kept it")
	p.onPage("Account")
	p.presses("Revoke deploy")
	p.until("no token", `!document.querySelector("[aria-label='Revoke deploy']")`)
	p.focusIsOn("H2", "Tokens")

	other := b.tab("Dora elsewhere", a.url)
	other.visit("/session/new")
	other.mailsCode(a, email, "/")
	p.until("the other device", `[...document.querySelectorAll("main button")].filter(it => it.ariaLabel?.startsWith("Sign out ")).length == 2`)
	label, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("main button")].find(it => it.ariaLabel?.startsWith("Sign out ") && it.ariaLabel != "Sign out this device").ariaLabel`))
	if err != nil {
		t.Fatal(err)
	}
	p.presses(label)
	other.until("a visitor", `document.querySelector(".who")?.innerText == "Sign in"`)
	p.until("one device", `document.querySelectorAll("[aria-label^='Sign out ']").length == 1`)
	p.until("the focus in its row", `document.activeElement.matches("li[data-id]")`)

	team, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`fetch("/teams").then(r => r.text()).then(text => text.match(/teams\/\w{26}/)[0])`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	p.look("/account/welcome", "/account/password", "/account/address", "/account/address/confirm", "/account/address/confirmed", "/account/leave", "/account/passkeys/new",
		"/account/authenticator/new", "/account/tokens/made", "/teams", "/"+team+"/edit", "/"+team+"/leave", "/"+team+"/delete", "/invitation")
	other.look("/session/new", "/session/forgot", "/session/code", "/session/link", "/session/step", "/account/new", "/session/by/oidc/problem?why=known", "/session/by/oidc/problem?why=unverified")
}

// newestMail waits until the newest mail to somebody has what matches a pattern in its HTML, and returns that.
func (a *testApp) newestMail(to, pattern string) (found string) {
	a.t.Helper()
	eventually(a.t, "there is a mail to "+to+" with "+pattern, func() bool {
		for mail := range strings.SplitSeq(a.fetch("/_tower/mail"), "<li>") {
			if at := regexp.MustCompile(`href="(/_tower/mail/\w+)`).FindStringSubmatch(mail); at != nil && strings.Contains(mail, to) {
				found = regexp.MustCompile(pattern).FindString(a.fetch(at[1] + "/html"))
				break
			}
		}
		return found != ""
	})
	return found
}

func (p *tab) types(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// onPage waits until the page with a heading is live, and looks at it the first time.
func (p *tab) onPage(heading string) {
	p.t.Helper()
	p.reads(heading)
	if !p.seen[heading] {
		p.isSound()
		p.isWalked()
	}
	p.seen[heading] = true
}

// presses goes to a control and presses it.
func (p *tab) presses(name string) {
	p.t.Helper()
	p.goes(name)
	p.types(kb.Enter)
}

// goes goes to a control, forward or back.
func (p *tab) goes(name string) {
	p.t.Helper()
	for range 60 {
		var found stop
		p.evaluate(fmt.Sprintf(`(%s)(%q)`, stopScript, name), &found)
		switch {
		case found.Name == name && len(found.Wrong) > 0:
			p.t.Fatalf("%s: at %s: %v", p.name, name, found.Wrong)
		case found.Name == name:
			return
		case found.Way == "":
			p.until(name, fmt.Sprintf(`(%s)(%q).way`, stopScript, name))
		case found.Way == "back":
			p.back()
		default:
			p.types(kb.Tab)
		}
	}
	p.t.Fatalf("%s does not come to %s", p.name, name)
}

// refused waits until the focus is in a field that has a problem, which is announced with it.
func (p *tab) refused(label, problem string) {
	p.t.Helper()
	p.until(problem, fmt.Sprintf(`(box => box.labels?.[0]?.innerText == %q && box.ariaInvalid == "true" && box.getAttribute("aria-describedby").split(" ").some(
		id => (it => it.role == "alert" && it.checkVisibility() && it.innerText.includes(%q))(document.getElementById(id))))(document.activeElement)`, label, problem))
}

func (p *tab) focusIsOn(tag, text string) {
	p.t.Helper()
	p.until("the focus on "+text, fmt.Sprintf(`document.activeElement.tagName == %q && document.activeElement.innerText == %q`, tag, text))
}
