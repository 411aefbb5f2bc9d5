//go:build linux

package deploy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/systemtest/freeport"
	"github.com/towerkit/tower/internal/systemtest/process"
)

// newHost starts an sshd whose /etc, /root and /srv are its own, as on a new host: who logs in as root changes
// nothing of this machine. It returns a program ssh that reaches it.
func newHost(t *testing.T) (ssh string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a host of its own")
	}
	folder := t.TempDir()
	for _, name := range []string{"host", "client"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(folder, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	port := freeport.Find(t)
	write(t, filepath.Join(folder, "sshd"), fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %s/host\nPidFile none\nPasswordAuthentication no\nSetEnv PATH=/usr/sbin:/usr/bin:/sbin:/bin\n", port, folder), 0o600)
	script := fmt.Sprintf(`set -e
cp -a /etc %[1]s/etc
mount --bind %[1]s/etc /etc
mount -t tmpfs -o mode=700 tmpfs /root; mount -t tmpfs -o mode=755 tmpfs /srv
mkdir -p /run/sshd; mkdir -m 700 /root/.ssh; cp %[1]s/client.pub /root/.ssh/authorized_keys; rm -f /etc/nologin
exec /usr/sbin/sshd -D -e -f %[1]s/sshd`, folder)
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script)
	cmd.Stderr = t.Output()
	process.Start(t, cmd)
	process.Until(t, "sshd answers", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	ssh = filepath.Join(folder, "ssh")
	write(t, ssh, fmt.Sprintf("#!/bin/sh\nexec /usr/bin/ssh -F none -i %[1]s/client -p %[2]d -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=%[1]s/known -o LogLevel=ERROR \"$@\"\n", folder, port), 0o755)
	return ssh
}

// TestTheGuide runs the commands of the guide, from a host where nothing is to an application that serves. What
// differs is the address: systemd is not there to hand over the port 443, and nobody certifies the name.
func TestTheGuide(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../../docs/guide/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(guide), "## From an empty Debian")
	_, block, open := strings.Cut(block, "```sh\n")
	block, _, closed := strings.Cut(block, "```")
	commands := strings.Split(strings.TrimSpace(block), "\n")
	if !found || !open || !closed || len(commands) != 3 {
		t.Fatalf("the guide has not three commands: %q", commands)
	}
	ssh := newHost(t)
	work := t.TempDir()
	bin := filepath.Dir(ssh)
	run := func(folder, command string) {
		t.Helper()
		cmd := exec.Command("sh", "-ec", command)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		t.Logf("$ %s\n%s", command, out)
		if err != nil {
			t.Fatal(err)
		}
	}
	run("../../..", "go build -o "+bin+"/tower ./cmd/tower")
	run(work, "tower new blog --vendor=false") // with the sources that are compiled already
	app := filepath.Join(work, "blog")
	address := fmt.Sprint("127.0.0.1:", freeport.Find(t))
	for i, command := range commands {
		run(app, strings.ReplaceAll(command, "example.com", "127.0.0.1"))
		if i == 0 {
			run(app, "sed -i 's/^TOWER_DOMAIN=.*/TOWER_ADDR="+address+"/' deploy/blog.env.example")
		}
	}
	response, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(page), "<html") {
		t.Errorf("%s %v\n%s", response.Status, err, page)
	}
	run(app, "tower deploy status blog@127.0.0.1")
	run(app, "tower deploy blog@127.0.0.1 | grep 'nothing to do'")
}
