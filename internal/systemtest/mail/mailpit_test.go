package mail_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/fetched"
	"github.com/towerkit/tower/internal/systemtest/freeport"
)

// A pit is Mailpit, a server of mail that keeps what it takes.
type pit struct {
	t          *testing.T
	smtp, http string
}

// startPit starts the Mailpit that script/test has installed.
func startPit(t *testing.T) *pit {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(fetched.Folder(), "mailpit-*", "mailpit"))
	if len(found) == 0 {
		t.Skip("Mailpit is missing; script/test installs it")
	}
	p := &pit{t, fmt.Sprint("127.0.0.1:", freeport.Find(t)), fmt.Sprint("127.0.0.1:", freeport.Find(t))}
	cmd := exec.Command(found[len(found)-1], "--smtp", p.smtp, "--listen", p.http, "--enable-chaos", "--disable-version-check", "--quiet")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 1200 { // a process that says nothing when it is ready
		if res, err := http.Get("http://" + p.http + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("Mailpit does not answer")
	return nil
}

// ask sends a request to Mailpit's API, and decodes its answer unless into is nil.
func (p *pit) ask(method, path, body string, into any) string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.http+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// refuse has Mailpit answer to each recipient with a code of SMTP, 0 for none.
func (p *pit) refuse(code int) {
	p.t.Helper()
	trigger := `{}`
	if code != 0 {
		trigger = fmt.Sprintf(`{"Recipient":{"ErrorCode":%d,"Probability":100}}`, code)
	}
	p.ask("PUT", "/api/v1/chaos", trigger, nil)
}

// A kept message is one that Mailpit has.
type keptMessage struct {
	ID, MessageID, Subject, Text, HTML string
	From                               struct{ Name, Address string }
	To, Bcc                            []struct{ Name, Address string }
}

func (p *pit) messages() (all []keptMessage) {
	p.t.Helper()
	var list struct{ Messages []struct{ ID string } }
	p.ask("GET", "/api/v1/messages", "", &list)
	for _, one := range list.Messages {
		var m keptMessage
		p.ask("GET", "/api/v1/message/"+one.ID, "", &m)
		all = append(all, m)
	}
	return all
}

// What a server of mail that others have written understands of what is sent: once, with both texts and one
// Message-ID, after it has refused it for now, and not after it has refused it for good.
func TestMailpitTakesMail(t *testing.T) {
	pit := startPit(t)
	app := produce(t, "smtp://"+pit.smtp+"?tls=off")
	pit.refuse(451)
	id, err := order(t.Context(), app, "N-1", "ada@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	awaitJob(t, app, id, "waiting again", func(job *tower.JobRecord) bool {
		return job.State == "waiting" && job.Attempt == 1 && strings.Contains(job.Error, "451")
	})
	pit.refuse(0)
	if err := tower.RetryJob(t.Context(), app, id); err != nil {
		t.Fatal(err)
	}
	await(t, app, id, "done")
	all := pit.messages()
	if len(all) != 1 {
		t.Fatalf("it has %d messages", len(all))
	}
	m := all[0]
	if m.Subject != "Your order" || m.From.Address != "shop@example.com" || m.From.Name != "Shop" || len(m.To) != 1 || m.To[0].Address != "ada@example.com" ||
		m.MessageID != strings.ToLower(string(id))+"@example.com" || !strings.Contains(m.HTML, "<h1>Order N-1</h1>") ||
		!strings.Contains(m.Text, "https://shop.example/orders/1") || strings.Contains(m.Text, "<h1>") {
		t.Errorf("%+v", m)
	}
	if raw := pit.ask("GET", "/api/v1/message/"+m.ID+"/raw", "", nil); strings.Count(strings.ToLower(raw), "\nmessage-id:") != 1 || !strings.Contains(raw, "multipart/alternative") {
		t.Errorf("the source is\n%s", raw)
	}

	pit.refuse(550)
	if id, err = receipt("nobody@example.com").Send(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if job := await(t, app, id, "dead"); job.Attempt != 1 || !strings.Contains(job.Error, "550") {
		t.Errorf("after %d tries the error is %q", job.Attempt, job.Error)
	}
	pit.refuse(0)
	for _, to := range []string{"ada@example.com\r\nBcc: eve@example.com", "ada@example.com>\r\nRCPT TO:<eve@example.com", "ada@example.com, eve@example.com"} {
		if _, err := receipt(to).Send(t.Context(), app); err == nil {
			t.Errorf("%q is an address", to)
		}
	}
	injected := receipt("ada@example.com")
	injected.Subject = "Hello\r\nBcc: eve@example.com"
	if _, err := injected.Send(t.Context(), app); err == nil {
		t.Error("a line break is in the subject")
	}
	if all := pit.messages(); len(all) != 1 {
		t.Errorf("it has %d messages", len(all))
	}
}
