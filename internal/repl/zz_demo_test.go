package repl

import (
	"os"
	"testing"
	"time"
	"fmt"
	"github.com/towerkit/tower/internal/wire"
)

func TestDemoServer(t *testing.T) {
	path := os.Getenv("DEMO")
	if path == "" {
		t.Skip()
	}
	os.Remove(path)
	app := newFakeApp(path)
	app.start()
	if os.Getenv("FLOOD") != "" {
		go func() {
			for i := 0; ; i++ {
				app.mu.Lock(); app.seq++; seq := app.seq; app.mu.Unlock()
				app.publish(seq, "POST /posts by 01JB", []wire.ChangeInfo{{Op: "create", Model: "posts", ID: fmt.Sprintf("01JBXYZ%019d", i), Label: "flood"}})
			}
		}()
	}
	if os.Getenv("RESTART") != "" {
		for { time.Sleep(8*time.Second); app.stop(); time.Sleep(4*time.Second); app.start() }
	}
	select {}
}
