package front

import (
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"strings"
	"time"
)

// logEvery is the least time between two lines about the same certificate.
const logEvery = time.Minute

// certificate returns the certificate for a client's hello, and logs why there is none for a
// domain of the application.
func (f *Front) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	certificate, err := f.manager.GetCertificate(hello)
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if err != nil && slices.Contains(f.domains, name) && f.mayLog(name) {
		f.log.Error("there is no certificate: does the name lead to this machine, and can the authority reach it on port 80 or 443?", "domain", name, "error", err)
	}
	return certificate, err
}

func (f *Front) mayLog(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.logged[name]) < logEvery {
		return false
	}
	f.logged[name] = time.Now()
	return true
}

// obtain obtains the certificates of all domains, so that the first visitor does not wait.
func (f *Front) obtain() {
	for _, domain := range f.domains {
		hello := &tls.ClientHelloInfo{ServerName: domain, // of a client that knows elliptic curves
			SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256}}
		_, _ = f.certificate(hello) // the error is logged
	}
}

// bounded sends requests until its context ends. A request for a certificate has no context
// of its own and may take minutes.
type bounded struct{ ctx context.Context }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	context.AfterFunc(b.ctx, cancel)
	return http.DefaultTransport.RoundTrip(r.WithContext(ctx))
}
