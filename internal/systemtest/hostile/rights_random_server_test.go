package hostile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/front"
)

// A StewardController does for anybody what an application does for its administrators.
type StewardController struct{ *Session }

// secret is what the note of a user says after a write.
func secret(number int) string { return fmt.Sprintf("secret %d.", number) }

// MakeUser makes a user who has one note.
func (c *StewardController) MakeUser(ctx context.Context, in struct {
	Name string `json:"name"`
}) (tower.ID, error) {
	user := &User{Record: tower.Record{ID: tower.NewID()}, Name: in.Name}
	return user.ID, c.Transaction(ctx, func(tx *tower.Tx) error {
		return errors.Join(Users.Create(ctx, tx, user), Notes.Create(ctx, tx, &Note{OwnerID: user.ID, Title: secret(0)}))
	})
}

// Rename changes the record of a user, which the connections of the user follow.
func (c *StewardController) Rename(ctx context.Context, in struct {
	User tower.ID `json:"user"`
	Name string   `json:"name"`
}) (tower.None, error) {
	_, err := Users.Update(ctx, c, in.User, func(u *User) error {
		u.Name = in.Name
		return nil
	})
	return tower.None{}, err
}

// Written is what a write has found.
type Written struct {
	Before string `json:"before"` // what the note said
	Gone   bool   `json:"gone"`   // a session or a token had no record any more
}

// Write writes into the note of a user, and says whether a session or a token is gone.
func (c *StewardController) Write(ctx context.Context, in struct {
	User   tower.ID `json:"user"`
	Number int      `json:"number"`
	Of     tower.ID `json:"of"`
}) (w Written, err error) {
	return w, c.Transaction(ctx, func(tx *tower.Tx) (err error) {
		sessions, err := tower.Sessions.Where(tower.Is(&tower.Sessions.Fields.ID, in.Of)).Exists(ctx, tx)
		tokens, err2 := tower.Tokens.Where(tower.Is(&tower.Tokens.Fields.ID, in.Of)).Exists(ctx, tx)
		if err = errors.Join(err, err2); err == nil {
			w.Gone = !sessions && !tokens
			w.Before, err = write(ctx, tx, in.User, secret(in.Number))
		}
		return err
	})
}

// write changes what the note of a user says, and returns what it said before.
func write(ctx context.Context, tx *tower.Tx, user tower.ID, title string) (before string, err error) {
	note, err := Notes.FindBy(ctx, tx, tower.Is(&Notes.Fields.OwnerID, user))
	if err != nil {
		return "", err
	}
	before = note.Title
	_, err = Notes.Update(ctx, tx, note.ID, func(n *Note) error {
		n.Title = title
		return nil
	})
	return before, err
}

// SignIn starts a session for a time.
func (c *StewardController) SignIn(ctx context.Context, in struct {
	User tower.ID      `json:"user"`
	Age  time.Duration `json:"age"`
}) (tower.None, error) {
	c.Connection.SignIn(ctx, in.User, tower.SessionAge(in.Age))
	return tower.None{}, nil
}

// Issue makes a token for a time.
func (c *StewardController) Issue(ctx context.Context, in struct {
	User tower.ID      `json:"user"`
	Age  time.Duration `json:"age"`
}) (string, error) {
	return tower.IssueToken(ctx, c, &tower.TokenRecord{UserID: in.User, Name: "a program", Actions: []string{"*"}, ExpiresAt: time.Now().Add(in.Age)})
}

// Revoke deletes the record of a session or a token, and writes into the note of its user.
func (c *StewardController) Revoke(ctx context.Context, in struct {
	ID     tower.ID `json:"id"`
	Token  bool     `json:"token"`
	User   tower.ID `json:"user"`
	Number int      `json:"number"`
}) (tower.None, error) {
	return tower.None{}, c.Transaction(ctx, func(tx *tower.Tx) (err error) {
		if in.Token {
			err = tower.Tokens.Delete(ctx, tx, in.ID)
		} else {
			err = tower.Sessions.Delete(ctx, tx, in.ID)
		}
		if err == nil {
			_, err = write(ctx, tx, in.User, secret(in.Number))
		}
		return err
	})
}

// Change changes the record of a token: when it ends, what it is, or what it may do.
func (c *StewardController) Change(ctx context.Context, in struct {
	ID   tower.ID `json:"id"`
	What string   `json:"what"`
}) (tower.None, error) {
	_, err := tower.Tokens.Update(ctx, c, in.ID, func(r *tower.TokenRecord) error {
		switch in.What {
		case "expiry":
			r.ExpiresAt = time.Now()
		case "hash":
			r.Hash = "another"
		case "actions":
			r.Actions = append(r.Actions, "me.*")
		}
		return nil
	})
	return tower.None{}, err
}

// A MeController acts as the client.
type MeController struct{ *Session }

// ID returns that of the client's session or token.
func (c *MeController) ID(ctx context.Context, in tower.None) (tower.ID, error) {
	return max(c.SessionID(), c.TokenID()), nil
}

// Note returns the client's note.
func (c *MeController) Note(ctx context.Context, in tower.None) (tower.Scope[Note], error) {
	return Notes.Where(tower.Is(&Notes.Fields.OwnerID, c.UserID())), nil
}

// Match lets users see their own notes.
func (c *MeController) Match(n *Note) bool { return c.User != nil && n.OwnerID == c.User.ID }

// Write writes into the client's note.
func (c *MeController) Write(ctx context.Context, in struct {
	Title string `json:"title"`
}) (tower.None, error) {
	if c.User == nil {
		return tower.None{}, tower.Unauthenticated("sign in to write")
	}
	return tower.None{}, c.Transaction(ctx, func(tx *tower.Tx) error {
		_, err := write(ctx, tx, c.User.ID, in.Title)
		return err
	})
}

// stewarded is the notebook with sandboxes, tokens and stewards.
func stewarded(data string) tower.Config {
	config := sights(nil)
	r := config.Routes.(*tower.Router[*Session])
	steward := tower.Mount(r, "steward", func(s *Session) *StewardController { return &StewardController{s} })
	tower.Action(steward, "POST /steward/users", (*StewardController).MakeUser)
	tower.Action(steward, "POST /steward/rename", (*StewardController).Rename)
	tower.Action(steward, "POST /steward/write", (*StewardController).Write)
	tower.Action(steward, "POST /steward/session", (*StewardController).SignIn)
	tower.Action(steward, "POST /steward/token", (*StewardController).Issue)
	tower.Action(steward, "POST /steward/revoke", (*StewardController).Revoke)
	tower.Action(steward, "POST /steward/change", (*StewardController).Change)
	me := tower.Mount(r, "me", func(s *Session) *MeController { return &MeController{s} })
	tower.Cursor(me, "note", (*MeController).Note)
	tower.Action(me, "POST /me/id", (*MeController).ID, tower.InSandbox())
	tower.Action(me, "POST /me/write", (*MeController).Write)
	config.Env, config.Data = "test", data
	config.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	config.Limits = tower.Limits{MaxReading: time.Second, MaxVisitors: 10_000, MaxAddress: 10_000}
	return config
}

// serverData names the file that a process is to serve.
const serverData = "HOSTILE_TEST_DATA"

func TestMain(m *testing.M) {
	data := os.Getenv(serverData)
	if data == "" {
		os.Exit(m.Run())
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // which ends with the test
		os.Exit(1)
	}()
	app, err := tower.New(stewarded(data))
	if err == nil {
		err = server.AppOf(app).Run(context.Background(), server.Listen{Front: front.Options{Addr: "127.0.0.1:0"}, Serving: func(url string) { fmt.Println(url) }})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A process serves an application that is killed and started again, on the same file.
type process struct {
	t    *testing.T
	data string
	cmd  *exec.Cmd

	mu   sync.RWMutex
	url  string
	life int // how often it has been killed
}

func startProcess(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, data: filepath.Join(t.TempDir(), "test.db")}
	p.start()
	t.Cleanup(p.end)
	return p
}

func (p *process) start() {
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), serverData+"="+p.data)
	p.cmd.Stderr = p.t.Output()
	in, err := p.cmd.StdinPipe()
	out, err2 := p.cmd.StdoutPipe()
	if err = errors.Join(err, err2); err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Errorf("start the server: %v", err)
		return
	}
	_ = in // is closed when this process ends
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.t.Errorf("the server does not start: %v", err)
	}
	p.url = strings.TrimSpace(line)
}

func (p *process) end() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was killed
}

// kill kills the server and starts it again. Nobody learns where it is until it serves.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
	p.life++
	p.start()
}

// where returns the address of the server, and how often it has been killed. It waits while it is started.
func (p *process) where() (url string, life int) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.url, p.life
}
