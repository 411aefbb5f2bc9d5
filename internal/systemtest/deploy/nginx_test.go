//go:build linux

package deploy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/oklog/ulid/v2"

	"github.com/towerkit/tower/internal/systemtest/freeport"
	"github.com/towerkit/tower/internal/systemtest/process"
)

// certify writes a certificate for example.com that signs itself, and its key.
func certify(t *testing.T, folder string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	made, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})
	write(t, filepath.Join(folder, "cert.pem"), string(certificate), 0o600)
	write(t, filepath.Join(folder, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	return pool
}

func startQuietly(t *testing.T, cmd *exec.Cmd, address string) {
	t.Helper()
	cmd.Stderr = t.Output()
	process.Start(t, cmd)
	process.Until(t, address+" answers", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// TestTheGuidesNginx serves by the guide's configuration of nginx: on an odd port, with a certificate of its own,
// and also where it passes on another host than the browser's.
func TestTheGuidesNginx(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatal("nginx is missing: apt-get install nginx")
	}
	guide, err := os.ReadFile("../../../docs/guide/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(guide), "```nginx\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("the guide has no configuration of nginx")
	}
	for name, change := range map[string]*strings.Replacer{
		"as it is":       strings.NewReplacer(),
		"rewriting Host": strings.NewReplacer("proxy_set_header Host $http_host;", ""),
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			pool := certify(t, folder)
			inside, outside := fmt.Sprint("127.0.0.1:", freeport.Find(t)), freeport.Find(t)
			origin := fmt.Sprint("https://example.com:", outside)
			program := exec.Command(os.Args[0])
			program.Args[0] = "notes"
			program.Env = append(os.Environ(), "TOWER_ENV=production", "TOWER_SECRET=x8ZQm2n5T7v9W1c3R4b6H0j8K2l5P7dF", "TOWER_FOLDER="+folder, "TOWER_ADDR="+inside, "TOWER_URL="+origin, "TOWER_TRUSTED_PROXIES=127.0.0.1")
			startQuietly(t, program, inside)
			block := strings.NewReplacer("listen 443 ssl;", fmt.Sprintf("listen 127.0.0.1:%d ssl; ssl_certificate %[2]s/cert.pem; ssl_certificate_key %[2]s/key.pem;", outside, folder), "127.0.0.1:3000", inside).Replace(change.Replace(block))
			config := fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n%[2]s}\n", folder, block)
			write(t, filepath.Join(folder, "nginx.conf"), config, 0o600)
			startQuietly(t, exec.Command(nginx, "-p", folder, "-c", filepath.Join(folder, "nginx.conf")), fmt.Sprint("127.0.0.1:", outside))

			dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, fmt.Sprint("127.0.0.1:", outside))
			}
			client := &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: pool}}}
			for from, status := range map[string]int{origin: http.StatusCreated, "https://evil.example": http.StatusForbidden} {
				request, err := http.NewRequest(http.MethodPost, origin+"/notes", strings.NewReader(`{"title":"Hi"}`))
				if err != nil {
					t.Fatal(err)
				}
				request.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Origin": {from}, "Idempotency-Key": {ulid.Make().String()}}
				response, err := client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode != status {
					t.Errorf("a call from %s: %s", from, response.Status)
				}
			}
			dialer := websocket.Dialer{NetDialContext: dial, TLSClientConfig: &tls.Config{RootCAs: pool}}
			conn, response, err := dialer.Dial(strings.Replace(origin, "https", "wss", 1)+"/_tower/socket", http.Header{"Origin": {origin}})
			if err != nil {
				t.Fatalf("the socket: %v %+v", err, response)
			}
			conn.Close()
		})
	}
}
