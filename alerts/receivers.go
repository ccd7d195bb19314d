package alerts

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/alerts/notify"
	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/outside"
	"deadletteroffice/rulebook/yamlnode"
	"deadletteroffice/webhook"
)

// Defaults of a receiver.
const (
	defaultWait     = 10 * time.Second
	defaultInterval = time.Minute
	defaultRepeat   = 4 * time.Hour
	// chatPerMinute keeps below the 20 messages a minute at which DingTalk locks a robot out for ten minutes; WeCom has the
	// same limit, and the other chats get the same for the sake of their readers.
	chatPerMinute = 15
	// pushEvery is how often an Alertmanager hears that an alert still fires: it takes one for over that it hears no more of,
	// five minutes after the last push.
	pushEvery = time.Minute
)

// receiver is one entry of the section receivers.
type receiver struct {
	name, typ      string
	format, locale string
	wait           time.Duration // how long the first news waits for more
	interval       time.Duration // least time between two messages
	repeat         time.Duration // after which what still fires is told again; 0 for never
	resolved       bool          // it is told of the end, too
	perMinute      int           // 0 for no limit

	url, secret yamlnode.Reference
	lookup      outside.Lookup
}

// receiverTypes are the names of what a receiver can be.
func receiverTypes() []string {
	var types []string
	for _, k := range notify.Kinds {
		types = append(types, k.Type)
	}
	return types
}

// kind is what its type is like; that of none where the type is not known.
func (r *receiver) kind() notify.Kind {
	k, _ := notify.KindOf(r.typ)
	return k
}

// pushed reports whether the receiver keeps the state of alerts itself, so that it is told again and again.
func (r *receiver) pushed() bool { return r.kind().Pushed }

// target reads the URL and the secrets. A file is read each time, so that a changed secret needs no reload. The error is
// CodeRefused, with a sentence that does not repeat the values.
func (r *receiver) target() (notify.Receiver, error) {
	out := notify.Receiver{Name: r.name, Type: r.typ, Format: r.format, Locale: r.locale}
	var err error
	if out.URL, err = r.lookup(r.url); err != nil {
		return out, err
	}
	if err := webhook.CheckURL(out.URL); err != nil {
		return out, dlq.Errorf(dlq.CodeRefused, "%s", dlq.SentenceOf(err, dlq.Unexpected))
	}
	if r.secret == (yamlnode.Reference{}) {
		return out, nil
	}
	if out.Secret, err = r.lookup(r.secret); err != nil {
		return out, err
	}
	if r.typ == notify.TypeWebhook {
		if out.Secrets, err = webhook.ParseSecrets(out.Secret); err != nil {
			return out, dlq.Errorf(dlq.CodeRefused, "the secret cannot sign: %s", dlq.SentenceOf(err, dlq.Unexpected))
		}
		out.Secret = ""
	}
	return out, nil
}

// disabled says why the receiver cannot be told anything; "" when it can.
func (r *receiver) disabled() string {
	if _, err := r.target(); err != nil {
		return dlq.SentenceOf(err, dlq.Unexpected)
	}
	return ""
}

// needs is what to set so that the receiver can be told, as rules.yaml writes it: the first reference that does not lead
// to anything usable.
func (r *receiver) needs() string {
	ref := r.url
	if r.reached() {
		ref = r.secret
	}
	if ref.Source == "" || ref.Source == yamlnode.SourceHidden {
		return ""
	}
	return ref.Source + ":" + ref.Value
}

// reached reports whether the address at least is there and can be called.
func (r *receiver) reached() bool {
	text, err := r.lookup(r.url)
	return err == nil && webhook.CheckURL(text) == nil
}

// host is the scheme and the host of the URL. What follows them is often the secret.
func (r *receiver) host() string {
	t, _ := r.target() // what is wrong with it is said by disabled
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// receiverDefaults fills in what the file leaves out.
func receiverDefaults(r *receiver) {
	r.wait, r.interval, r.repeat, r.resolved = defaultWait, defaultInterval, defaultRepeat, true
	r.locale = cmp.Or(r.kind().Locale, notify.LocaleEnglish)
	if r.kind().Chat {
		r.perMinute = chatPerMinute
	}
	if r.pushed() {
		r.wait, r.interval, r.repeat = 0, 0, pushEvery
	}
}

func (g *grammar) readReceivers(n *yaml.Node) {
	all, _ := g.FreeMap(n, "receivers")
	if len(all.Entries) > maxReceivers {
		g.Error(all.Entries[maxReceivers].Key, CodeTooMany, yamlnode.Say("a file holds at most %d receivers", "一个文件最多有 %d 个接收方", maxReceivers), "")
		all.Entries = all.Entries[:maxReceivers]
	}
	for _, e := range all.Entries {
		g.Name(e.Key, "receiver")
		g.names = append(g.names, e.Name)
		if m, ok := g.Map(e.Value, "receiver", receiverKeys); ok {
			g.readReceiver(e.Name, m)
		}
	}
}

func (g *grammar) readReceiver(name string, m yamlnode.Map) {
	r := &receiver{name: name, lookup: g.lookup}
	typ, known := g.OneOf(g.Require(m, "receiver", "type"), "type", receiverTypes())
	r.typ = typ
	receiverDefaults(r)
	var okURL, okSecret bool
	r.url, okURL = g.URL(g.Require(m, "receiver", "url"), "url")
	r.secret, okSecret = g.Secret(m.Get("secret"), "secret")
	if format, ok := g.OneOf(m.Get("format"), "format", receiverFormats); ok && format != formatNative {
		r.format = format
	}
	if locale, ok := g.OneOf(m.Get("locale"), "locale", locales); ok {
		r.locale = locale
	}
	const day = 24 * time.Hour
	duration := func(key string, most time.Duration, into *time.Duration) {
		if d, ok := g.Duration(m.Get(key), key, 0, most); ok && !r.pushed() {
			*into = time.Duration(d)
		}
	}
	duration("wait", time.Hour, &r.wait)
	duration("interval", day, &r.interval)
	duration("repeat", 30*day, &r.repeat)
	if told, ok := g.Bool(m.Get("resolved"), "resolved"); ok && !r.pushed() {
		r.resolved = told
	}
	if n, ok := g.Int(m.Get("per_minute"), "per_minute", 1, 1000); ok {
		r.perMinute = int(n)
	}
	if known {
		g.idle(m, r)
	}
	if known && okURL && (okSecret || m.Get("secret") == nil) {
		g.reachable(m, r)
	}
	g.config.receivers = append(g.config.receivers, r)
}

// idle warns of keys that do nothing for this type of receiver.
func (g *grammar) idle(m yamlnode.Map, r *receiver) {
	idle := func(keys ...string) {
		for _, key := range keys {
			if m.Get(key) != nil {
				g.Warn(m.Key(key), CodeNoEffect, yamlnode.Say("%s has no effect for type %s", "%s 对类型 %s 不起作用", key, r.typ), "")
			}
		}
	}
	if r.typ != notify.TypeWebhook {
		idle("format")
	}
	if r.pushed() {
		idle("wait", "interval", "repeat", "resolved")
	}
	if !r.kind().Signed {
		idle("secret")
	}
}

// reachable tries the values. One in the file that is wrong is the file's error. One outside the file disables the
// receiver: with a hint where it is simply not there, for then nobody meant it to be told, else with a warning.
func (g *grammar) reachable(m yamlnode.Map, r *receiver) {
	_, err := r.target()
	if err == nil || errors.Is(err, outside.ErrSealed) {
		return
	}
	at, ref := m.Get("url"), r.url
	if r.reached() {
		at, ref = m.Get("secret"), r.secret
	}
	_, missing := r.lookup(ref)
	absent := missing != nil
	text := yamlnode.Say("the receiver %s is not told anything: %s", "接收方 %s 不会收到任何消息：%s", yamlnode.Show(r.name), dlq.SentenceOf(err, dlq.Unexpected))
	switch {
	case ref.Source == "":
		g.Error(at, CodeBadReceiver, text, "")
	case absent:
		text.Chinese = fmt.Sprintf("接收方 %s 不会收到任何消息：%s", yamlnode.Show(r.name), outside.Nothing(ref).Chinese)
		if ref.Source == "env" {
			g.Hint(at, CodeReceiverOff, text, "")
			return
		}
		fallthrough
	default:
		g.Warn(at, CodeReceiverOff, text, "")
	}
}
