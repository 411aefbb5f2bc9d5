package mail_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/systemtest/smtptest"
	"github.com/towerkit/tower/towertest"
)

// beKilled is the application that is killed: it takes orders until then.
func beKilled() error {
	c := config()
	c.Data, c.Env, c.Log = os.Getenv("MAIL_TEST_DATA"), "production", slog.New(slog.DiscardHandler)
	app, err := tower.New(c)
	if err == nil {
		err = app.Open()
	}
	for n := 0; err == nil; n++ {
		_, err = order(context.Background(), app, fmt.Sprint(os.Getpid(), "-", n), "ada@example.com", nil)
		time.Sleep(time.Duration(rand.N(2000)) * time.Microsecond)
	}
	return err
}

// TestKills kills the application when the server is at some command. Then each order that was
// committed has its mail, with one Message-ID however often it was sent.
func TestKills(t *testing.T) {
	kills := 6
	if n, err := strconv.Atoi(os.Getenv("TOWER_TEST_KILLS")); err == nil {
		kills = n
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	fake := smtptest.Start(t, smtptest.Options{})
	t.Setenv("TOWER_SECRET", "0123456789abcdefghijklmnopqrstuvwxyz-test")
	t.Setenv("TOWER_SMTP", "smtp://"+fake.Addr+"?tls=off")
	t.Setenv("TOWER_MAIL_FROM", "shop@example.com")
	path := filepath.Join(t.TempDir(), "p.db")
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "MAIL_TEST_DATA="+path, "TOWER_WORKERS=3")
		cmd.Stderr = os.Stderr
		_, before := fake.Seen()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		command, more := []string{"EHLO", "MAIL", "RCPT", "DATA", "END", "QUIT"}[random.IntN(6)], 1+random.IntN(20)
		fake.Await(t, command, func(_, commands []string) bool {
			n := 0
			for _, c := range commands[len(before):] {
				if strings.HasPrefix(c, command) {
					n++
				}
			}
			return n >= more
		})
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}

	t.Setenv("TOWER_WORKERS", "8")
	c := config()
	c.Env, c.Data, c.Log = "production", path, slog.New(slog.DiscardHandler)
	app, end := towertest.Serve(t, c)
	defer end()
	job := tower.Jobs.Fields
	all, err := tower.Jobs.Where(tower.Is(&job.Job, "tower_mail")).Records(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	for _, sent := range all {
		await(t, app, sent.ID, "done")
	}
	messages, _ := fake.Seen()
	copies := map[string]int{}
	for _, text := range messages {
		message, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		copies[strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(message.Header.Get("Message-Id"), "<"), "@example.com>"))]++
	}
	for _, sent := range all {
		if copies[string(sent.ID)] == 0 {
			t.Errorf("the mail of the job %s was not sent", sent.ID)
		}
		delete(copies, string(sent.ID))
	}
	if len(copies) > 0 {
		t.Errorf("mail without a job: %v", copies)
	}
	if n, err := Orders.All().Count(t.Context(), app); n != len(all) || n == 0 || err != nil {
		t.Errorf("%d orders have %d mails, %v", n, len(all), err)
	}
	if again := len(messages) - len(all); again > 3*kills { // TOWER_WORKERS send at a time
		t.Errorf("%d mails were sent again after %d kills", again, kills)
	}
}
