package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// authority signs certificates into a folder, as the openssl commands of RocketMQ's TLS guide do.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign("ca", &x509.Certificate{Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign writes NAME.pem and NAME.key and returns what they hold.
func (a *authority) sign(name string, what *x509.Certificate) (*x509.Certificate, *rsa.PrivateKey) {
	a.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		a.t.Fatal(err)
	}
	what.SerialNumber, what.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
	if what.NotAfter.IsZero() {
		what.NotAfter = time.Now().Add(time.Hour)
	}
	parent, by := what, key
	if a.cert != nil {
		parent, by = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, what, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// serving are the settings of a node that shows one of the certificates.
func (a *authority) serving(name string, more ...string) node.Options {
	return node.Options{JavaOptions: append([]string{
		"-Dtls.test.mode.enable=false", "-Dtls.server.certPath=" + a.file(name+".pem"), "-Dtls.server.keyPath=" + a.file(name+".key"),
		"-Dtls.server.trustCertPath=" + a.file("ca.pem"),
	}, more...)}
}

// reach opens the cluster as `dlq serve` would and asks it something.
func reachCluster(t *testing.T, n *node.Node, flags ...string) (dlq.ClusterStatus, error) {
	t.Helper()
	env := environment{get: func(string) string { return "" }, stdout: t.Output(), stderr: t.Output()}
	c, err := parseConfig("serve", append([]string{"--namesrv", n.NameServer(), "--tls"}, flags...), env, serveDefaults(), nil)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := openCluster(c, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	_, err = cl.Capabilities(t.Context(), "")
	return cl.Status(), err
}

// TLS as RocketMQ's own guide sets it up, with certificates that name their server only as Common Name, with names that are
// not the address, and with certificates of clients: each works, or the status says in words why not and what to do.
func TestTLSAsRocketMQSetsItUp(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	ca.sign("bare", &x509.Certificate{Subject: pkix.Name{CommonName: "broker one"}})
	ca.sign("named", &x509.Certificate{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"mq.example.com"}})
	ca.sign("client", &x509.Certificate{Subject: pkix.Name{CommonName: "dlq console"}})
	bare := node.Own(t, ca.serving("bare"))
	named := node.Own(t, ca.serving("named", "-Dtls.server.need.client.auth=require", "-Dtls.server.authClient=true"))
	test := node.Shared(t, node.V5) // RocketMQ's default: it signs a certificate for example.com itself
	trusted, client := []string{"--tls-ca", ca.file("ca.pem")}, []string{"--tls-cert", ca.file("client.pem"), "--tls-key", ca.file("client.key")}
	with := func(lists ...[]string) (all []string) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	any := []string{"--tls-skip-verify"}
	for name, tt := range map[string]struct {
		n     *node.Node
		flags []string
		check dlq.TLSCheck
		says  []string // "" for a cluster that answers
	}{
		"common name only":            {bare, trusted, dlq.TLSFull, []string{"only as its Common Name (broker one)", "--tls-skip-verify"}},
		"common name only, any name":  {bare, with(trusted, any), dlq.TLSAnyName, nil},
		"another authority, any name": {bare, []string{"--tls-skip-verify", "--tls-ca", stranger.file("ca.pem")}, dlq.TLSAnyName, []string{"an authority (CN=test authority) that is not trusted here", "--tls-ca"}},
		"nothing is checked":          {bare, any, dlq.TLSUnproved, nil},
		"test mode":                   {test, nil, dlq.TLSFull, []string{"only as its Common Name (localhost)", "--tls-skip-verify"}},
		"test mode, unchecked":        {test, any, dlq.TLSUnproved, nil},
		"another name":                {named, with(trusted, client), dlq.TLSFull, []string{"is for mq.example.com, not for 127.0.0.1", "--tls-server-name"}},
		"a client without a certificate": {named, with(trusted, []string{"--tls-server-name", "mq.example.com"}), dlq.TLSFull,
			[]string{"refuses this console's side of TLS", "--tls-cert and --tls-key"}},
		"a client with one": {named, with(trusted, client, []string{"--tls-server-name", "mq.example.com"}), dlq.TLSFull, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var st dlq.ClusterStatus
			for try := 0; ; try++ { // a server that refuses a client's certificate may close before its reason is read
				var err error
				st, err = reachCluster(t, tt.n, tt.flags...)
				problem := ""
				for _, words := range tt.says {
					if !strings.Contains(st.Error+"\n"+st.Hint, words) {
						problem = words
					}
				}
				if problem == "" && st.Reachable == (tt.says == nil) && (err == nil) == st.Reachable {
					break
				}
				if try == 20 {
					t.Fatalf("want %q: %+v, %v", tt.says, st, err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if st.TLS != tt.check {
				t.Errorf("checked: %q", st.TLS)
			}
		})
	}
}

// A console that speaks TLS to a server that does not is told so.
func TestTLSToAPlainServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	c := serveDefaults()
	c.nameServers, c.tls = []string{l.Addr().String()}, true
	cl, err := openCluster(c, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	_, err = cl.Capabilities(t.Context(), "")
	if st := cl.Status(); err == nil || !strings.Contains(st.Error, "does not speak TLS") {
		t.Errorf("%+v, %v", st, err)
	}
}
