//go:build linux

package deploy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"

	"github.com/towerkit/tower/internal/systemtest/freeport"
	"github.com/towerkit/tower/internal/systemtest/process"
)

// startSSH starts a real sshd for this user, and returns the program ssh with options that
// reach it, and the host.
func startSSH(t *testing.T) (ssh []string, host string) {
	t.Helper()
	server, err := exec.LookPath("sshd")
	if err != nil {
		if server = "/usr/sbin/sshd"; !exists(server) {
			t.Fatal("sshd is missing: apt-get install openssh-server")
		}
	}
	folder := t.TempDir()
	for _, name := range []string{"host", "client"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(folder, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd wants it, and systemd makes it elsewhere
			t.Fatal(err)
		}
	}
	port := freeport.Find(t)
	config := fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %[2]s/host\nAuthorizedKeysFile %[2]s/client.pub\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nSetEnv HOME=%[2]s\n", port, folder) // and no start-up files of a shell
	write(t, filepath.Join(folder, "sshd"), config, 0o600)
	cmd := exec.Command(server, "-D", "-e", "-f", filepath.Join(folder, "sshd"))
	process.Start(t, cmd)
	process.Until(t, "sshd answers", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	ssh = []string{"ssh", "-F", "none", "-c", "aes128-gcm@openssh.com", "-i", filepath.Join(folder, "client"), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + filepath.Join(folder, "known"), "-o", "LogLevel=ERROR"}
	return ssh, fmt.Sprintf("%s@127.0.0.1:%d", me.Username, port)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
