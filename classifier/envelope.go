package classifier

import (
	"encoding/base64"
	"strings"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// envelope is a body that wraps the message that really failed. Its fields are slots; reason and business may be -1.
type envelope struct {
	name      string
	topic     int
	body      int
	reason    int
	business  int
	encoding  string // base64, text or json
	topicName string // as the file writes it, for sentences
	bodyName  string
}

// envelope returns the first envelope whose topic and body are both there; nil for none. What an application has compressed
// is opened for reading alone: a replay sends it as it is, so no envelope inside it counts.
func (s *subject) envelope() *envelope {
	for i := range s.rules.envelopes {
		e := &s.rules.envelopes[i]
		if topic := s.body(e.topic); topic.kind == jsonText && strings.TrimSpace(topic.text) != "" && s.body(e.body).kind != absent {
			if s.opened {
				return nil
			}
			return e
		}
	}
	return nil
}

// innerTopic is the topic that the envelope names, or "" when no message may be sent there.
func (s *subject) innerTopic(e *envelope) string {
	topic := strings.TrimSpace(s.body(e.topic).text)
	if !plainTopic(topic) {
		return ""
	}
	return topic
}

// plainTopic reports whether the name is that of an application's topic. Envelopes come from outside: one that names a
// retry topic of another consumer group, or a topic of the broker's own, must lead nowhere
// (apache/rocketmq TopicValidator has the list and the characters).
func plainTopic(name string) bool {
	if name == "" || len(name) > 127 || strings.HasPrefix(strings.ToLower(name), "rmq_sys_") {
		return false
	}
	switch name {
	case "TBW102", "SCHEDULE_TOPIC_XXXX", "BenchmarkTest", "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRACE_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC",
		"TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "CHECKPOINT_TOPIC":
		return false
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '|') {
			return false
		}
	}
	return true
}

// Unwrap returns the message inside the envelope and its topic: what a replay sends. wrapped is false, and everything
// else empty, for a body that no envelope wraps. The error is CodeRefused: the envelope is there, but what it holds
// cannot be taken out as the file says or may not be sent where it says; nothing is guessed.
func (r *Ruleset) Unwrap(m *dlq.DeadMessage) (body []byte, topic string, wrapped bool, err error) {
	s := subject{rules: r, m: m, facts: &dlq.Facts{}}
	e := s.envelope()
	if e == nil {
		return nil, "", false, nil
	}
	if topic = s.innerTopic(e); topic == "" {
		return nil, "", true, dlq.Errorf(dlq.CodeRefused, "the envelope %q names no topic that a message may be sent to", e.name).
			WithHint("its field %s must hold the name of an application's topic", e.topicName)
	}
	v := s.body(e.body)
	if e.encoding == "json" {
		return s.inCharset(v.raw, e, topic)
	}
	if v.kind != jsonText {
		return nil, "", true, dlq.Errorf(dlq.CodeRefused, "the field %s of the envelope %q is not a text", e.bodyName, e.name).
			WithHint("if it holds JSON, set encoding: json for this envelope in rules.yaml")
	}
	if e.encoding == "text" {
		return s.inCharset(v.text, e, topic)
	}
	body, err = base64.StdEncoding.DecodeString(v.text)
	if err != nil {
		body, err = base64.RawStdEncoding.DecodeString(v.text)
	}
	if err != nil {
		return nil, "", true, dlq.Errorf(dlq.CodeRefused, "the field %s of the envelope %q is not base64", e.bodyName, e.name).
			WithHint("set encoding: text for this envelope in rules.yaml if it holds the message as it is")
	}
	return body, topic, true, nil
}

// inCharset returns the message inside the envelope in the charset of the envelope, as its consumers read it.
func (s *subject) inCharset(text string, e *envelope, topic string) ([]byte, string, bool, error) {
	body, err := bodytext.Encode(text, s.charset, nil)
	if err != nil {
		return nil, "", true, dlq.Errorf(dlq.CodeRefused, "the field %s of the envelope %q cannot be written: %v", e.bodyName, e.name, err).
			WithHint("the body is written in %s, which lacks a character that the field holds as an escape", s.charset)
	}
	return body, topic, true, nil
}
