package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Reporter tells the console why a message failed. RocketMQ keeps no failure text on a dead letter, so a consumer that
// wants its reason known says so itself: one call beside its own error log.
type Reporter struct {
	URL    string // …/api/v1/reports
	Token  string // of the role reporter; "" for a console without tokens
	Client *http.Client
}

// Report is one failure. Any one of UniqueKey, MessageID and Key names the message.
type Report struct {
	ConsumerGroup string `json:"consumer_group"`
	UniqueKey     string `json:"unique_key,omitempty"`
	MessageID     string `json:"message_id,omitempty"`
	Key           string `json:"key,omitempty"`
	Reason        string `json:"reason"`
	ReasonText    string `json:"reason_text,omitempty"`
}

// Send reports one failure. It may be called before the message is dead: the console keeps it until the letter arrives.
func (r *Reporter) Send(ctx context.Context, report Report) error {
	body, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the report's request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if r.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.Token)
	}
	answer, err := r.Client.Do(request)
	if err != nil {
		return fmt.Errorf("send the report: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		return fmt.Errorf("the console refused the report: %s: %s", answer.Status, text)
	}
	return nil
}
