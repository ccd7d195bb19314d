package handlers

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"deadletteroffice/dlq"
)

// questionType is the type of the webhook that asks an endpoint to decide about a letter.
const questionType = "dlq.message.decide"

// maxQuestionBody is how many bytes of a message's body are sent to an endpoint. It has the keys to fetch the rest.
const maxQuestionBody = 64 << 10

// question is the body of a compensation request.
type question struct {
	Type      string            `json:"type"`
	Timestamp time.Time         `json:"timestamp"`
	UID       string            `json:"uid"` // the same on every attempt, and the webhook-id
	Attempt   int               `json:"attempt"`
	Deadline  time.Time         `json:"deadline"` // when the console stops listening
	Allowed   []dlq.CallVerdict `json:"allowed_verdicts"`
	Data      questionData      `json:"data"`
}

type questionData struct {
	LetterID       int64             `json:"letter_id,string"`
	Cluster        string            `json:"cluster"`
	ConsumerGroup  string            `json:"consumer_group"`
	DLQTopic       string            `json:"dlq_topic"`
	OriginTopic    string            `json:"origin_topic"` // "" when it cannot be told
	OriginID       string            `json:"origin_msg_id"`
	MessageID      string            `json:"msg_id"`
	UniqueKey      string            `json:"unique_key"`
	Keys           []string          `json:"keys"`
	Tags           string            `json:"tags"`
	Properties     map[string]string `json:"properties"`
	ReconsumeTimes int               `json:"reconsume_times"`
	Deaths         int               `json:"deaths"`
	BornAt         time.Time         `json:"born_at"`
	StoredAt       time.Time         `json:"stored_at"`
	Body           questionBody      `json:"body"`
	Classification questionWhy       `json:"classification"`
	Replays        []questionReplay  `json:"replays"` // newest first
}

// questionBody is the message's body; of a message in an envelope it is the inner one, which a replay would send.
type questionBody struct {
	Encoding  string          `json:"encoding"` // json, utf8 or base64
	Content   json.RawMessage `json:"content"`
	Size      int             `json:"size"` // bytes of the whole body
	Truncated bool            `json:"truncated"`
	SHA256    string          `json:"sha256"` // of the whole body, lower-case hex
}

type questionWhy struct {
	Reason      string           `json:"reason"`
	ReasonText  string           `json:"reason_text,omitempty"`
	Origin      dlq.ReasonOrigin `json:"reason_origin"`
	Business    string           `json:"business,omitempty"`
	Envelope    string           `json:"envelope,omitempty"`
	Rule        string           `json:"rule"`
	RuleVersion int64            `json:"rule_version"`
	Fingerprint string           `json:"fingerprint"`
}

type questionReplay struct {
	At     time.Time   `json:"at"`
	Result dlq.Outcome `json:"result"`
}

// ask writes the request's body.
func ask(call dlq.Call, d dlq.Detail, m dlq.DeadMessage, body []byte, now time.Time, timeout time.Duration) ([]byte, error) {
	q := question{
		Type: questionType, Timestamp: now.UTC(), UID: call.ID, Attempt: call.Attempts, Deadline: now.Add(timeout).UTC(),
		Allowed: allowed(d.Letter),
		Data: questionData{
			LetterID: d.ID, Cluster: d.Cluster, ConsumerGroup: d.ConsumerGroup, DLQTopic: d.DLQTopic, OriginTopic: d.Topic,
			OriginID: d.OriginMessageID, MessageID: d.MessageID, UniqueKey: d.UniqueKey, Keys: d.Keys, Tags: d.Tags,
			Properties: m.Properties, ReconsumeTimes: d.Attempts, Deaths: d.Deaths, BornAt: d.BornAt.UTC(), StoredAt: d.DiedAt.UTC(),
			Body: describeBody(body),
			Classification: questionWhy{
				Reason: d.Reason, ReasonText: d.ReasonText, Origin: d.ReasonOrigin, Business: d.Business, Envelope: d.Envelope,
				Rule: d.Rule, RuleVersion: d.RuleVersion, Fingerprint: d.Fingerprint,
			},
			Replays: []questionReplay{},
		},
	}
	for _, r := range d.ReplayList {
		q.Data.Replays = append(q.Data.Replays, questionReplay{At: r.IntendedAt.UTC(), Result: r.Outcome})
	}
	if q.Data.Keys == nil {
		q.Data.Keys = []string{}
	}
	if q.Data.Properties == nil {
		q.Data.Properties = map[string]string{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(q); err != nil {
		return nil, fmt.Errorf("write the question about letter %d: %w", d.ID, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// allowed lists what an endpoint may answer. A letter whose original topic is unknown cannot be replayed, and one that is
// quarantined shall not be: endpoint and consumer would pass it to each other for ever.
func allowed(l dlq.Letter) []dlq.CallVerdict {
	if l.Topic == "" || l.HasFlag(dlq.FlagQuarantined) {
		return []dlq.CallVerdict{dlq.CallDone, dlq.CallCompensated, dlq.CallRetry, dlq.CallManual}
	}
	return []dlq.CallVerdict{dlq.CallDone, dlq.CallCompensated, dlq.CallReplay, dlq.CallRetry, dlq.CallManual}
}

// describeBody puts a body into JSON without changing it: a JSON body as it is, with every digit of its numbers; other
// text as text, anything else, and what was cut in the middle of a character, as base64.
func describeBody(body []byte) questionBody {
	sum := sha256.Sum256(body)
	q := questionBody{Size: len(body), SHA256: hex.EncodeToString(sum[:]), Truncated: len(body) > maxQuestionBody}
	if q.Truncated {
		body = body[:maxQuestionBody]
	}
	switch {
	case !q.Truncated && utf8.Valid(body) && json.Valid(body):
		q.Encoding, q.Content = "json", body
	case utf8.Valid(body):
		q.Encoding, q.Content = "utf8", quote(string(body))
	default:
		q.Encoding, q.Content = "base64", quote(base64.StdEncoding.EncodeToString(body))
	}
	return q
}

func quote(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage(`""`) // a valid string always has a JSON form
	}
	return b
}
