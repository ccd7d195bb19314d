package classifier

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// source is one place where a fact may stand.
type source struct {
	name     string // as the file writes it
	origin   dlq.ReasonOrigin
	property string
	slot     int // of a body field
}

// Longest facts, in bytes. Reasons are codes and class names, texts are a few lines; a body may hold anything.
const (
	maxReason = 512
	maxText   = 4096
)

// findFacts finds out what is known; report and probe may be nil. The body is read once at most, whatever is asked.
func (s *subject) findFacts(report *dlq.Report, probe *dlq.Probe) {
	f := s.facts
	f.Reason, f.Origin, f.Topic = dlq.ReasonUnknown, dlq.OriginUnknown, s.m.OriginalTopic
	wrap := s.envelope()
	if wrap != nil {
		f.Envelope, f.Topic = wrap.name, s.innerTopic(wrap)
	}
	for i := range s.rules.reason {
		src := &s.rules.reason[i]
		if reason := s.ask(src, wrap, heard{report, probe}, false); reason != "" {
			f.Reason, f.Origin, f.Field = dlq.Cut(firstLine(reason), maxReason), src.origin, src.name
			if src.origin == dlq.OriginReport {
				f.Origin = report.Origin()
			}
			break
		}
	}
	for i := range s.rules.text {
		if text := s.ask(&s.rules.text[i], wrap, heard{report, probe}, true); text != "" {
			f.ReasonText = dlq.Cut(text, maxText)
			break
		}
	}
	for i := range s.rules.business {
		if business := s.askBusiness(&s.rules.business[i], wrap); business != "" {
			f.Business = dlq.Cut(firstLine(business), maxReason)
			break
		}
	}
	if n, err := strconv.ParseInt(scalar(s.body(s.rules.retryCount)), 10, 64); err == nil {
		f.RetryCount = &n
	}
	if !s.lean {
		f.Fingerprint = fingerprint(f.Reason, f.ReasonText)
	}
	s.inherit(s.j.Earlier)
}

// inherit lets the newest reason that is known stand for a death that does not say why.
func (s *subject) inherit(earlier *dlq.Cause) {
	f := s.facts
	if !earlier.Known() || !f.Guessed() || f.Origin == dlq.OriginUnboundReport {
		return
	}
	f.Own = &dlq.Cause{Reason: f.Reason, Text: f.ReasonText, Origin: f.Origin, Field: f.Field, Fingerprint: f.Fingerprint}
	f.ReasonDeath = earlier.Death
	f.Reason, f.ReasonText, f.Origin, f.Field, f.Fingerprint = earlier.Reason, earlier.Text, earlier.Origin, earlier.Field, earlier.Fingerprint
	if f.Fingerprint == "" && !s.lean {
		f.Fingerprint = fingerprint(f.Reason, f.ReasonText)
	}
}

// own is what the newest death itself says.
func (s *subject) own() dlq.Cause {
	if f := s.facts; f.Own == nil {
		return dlq.Cause{Reason: f.Reason, Text: f.ReasonText, Origin: f.Origin}
	}
	return *s.facts.Own
}

// heard is what others told of the message; nil for nothing.
type heard struct {
	report *dlq.Report
	probe  *dlq.Probe
}

// ask asks one source for a reason or, with text, for what it says about it; "" when it does not answer.
func (s *subject) ask(src *source, wrap *envelope, h heard, text bool) string {
	switch src.origin {
	case dlq.OriginProperty:
		return strings.TrimSpace(bodytext.Readable(s.m.Properties[src.property]))
	case dlq.OriginBody:
		return scalar(s.body(src.slot))
	case dlq.OriginEnvelope:
		if wrap != nil && !text {
			return scalar(s.body(wrap.reason))
		}
	case dlq.OriginReport:
		if h.report != nil && text {
			return strings.TrimSpace(h.report.ReasonText)
		}
		if h.report != nil {
			return strings.TrimSpace(h.report.Reason)
		}
	case dlq.OriginProbe:
		if h.probe != nil && text {
			return strings.TrimSpace(h.probe.Text)
		}
		if h.probe != nil {
			return strings.TrimSpace(h.probe.Reason)
		}
	case dlq.OriginBroker:
		return brokerReason(s.m)
	}
	return ""
}

func (s *subject) askBusiness(src *source, wrap *envelope) string {
	if src.origin == dlq.OriginEnvelope {
		if wrap == nil {
			return ""
		}
		return scalar(s.body(wrap.business))
	}
	return s.ask(src, wrap, heard{}, true)
}

// scalar is the text of a field that is a text, a number or a truth value.
func scalar(v fieldValue) string {
	if v.kind == jsonText || v.kind == jsonPlain {
		return strings.TrimSpace(v.text)
	}
	return ""
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// defaultLimit is how many retries a consumer group has when nobody says otherwise (apache/rocketmq
// SubscriptionGroupConfig.retryMaxTimes). The dead copy of a message that failed them all has one more.
const defaultLimit = 16

// brokerReason is what the dead copy itself tells: ReasonRetriesExhausted where no other way leads to such a copy, else
// "". A copy with few attempts may come from a consumer that gave the message up at once, from a consumer group with a
// low limit, or from a Go orderly consumer, whose copies always show 1; nothing on the copy tells them apart, so
// ReasonRejected is never guessed here.
func brokerReason(m *dlq.DeadMessage) string {
	// An orderly Java consumer writes its limit on the message (apache/rocketmq ConsumeMessageOrderlyService.sendMessageBack).
	if limit, err := strconv.Atoi(m.Properties["MAX_RECONSUME_TIMES"]); err == nil && limit > 0 && m.ReconsumeTimes >= limit {
		return dlq.ReasonRetriesExhausted
	}
	// Only the proxy moves copies out of a gRPC consumer group's own retry topic, and only after the last attempt
	// (apache/rocketmq PopMessageResultFilterImpl).
	if tail, ok := strings.CutPrefix(m.Properties[dlq.PropRetryTopic], dlq.RetryPrefix+m.ConsumerGroup); ok && len(tail) > 1 && (tail[0] == '_' || tail[0] == '+') {
		return dlq.ReasonRetriesExhausted
	}
	if m.ReconsumeTimes > defaultLimit {
		return dlq.ReasonRetriesExhausted
	}
	return ""
}

// fingerprint is the same for letters that died alike: 16 hex digits of the reason and its masked text.
func fingerprint(reason, text string) string {
	sum := sha256.Sum256([]byte(reason + "\x00" + Mask(text)))
	return hex.EncodeToString(sum[:8])
}
