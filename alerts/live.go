package alerts

import (
	"sync/atomic"
	"time"

	"deadletteroffice/alerts/notify"
	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

// Live holds the Config in force and tells its receivers in their own formats. It implements webhook.Format. All its
// methods may be called at any time.
type Live struct {
	opt     LiveOptions
	value   atomic.Pointer[inForce]
	swapped chan struct{}
}

// LiveOptions is how messages speak of this console. The zero value works: no links, times in UTC.
type LiveOptions struct {
	PublicURL string         // where people open the page; "" leaves links out
	Zone      *time.Location // of the times in chats; nil for UTC
}

type inForce struct {
	version int64
	config  *Config
}

// NewLive returns a Live without rules and receivers.
func NewLive(opt LiveOptions) *Live {
	l := &Live{opt: opt, swapped: make(chan struct{}, 1)}
	l.value.Store(&inForce{config: &Config{}})
	return l
}

// Swap puts another version of the rules in force. An Engine that watches looks at once.
func (l *Live) Swap(version int64, c *Config) {
	l.value.Store(&inForce{version: version, config: c})
	select {
	case l.swapped <- struct{}{}:
	default:
	}
}

// Prepare implements webhook.Format.
func (l *Live) Prepare(d *dlq.Delivery, now time.Time) (webhook.Prepared, error) {
	r := l.receiver(d.Receiver)
	if r == nil {
		return webhook.Prepared{}, dlq.Errorf(dlq.CodeNotFound, "the receiver %s is no longer in rules.yaml", d.Receiver)
	}
	target, err := r.target()
	if err != nil {
		return webhook.Prepared{}, err
	}
	return notify.Render(target, d, notify.Options{PublicURL: l.opt.PublicURL, Zone: l.opt.Zone, Now: now})
}

// Judge implements webhook.Format. A receiver that has been taken out of the file meanwhile is judged as the type that it
// had.
func (l *Live) Judge(d *dlq.Delivery, res webhook.Response, err error) webhook.Outcome {
	typ := d.Type
	if r := l.receiver(d.Receiver); r != nil {
		typ = r.typ
	}
	return notify.Judge(typ, res, err)
}

// PerMinute implements webhook.Format.
func (l *Live) PerMinute(receiver string) int {
	if r := l.receiver(receiver); r != nil {
		return r.perMinute
	}
	return 0
}

func (l *Live) receiver(name string) *receiver { return l.value.Load().config.receiver(name) }
