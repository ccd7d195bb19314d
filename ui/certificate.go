package ui

import (
	"crypto/tls"
	"os"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// certificateEvery is how often the files of the page's certificate are looked at: whoever renews it restarts nothing.
const certificateEvery = time.Minute

// Certificate is the certificate of the page, read anew when its files change.
type Certificate struct {
	cert, key string
	now       func() time.Time

	mu     sync.Mutex
	looked time.Time
	stamp  [2]time.Time
	loaded *tls.Certificate
}

// LoadCertificate reads a certificate with its chain and its key, both in PEM form. The error is CodeInvalid.
func LoadCertificate(cert, key string) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, now: time.Now}
	loaded, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the certificate of --listen-cert and --listen-key cannot be used: %w", err).
			WithHint("both are files in PEM form: the certificate with its chain, and the key that belongs to it")
	}
	c.loaded, c.looked, c.stamp = &loaded, c.now(), c.changed()
	return c, nil
}

func (c *Certificate) changed() (at [2]time.Time) {
	for i, path := range []string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}

// get is a tls.Config's GetCertificate. Files that cannot be used leave the certificate before them in force.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= certificateEvery {
		c.looked = now
		if stamp := c.changed(); stamp != c.stamp {
			if loaded, err := tls.LoadX509KeyPair(c.cert, c.key); err == nil {
				c.loaded, c.stamp = &loaded, stamp
			}
		}
	}
	return c.loaded, nil
}

// Config returns how the page speaks TLS.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}
