package ui

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
)

// certify writes a certificate for 127.0.0.1 and its key, and returns who trusts it.
func certify(t *testing.T, cert, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

// The page speaks TLS by itself, with cookies that never go without it, and takes over a renewed certificate.
func TestThePageSpeaksTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool := certify(t, cert, key)
	certificate, err := LoadCertificate(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	path, tokens := tokensFor(t)
	a := newAPI(t, func(d *Deps) { d.TokenFile, d.Certificate = path, certificate })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- a.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	logIn := func(pool *x509.CertPool) (*http.Response, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
		answer, err := client.Post("https://"+l.Addr().String()+apiBase+"/session", "application/json", strings.NewReader(`{"token":"`+tokens[RoleViewer]+`"}`))
		if err == nil {
			_ = answer.Body.Close()
		}
		return answer, err
	}
	answer, err := logIn(pool)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != 200 || answer.ProtoMajor != 2 || answer.TLS.Version < tls.VersionTLS12 {
		t.Errorf("%s %s", answer.Status, answer.Proto)
	}
	if got := answer.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("Strict-Transport-Security is %q", got)
	}
	if c := answer.Cookies()[0]; !c.Secure || c.Name != "__Host-dlq_session" {
		t.Errorf("the cookie goes without TLS too: %+v", c)
	}
	if w := newAPI(t, nil).call("GET", "/", ""); w.Header().Get("Strict-Transport-Security") != "" {
		t.Error("a page without TLS tells browsers to come by https")
	}

	renewed := certify(t, cert, key)
	later := time.Now().Add(time.Hour)
	for _, path := range []string{cert, key} {
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
	}
	certificate.mu.Lock()
	certificate.looked = time.Time{}
	certificate.mu.Unlock()
	if _, err := logIn(renewed); err != nil {
		t.Errorf("the renewed certificate is not used: %v", err)
	}
	if err := os.WriteFile(cert, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCertificate(cert, key); dlq.CodeOf(err) != dlq.CodeInvalid {
		t.Errorf("%v", err)
	}
	certificate.mu.Lock()
	certificate.looked = time.Time{}
	certificate.mu.Unlock()
	if _, err := logIn(renewed); err != nil {
		t.Errorf("a certificate that cannot be read takes the one before it away: %v", err)
	}
}
