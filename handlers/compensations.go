package handlers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/outside"
	"deadletteroffice/rulebook/yamlnode"
	"deadletteroffice/webhook"

	"go.yaml.in/yaml/v3"
)

// CompensationsKey is the section of rules.yaml that CompileCompensations reads.
const CompensationsKey = "compensations"

// Codes of findings in the section compensations, beside those of yamlnode.
const (
	DiagnosticCompensationOff = "compensation-off" // its URL or secret is empty or unusable: it is not asked
	DiagnosticBadSecret       = "bad-secret"       // a literal secret that cannot sign
)

// Defaults of a compensation.
const (
	defaultCallTimeout = 10 * time.Second
	defaultCallDelay   = 30 * time.Second
	defaultCallBackoff = 2
	defaultCallMax     = 8
	longestCallDelay   = 24 * time.Hour
)

// Compensation is one endpoint of the section compensations of rules.yaml.
type Compensation struct {
	Name    string
	Timeout time.Duration // of one request
	Retry   dlq.RetryPlan // Max is how many attempts may fail

	url, secret yamlnode.Reference
	lookup      outside.Lookup
	off         bool        // when it was compiled, its URL or secret was empty or unusable
	retired     atomic.Bool // it answered 410; asked again only after the rules were loaded anew
}

// Disabled reports whether the endpoint is not asked: its URL or its secret is empty, or it said that it is gone.
func (c *Compensation) Disabled() bool { return c.off || c.retired.Load() }

// target reads the URL and the secrets. A file is read each time, so that a changed secret needs no reload. Errors do
// not repeat the values.
func (c *Compensation) target() (string, []webhook.Secret, error) {
	url, err := c.lookup(c.url)
	if err != nil {
		return "", nil, fmt.Errorf("url: %w", err)
	}
	if err := webhook.CheckURL(url); err != nil {
		return "", nil, err
	}
	text, err := c.lookup(c.secret)
	if err != nil {
		return "", nil, fmt.Errorf("secret: %w", err)
	}
	secrets, err := webhook.ParseSecrets(text)
	return url, secrets, err
}

// Compensations are the endpoints of one version of rules.yaml.
type Compensations struct {
	byName map[string]*Compensation
}

// Names lists the endpoints, sorted.
func (c *Compensations) Names() []string { return slices.Sorted(maps.Keys(c.byName)) }

// CompileCompensations reads the section compensations of a rules file, root being the mapping of the whole document. A
// URL or secret that stands outside the file and is missing or unusable switches its compensation off with a hint or a
// warning; it does not make the file wrong.
func CompileCompensations(root *yaml.Node, lookup outside.Lookup) (*Compensations, []dlq.Diagnostic) {
	all := &Compensations{byName: map[string]*Compensation{}}
	r := &yamlnode.Reader{}
	section := sectionOf(root)
	if yamlnode.Null(section) {
		return all, nil
	}
	names, _ := r.FreeMap(section, CompensationsKey)
	for _, e := range names.Entries {
		if name, ok := r.Name(e.Key, "a compensation's name"); ok {
			if c := compileCompensation(r, name, e, lookup); c != nil {
				all.byName[name] = c
			}
		}
	}
	return all, r.Diagnostics()
}

func sectionOf(root *yaml.Node) *yaml.Node {
	if root == nil || root.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == CompensationsKey {
			return root.Content[i+1]
		}
	}
	return nil
}

func compileCompensation(r *yamlnode.Reader, name string, e yamlnode.Entry, lookup outside.Lookup) *Compensation {
	m, ok := r.Map(e.Value, name, []string{"url", "secret", "timeout", "retry"})
	if !ok {
		return nil
	}
	c := &Compensation{Name: name, Timeout: defaultCallTimeout, lookup: lookup, Retry: dlq.RetryPlan{
		Delay: dlq.Duration(defaultCallDelay), Backoff: defaultCallBackoff, Max: defaultCallMax, MaxDelay: dlq.Duration(longestCallDelay),
	}}
	var okURL, okSecret bool
	urlNode, secretNode := r.Require(m, name, "url"), r.Require(m, name, "secret")
	c.url, okURL = r.URL(urlNode, "url")
	c.secret, okSecret = r.Secret(secretNode, "secret")
	if d, ok := r.Duration(m.Get("timeout"), "timeout", 100*time.Millisecond, webhook.MaxTimeout); ok {
		c.Timeout = time.Duration(d)
	}
	if retry, ok := r.Map(m.Get("retry"), "retry", []string{"delay", "backoff", "max"}); ok {
		if d, ok := r.Duration(retry.Get("delay"), "delay", time.Second, longestCallDelay); ok {
			c.Retry.Delay = d
		}
		if f, ok := r.Number(retry.Get("backoff"), "backoff", 1, 10); ok {
			c.Retry.Backoff = f
		}
		if n, ok := r.Int(retry.Get("max"), "max", 1, 100); ok {
			c.Retry.Max = int(n)
		}
	}
	if okURL {
		c.check(r, urlNode, c.url, yamlnode.CodeBadURL, webhook.CheckURL)
	}
	if okURL && okSecret {
		c.check(r, secretNode, c.secret, DiagnosticBadSecret, func(s string) error { _, err := webhook.ParseSecrets(s); return err })
	}
	return c
}

// check tries a value. One in the file that is wrong is the file's error. One outside the file switches the compensation
// off: with a hint where it is simply not there, for then nobody meant it to be asked, else with a warning.
func (c *Compensation) check(r *yamlnode.Reader, n *yaml.Node, ref yamlnode.Reference, code string, try func(string) error) {
	value, err := c.lookup(ref)
	absent := err != nil
	if err == nil {
		err = try(value)
	}
	if err == nil || errors.Is(err, outside.ErrSealed) {
		return
	}
	if ref.Source == "" {
		r.Error(n, code, yamlnode.Say("%s: %s", "%s：%s", c.Name, dlq.SentenceOf(err, dlq.Unexpected)), "")
		return
	}
	text := yamlnode.Say("the compensation %s is not asked: %s", "补偿 %s 不会被调用：%s", c.Name, dlq.SentenceOf(err, dlq.Unexpected))
	if absent {
		text.Chinese = fmt.Sprintf("补偿 %s 不会被调用：%s", c.Name, outside.Nothing(ref).Chinese)
	}
	if absent && ref.Source == "env" && !c.off {
		r.Hint(n, DiagnosticCompensationOff, text, "")
	} else if !c.off {
		r.Warn(n, DiagnosticCompensationOff, text, "")
	}
	c.off = true
}

// LiveCompensations are the endpoints in force. They are exchanged as a whole while calls are made. The zero value has
// none.
type LiveCompensations struct {
	value atomic.Pointer[Compensations]
}

// Swap puts other endpoints in force. Calls that are under way end as they began.
func (l *LiveCompensations) Swap(c *Compensations) { l.value.Store(c) }

// Enabled reports whether an endpoint of that name can be asked.
func (l *LiveCompensations) Enabled(name string) bool {
	c := l.find(name)
	return c != nil && !c.Disabled()
}

// Names lists the endpoints in force, sorted.
func (l *LiveCompensations) Names() []string {
	if c := l.value.Load(); c != nil {
		return c.Names()
	}
	return nil
}

func (l *LiveCompensations) find(name string) *Compensation {
	if c := l.value.Load(); c != nil {
		return c.byName[name]
	}
	return nil
}
