package remoting

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// BrokerConfig asks a broker for its configuration. A key that the broker's version does not know is absent:
// "timerWheelEnable" exists only where the timer wheel does. ACL settings of 5.x are not shown.
func (c *Client) BrokerConfig(ctx context.Context, broker string) (map[string]string, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestBrokerConfig})
	if err != nil {
		return nil, err
	}
	cfg, err := parseProperties(ans.Body)
	if err != nil {
		return nil, fmt.Errorf("decode broker config: %w", err)
	}
	return cfg, nil
}

// BrokerRuntimeInfo asks a broker for its runtime figures; "brokerVersionDesc" is its version, as "V5_5_0". A 4.9
// broker fails with AnswerSystemError in its first seconds, before it has sampled its figures once.
func (c *Client) BrokerRuntimeInfo(ctx context.Context, broker string) (map[string]string, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestBrokerRuntimeInfo})
	if err != nil {
		return nil, err
	}
	var body struct {
		Table map[string]text `json:"table"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return nil, fmt.Errorf("decode broker runtime info: %w", err)
	}
	info := make(map[string]string, len(body.Table))
	for k, v := range body.Table {
		info[k] = string(v)
	}
	return info, nil
}

// parseProperties reads Java properties text: "key=value" lines. Brokers print values unescaped
// (MixAll.properties2String), so backslashes are kept as they are, and only the first "=" separates.
func parseProperties(b []byte) (map[string]string, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	cfg := map[string]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' || trimmed[0] == '!' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		cfg[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return cfg, nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
