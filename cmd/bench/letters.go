package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
)

const bodySize = 1024

var reasons = []string{"network_timeout", "system_error", "data_format_error", "business_validation_error", "payment_timeout", "inventory_shortage", "user_data_error", "unheard_of"}

// body is an order in JSON of about bodySize bytes.
func body(i int) []byte {
	head := fmt.Sprintf(`{"order_id":"ORD-%08d","customer":"客户%d","amount":"%d.50","failure_detail":"库存不足 in warehouse %d","lines":"`, i, i%5000, i%900, i%40)
	return []byte(head + strings.Repeat("abcdefgh ", (bodySize-len(head)-2)/9) + `"}`)
}

// properties are those of a dead letter as the broker makes it.
func properties(i int, topic string) map[string]string {
	return map[string]string{
		dlq.PropUniqueKey: randomHex(16), dlq.PropKeys: fmt.Sprintf("ORD-%08d", i), dlq.PropTags: "created", dlq.PropRetryTopic: topic,
		dlq.PropOriginID: "7F00000100002A9F" + fmt.Sprintf("%016X", i), dlq.PropRealTopic: "%RETRY%bench", "REAL_QID": "0", dlq.PropDelay: "0", "WAIT": "false",
		"FAILURE_REASON": reasons[i%len(reasons)], "FAILURE_DETAIL": fmt.Sprintf("attempt %d of order %d failed", i%7, i),
	}
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return strings.ToUpper(hex.EncodeToString(b))
}

// prepare makes a consumer group's topics and puts n dead letters into its DLQ.
func (b *bench) prepare(ctx context.Context, wire *remoting.Client, group string, n int) error {
	for _, topic := range []string{group + "-topic", dlq.RetryPrefix + group, dlq.DLQPrefix + group} {
		if err := wire.UpdateTopic(ctx, b.node.BrokerAddr(), remoting.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
			return err
		}
	}
	if err := wire.UpdateSubscriptionGroup(ctx, b.node.BrokerAddr(), remoting.SubscriptionGroup{Name: group, ConsumeEnable: true, RetryQueues: 1, RetryMaxTimes: 16}); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if _, err := wire.Route(ctx, b.node.NameServer(), dlq.DLQPrefix+group); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return b.feed(ctx, wire, group, n)
}

// feed sends n dead letters to a DLQ, sixteen at a time.
func (b *bench) feed(ctx context.Context, wire *remoting.Client, group string, n int) error {
	senders, ctx := errgroup.WithContext(ctx)
	senders.SetLimit(16)
	for i := range n {
		senders.Go(func() error {
			_, err := wire.SendMessage(ctx, b.node.BrokerAddr(), remoting.SendRequest{ProducerGroup: "bench", Topic: dlq.DLQPrefix + group, Body: body(i), Properties: properties(i, group+"-topic")})
			return err
		})
	}
	return senders.Wait()
}

// liveRules is a classifier with hundredRules in force, and their text.
func liveRules() (*classifier.Live, []byte, error) {
	rules, text, err := hundredRules()
	if err != nil {
		return nil, nil, err
	}
	live := classifier.NewLive()
	live.Swap(1, rules)
	return live, text, nil
}

// hundredRules is a rule set of a hundred rules, of which the letters reach the later ones.
func hundredRules() (*classifier.Ruleset, []byte, error) {
	var t strings.Builder
	t.WriteString("version: 1\nrules:\n")
	for i := range 92 {
		fmt.Fprintf(&t, "  - name: rule %d\n    match: {reason: reason_%d, consumer_group: {prefix: group-%d}, property.REGION: region-%d}\n    route: manual\n", i, i, i, i)
	}
	for _, r := range reasons[:7] {
		fmt.Fprintf(&t, "  - name: %s\n    match: {reason: %s}\n    route: manual\n", r, r)
	}
	t.WriteString("  - name: everything else\n    route: manual\n")
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(t.String()), &document); err != nil {
		return nil, nil, err
	}
	rules, found := classifier.Compile(document.Content[0])
	for _, d := range found {
		if d.Severity == dlq.DiagnosticError {
			return nil, nil, fmt.Errorf("the rules of the benchmark: line %d: %s", d.Line, d.Message.English)
		}
	}
	return rules, []byte(t.String()), nil
}
