package rocketmq

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"
	"unicode"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// explain adds to a public sentence why it is so, as far as the cause tells, and what to do.
func explain(e *dlq.Error, cause error) *dlq.Error {
	words, hint := because(cause)
	if words != "" {
		e.Message += ": " + words
	}
	if hint != "" {
		e.Hint = hint
	}
	return e
}

// because says in words why nodes did not answer as they should, and what to do about it: their own words where they said
// any. Both are "" where the cause tells a person nothing. Of several causes it tells the one that is worth most.
func because(err error) (words, hint string) {
	if words, hint = certificate(err); words != "" {
		return words, hint
	}
	var answer *remoting.ResponseError
	if errors.As(err, &answer) && answer.Remark != "" {
		return brief(answer.Remark), account(answer)
	}
	var dial *remoting.DialError
	at := ""
	if errors.As(err, &dial) {
		at = dial.Addr + " "
	}
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the name %s is not found", name.Name), ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return at + "refuses connections", ""
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, new(net.Error)) && timeout(err):
		return at + "did not answer in time", ""
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return at + "closed the connection", ""
	}
	return "", ""
}

func timeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// account says what to do about a refusal that is about the account: AclException of 4.9, code 16 and the exceptions of 5.x.
func account(answer *remoting.ResponseError) string {
	if answer.Code == remoting.AnswerNoPermission || accountWords.MatchString(answer.Remark) {
		return "check --access-key and --secret-key, and what that account may do"
	}
	return ""
}

var accountWords = regexp.MustCompile(`AclException|AuthenticationException|AuthorizationException`)

// certificate says what is wrong between two ends that speak TLS, or of which only one does.
func certificate(err error) (words, hint string) {
	var (
		host    x509.HostnameError
		signer  x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	at := "the server"
	var dial *remoting.DialError
	if errors.As(err, &dial) {
		at = dial.Addr
	}
	switch {
	case errors.As(err, &host):
		names := host.Certificate.DNSNames
		for _, ip := range host.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		if len(names) == 0 {
			return fmt.Sprintf("the certificate of %s names its server only as its Common Name (%s), which is no longer checked", at, brief(host.Certificate.Subject.CommonName)),
				"make the certificate anew with a subjectAltName, or start with --tls-skip-verify: with --tls-ca its authority is still checked"
		}
		return fmt.Sprintf("the certificate of %s is for %s, not for %s", at, brief(strings.Join(names, ", ")), host.Host),
			"name one of these with --tls-server-name, or start with --tls-skip-verify"
	case errors.As(err, &signer):
		issuer := ""
		if signer.Cert != nil {
			issuer = " (" + brief(signer.Cert.Issuer.String()) + ")"
		}
		return fmt.Sprintf("the certificate of %s is signed by an authority%s that is not trusted here", at, issuer),
			"give the authority's certificate with --tls-ca; a node in RocketMQ's test mode signs its own: --tls-skip-verify without --tls-ca takes any"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf("the certificate of %s is valid from %s to %s", at, invalid.Cert.NotBefore.UTC().Format(time.DateOnly), invalid.Cert.NotAfter.UTC().Format(time.DateOnly)),
			"make it anew, or check the clock of this machine"
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of %s is not valid: %s", at, brief(invalid.Error())), ""
	case errors.As(err, &record):
		return at + " does not speak TLS", "start without --tls, or switch TLS on there (tls.server.mode)"
	}
	if said := alertWords.FindStringSubmatch(err.Error()); said != nil {
		return "the server refuses this console's side of TLS: " + said[1], "where it asks for a client certificate, give one that it trusts with --tls-cert and --tls-key"
	}
	return "", ""
}

// alertWords finds an alert of the other end; its type is not exported by crypto/tls.
var alertWords = regexp.MustCompile(`remote error: tls: ([a-z ]+)`)

// brief makes a node's remark one line that is safe to show: some carry a whole Java stack.
func brief(remark string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(remark), "\n")
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, line)
	line = strings.Join(strings.Fields(line), " ")
	if r := []rune(line); len(r) > 200 {
		line = string(r[:200]) + "…"
	}
	return line
}
