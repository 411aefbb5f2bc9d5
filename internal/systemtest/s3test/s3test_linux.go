package s3test

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/towerkit/tower/internal/systemtest/freeport"
)

// The key that the server knows.
const (
	AccessKey = "tower"
	SecretKey = "tower-secret"
)

// Start builds and runs a server with the bucket backups, and returns its address, as a URL. The environment
// of the test has its key. It ends with the test.
func Start(t *testing.T) (endpoint string) {
	t.Helper()
	_, self, _, _ := runtime.Caller(0)
	build := exec.Command("go", "tool", "-n", "versitygw") // builds it, unless the cache has it, and prints where it is
	build.Dir = filepath.Join(filepath.Dir(self), "..", "servers")
	out, err := build.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		out = exit.Stderr
	}
	if err != nil {
		t.Fatalf("build the server: %v\n%s", err, out)
	}
	program := strings.TrimSpace(string(out))
	address := fmt.Sprint("127.0.0.1:", freeport.Find(t))
	cmd := exec.Command(program, "--port", address, "--access", AccessKey, "--secret", SecretKey, "posix", "--nometa", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Setenv("AWS_ACCESS_KEY_ID", AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", SecretKey)
	t.Setenv("AWS_REGION", "us-east-1")
	client, err := minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(AccessKey, SecretKey, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	for range 1200 { // a process that says nothing when it is ready
		if err = client.MakeBucket(t.Context(), "backups", minio.MakeBucketOptions{}); err == nil {
			return "http://" + address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the server does not answer: %v", err)
	return ""
}
