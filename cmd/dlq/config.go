package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/outside"
	"deadletteroffice/rulebook/yamlnode"
	"deadletteroffice/webhook"
)

// config is what serve and demo are told. Every field is a flag with a twin in the environment.
type config struct {
	nameServers   []string
	listen        string
	data          string
	rules         string
	publicURL     string
	tokens        string
	accessKey     string
	secretKey     string
	tls           bool
	tlsCA         string
	tlsCert       string
	tlsKey        string
	tlsServerName string
	tlsSkipVerify bool
	logLevel      slog.Level
	logFormat     string
	retention     time.Duration
	allowLoopback bool
	allowEgress   []netip.Prefix
	proxies       []netip.Prefix
	listenCert    string // of the page itself
	listenKey     string
	simulated     bool   // demo only
	shopURL       string // demo only
}

// parseConfig reads flags and their twins: a flag wins over the environment, which wins over the default. extra adds
// flags of one command.
func parseConfig(name string, args []string, env environment, defaults config, extra func(*flag.FlagSet)) (config, error) {
	c := defaults
	set := flag.NewFlagSet("dlq "+name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	var nameServers, retention, level, egress, proxies string
	set.StringVar(&nameServers, "namesrv", strings.Join(defaults.nameServers, ";"), "name servers as host:port, several separated by ;")
	set.StringVar(&c.listen, "listen", defaults.listen, "address of the page and the API; beyond loopback it needs --tokens")
	set.StringVar(&c.data, "data", defaults.data, "the SQLite file")
	set.StringVar(&c.rules, "rules", defaults.rules, "the rules file")
	set.StringVar(&c.publicURL, "public-url", "", "the URL under which people open the page, if it is not the listen address: sets the allowed Host and the links in messages")
	set.StringVar(&c.tokens, "tokens", "", "file of tokens, see dlq token new; without it only this machine can connect, as admin")
	set.StringVar(&c.accessKey, "access-key", "", "ACL access key for the brokers")
	set.StringVar(&c.secretKey, "secret-key", "", "ACL secret key as env:NAME or file:PATH")
	set.BoolVar(&c.tls, "tls", false, "speak TLS to name servers and brokers")
	set.StringVar(&c.tlsCA, "tls-ca", "", "PEM file of the authority that signed the brokers' certificates; default: the system's")
	set.StringVar(&c.tlsCert, "tls-cert", "", "PEM file of the certificate by which name servers and brokers know this console; with --tls-key")
	set.StringVar(&c.tlsKey, "tls-key", "", "PEM file of its private key")
	set.StringVar(&c.tlsServerName, "tls-server-name", "", "name that the brokers' certificates bear; default: the host that is connected to")
	set.BoolVar(&c.tlsSkipVerify, "tls-skip-verify", false, "do not check the name in the brokers' certificates and, without --tls-ca, nothing of them")
	set.StringVar(&c.listenCert, "listen-cert", "", "PEM file with the page's own certificate and its chain: the page is served by https; read anew when it changes")
	set.StringVar(&c.listenKey, "listen-key", "", "PEM file with the key of --listen-cert")
	set.StringVar(&proxies, "trusted-proxy", "", "ranges of proxies whose X-Forwarded-For is believed, separated by commas, for example 10.0.0.0/8")
	set.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	set.StringVar(&c.logFormat, "log-format", "text", "text or json")
	set.StringVar(&retention, "retention", dlq.Duration(defaults.retention).String(), "resolved and discarded letters are deleted after this time")
	set.BoolVar(&c.allowLoopback, "allow-loopback", defaults.allowLoopback, "compensation endpoints and receivers of alerts may be on this machine")
	set.StringVar(&egress, "allow-egress", "", "ranges that compensation endpoints and receivers of alerts may be in beside those that are open: parts of 100.64.0.0/10, 192.0.0.0/24 and 64:ff9b:1::/48, separated by commas")
	if extra != nil {
		extra(set)
	}
	if err := fromEnvironment(set, env); err != nil {
		return c, err
	}
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			set.SetOutput(env.stdout)
			fmt.Fprintf(env.stdout, "Usage: dlq %s [flags]\n", name)
			set.PrintDefaults()
			return c, err
		}
		return c, usageErrorf("dlq %s: %w", name, err)
	}
	if set.NArg() > 0 {
		return c, usageErrorf("dlq %s takes no argument, but got %q", name, set.Arg(0))
	}
	var err error
	if c.allowEgress, err = webhook.ParseEgress(egress); err != nil {
		return c, usageErrorf("--allow-egress: %w", err)
	}
	if c.proxies, err = networks("--trusted-proxy", proxies); err != nil {
		return c, err
	}
	return c, c.check(env, nameServers, retention, level)
}

// networks reads CIDR ranges and single addresses, separated by commas.
func networks(flag, text string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if a, e := netip.ParseAddr(part); e == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, usageErrorf("%s %q is neither a range such as 10.0.0.0/8 nor an address", flag, part)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// fromEnvironment sets each flag whose twin DLQ_… is set.
func fromEnvironment(set *flag.FlagSet, env environment) (err error) {
	set.VisitAll(func(f *flag.Flag) {
		twin := "DLQ_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v := env.get(twin); v != "" && err == nil {
			if e := set.Set(f.Name, v); e != nil {
				err = usageErrorf("%s=%q: %w", twin, v, e)
			}
		}
	})
	return err
}

// check refuses what cannot work, before anything is opened.
func (c *config) check(env environment, nameServers, retention, level string) error {
	c.nameServers = nil
	for _, s := range strings.FieldsFunc(nameServers, func(r rune) bool { return r == ';' || r == ',' }) {
		s = strings.TrimSpace(s)
		if _, port, err := net.SplitHostPort(s); err != nil {
			return usageErrorf("--namesrv %q is not host:port, for example 127.0.0.1:9876", s)
		} else if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return usageErrorf("--namesrv %q has no port between 1 and 65535", s)
		}
		c.nameServers = append(c.nameServers, s)
	}
	if _, _, err := net.SplitHostPort(c.listen); err != nil {
		return usageErrorf("--listen %q is not host:port, for example 127.0.0.1:8642", c.listen)
	}
	if c.publicURL != "" {
		if u, err := url.Parse(c.publicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return usageErrorf("--public-url %q is not an address such as https://dlq.example.com", c.publicURL)
		}
	}
	if (c.listenCert == "") != (c.listenKey == "") {
		return usageErrorf("--listen-cert and --listen-key belong together: one of them is empty")
	}
	keep, err := dlq.ParseDuration(retention)
	if err != nil || keep < dlq.Duration(time.Minute) {
		return usageErrorf("--retention %q is not a duration of at least 1m, for example 30d", retention)
	}
	c.retention = time.Duration(keep)
	if err := c.logLevel.UnmarshalText([]byte(level)); err != nil {
		return usageErrorf("--log-level %q is none of debug, info, warn, error", level)
	}
	if c.logFormat != "text" && c.logFormat != "json" {
		return usageErrorf("--log-format %q is neither text nor json", c.logFormat)
	}
	if c.secretKey, err = secret(c.secretKey, env); err != nil {
		return err
	}
	if (c.accessKey == "") != (c.secretKey == "") {
		return usageErrorf("--access-key and --secret-key belong together: one of them is empty")
	}
	for name, given := range map[string]bool{
		"ca": c.tlsCA != "", "cert": c.tlsCert != "", "key": c.tlsKey != "", "server-name": c.tlsServerName != "", "skip-verify": c.tlsSkipVerify,
	} {
		if given && !c.tls {
			return usageErrorf("--tls-%s has no effect without --tls", name)
		}
	}
	if (c.tlsCert == "") != (c.tlsKey == "") {
		return usageErrorf("--tls-cert and --tls-key belong together: one of them is empty")
	}
	if c.tlsServerName != "" && c.tlsSkipVerify {
		return usageErrorf("--tls-server-name has no effect with --tls-skip-verify, which checks no name")
	}
	return nil
}

// secret reads env:NAME or file:PATH. A literal would stand in the list of processes, so it is refused.
func secret(value string, env environment) (string, error) {
	if value == "" {
		return "", nil
	}
	source, name, _ := strings.Cut(value, ":")
	if name == "" || source != "env" && source != "file" {
		return "", usageErrorf("--secret-key takes env:NAME or file:PATH, so that the secret is not in the list of processes")
	}
	return outside.From(env.get)(yamlnode.Reference{Source: source, Value: name})
}

// tlsConfig returns nil when TLS is off.
func (c *config) tlsConfig() (*tls.Config, error) {
	if !c.tls {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.tlsServerName, InsecureSkipVerify: c.tlsSkipVerify}
	if c.tlsCert != "" {
		own, err := tls.LoadX509KeyPair(c.tlsCert, c.tlsKey)
		if err != nil {
			return nil, dlq.Errorf(dlq.CodeInvalid, "the files of --tls-cert and --tls-key are no certificate in PEM form with its key: %w", err)
		}
		t.Certificates = []tls.Certificate{own}
	}
	if c.tlsCA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.tlsCA)
	if err != nil {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the file of --tls-ca cannot be read: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the file of --tls-ca holds no certificate in PEM form")
	}
	if c.tlsSkipVerify {
		t.VerifyConnection = func(s tls.ConnectionState) error { return checkAuthority(s, t.RootCAs) }
	}
	return t, nil
}

// checkAuthority checks a server's certificate but for the name in it: RocketMQ's own guide makes certificates that have
// none but the Common Name, and its clients look at no name either.
func checkAuthority(s tls.ConnectionState, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

func (c *config) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.logLevel}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// scheme is how the page is served.
func (c *config) scheme() string {
	if c.listenCert != "" {
		return "https://"
	}
	return "http://"
}

// linkBase is where links in messages lead: the public URL, else the address that is listened on. It is "" where that
// address names no machine.
func linkBase(c config) string {
	host, _, err := net.SplitHostPort(c.listen)
	if ip := net.ParseIP(host); c.publicURL == "" && (err != nil || host == "" || ip != nil && ip.IsUnspecified()) {
		return ""
	}
	return consoleURL(c)
}
