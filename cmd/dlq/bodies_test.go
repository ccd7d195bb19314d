package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"deadletteroffice/bodytext"
	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// A letter of which the body is GB18030 is shown as text, found, classified with a readable reason, edited as text, and what
// the consumer group gets is GB18030 again.
func TestBodyInGB18030(t *testing.T) {
	t.Parallel()
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) { t.Parallel(); bodyInGB18030(t, node.Shared(t, version)) })
	}
}

func bodyInGB18030(t *testing.T, n *node.Node) {
	w := newWorld(t, n, 1)
	body, err := hex.DecodeString("7b226f726465724e6f223a22b6a9b5a53230323630313031222c22c2f2bcd2223a22d5c5c8fd222c226661696c7572655f726561736f6e223a22" +
		"6e6574776f726b5f74696d656f7574222c226661696c7572655f64657461696c223a22c1acbdd3b3accab1227d")
	if err != nil {
		t.Fatal(err)
	}
	dead := remoting.SendRequest{ProducerGroup: "feeder", Topic: "%DLQ%" + w.group, Body: body,
		Properties: map[string]string{dlq.PropUniqueKey: randomHex(16), dlq.PropKeys: "GB-1", dlq.PropTags: "付款", dlq.PropRetryTopic: w.topic, dlq.PropRealTopic: "%RETRY%" + w.group}}
	if _, err := w.wire.SendMessage(t.Context(), n.BrokerAddr(), dead); err != nil {
		t.Fatal(err)
	}
	c := startConsole(t, t.TempDir()+"/dlq.db", freeAddress(t), "--namesrv", n.NameServer())
	eventually(t, time.Minute, "the letter arrives", func() error { return w.arrived(c) })
	var l dlq.Letter
	for _, q := range []string{"张三", "连接超时", "付款", "GB-1"} {
		l = found(t, c, w.group, q)
	}
	if l.Reason != "network_timeout" || l.ReasonText != "连接超时" {
		t.Errorf("reason %q, text %q", l.Reason, l.ReasonText)
	}
	path := fmt.Sprintf("/letters/%d", l.ID)
	var said struct{ Charset, Text string }
	if err := c.get(path+"/text", &said); err != nil {
		t.Fatal(err)
	}
	const text = `{"orderNo":"订单20260101","买家":"张三","failure_reason":"network_timeout","failure_detail":"连接超时"}`
	if said.Charset != "gb18030" || said.Text != text {
		t.Errorf("%+v", said)
	}
	var open dlq.Editable
	if err := c.get(path+"/edits?charset=auto", &open); err != nil {
		t.Fatal(err)
	}
	edit := map[string]any{"version": l.Version, "note": "right buyer", "charset": open.Charset, "body": bytes.Replace(open.Body, []byte("张三"), []byte("李四🙂"), 1)}
	var edited struct{ Letter dlq.Letter }
	if err := c.call(t.Context(), http.MethodPost, path+"/edits", edit, &edited); err != nil {
		t.Fatal(err)
	}
	if err := c.call(t.Context(), http.MethodPost, path+"/replay", dlq.ReplayRequest{Version: edited.Letter.Version, Door: dlq.DoorRetry, Edit: 1}, nil); err != nil {
		t.Fatal(err)
	}
	want := bytes.Replace(body, []byte("\xd5\xc5\xc8\xfd"), []byte("\xc0\xee\xcb\xc4\x95\x30\x85\x32"), 1)
	if c := bodytext.Detect(want); c != bodytext.GB18030 {
		t.Fatalf("the test expects %q", c)
	}
	eventually(t, time.Minute, "the consumer group's retry topic has the edited body", func() error {
		res, err := w.wire.Pull(t.Context(), n.BrokerAddr(), remoting.PullRequest{Group: "reader", Topic: "%RETRY%" + w.group, Max: 32})
		if err != nil {
			return err
		}
		if len(res.Messages) == 0 {
			return fmt.Errorf("nothing yet")
		}
		if got := res.Messages[0].Body; !bytes.Equal(got, want) {
			t.Fatalf("% x, want % x", got, want)
		}
		return nil
	})
}

// found searches in all tabs until exactly one letter of the consumer group is found.
func found(t *testing.T, c *console, group, q string) dlq.Letter {
	t.Helper()
	var page dlq.Page
	eventually(t, 30*time.Second, "a letter is found by "+q, func() error {
		if err := c.get("/letters?consumer_group="+url.QueryEscape(group)+"&q="+url.QueryEscape(q), &page); err != nil {
			return err
		}
		if len(page.Items) != 1 {
			return fmt.Errorf("%d letters", len(page.Items))
		}
		return nil
	})
	return page.Items[0]
}

// What people look for stands in tags, properties, binary bodies and the names of consumer groups too.
func TestSearchFindsWhatPeopleLookFor(t *testing.T) {
	t.Parallel()
	n := node.Shared(t, node.V5)
	w := newWorld(t, n, 5)
	name := randomHex(4)
	w.group = "MQ_INST_138015630679_BcZwWZ9k%GID_order" + name
	topic := remoting.TopicConfig{Name: "%DLQ%" + w.group, ReadQueues: 1, WriteQueues: 1, Perm: 6}
	if err := w.wire.UpdateTopic(t.Context(), n.BrokerAddr(), topic); err != nil {
		t.Fatal(err)
	}
	for i, m := range []remoting.SendRequest{
		{Properties: map[string]string{dlq.PropTags: "TagA"}}, {Properties: map[string]string{dlq.PropTags: "付款"}},
		{Properties: map[string]string{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
		{Body: []byte("\x00\x01\x0corder-123456\x00\xff"), Properties: map[string]string{}}, {Body: []byte("{}"), Properties: map[string]string{}},
	} {
		m.ProducerGroup, m.Topic = "feeder", topic.Name
		m.Properties[dlq.PropUniqueKey] = randomHex(16)
		m.Properties[dlq.PropRetryTopic] = w.topic
		if m.Body == nil {
			m.Body = fmt.Appendf(nil, `{"n":%d}`, i)
		}
		if _, err := w.wire.SendMessage(t.Context(), n.BrokerAddr(), m); err != nil {
			t.Fatal(err)
		}
	}
	c := startConsole(t, t.TempDir()+"/dlq.db", freeAddress(t), "--namesrv", n.NameServer())
	eventually(t, time.Minute, "all letters arrive", func() error {
		var page dlq.Page
		err := c.get("/letters?limit=1&consumer_group="+url.QueryEscape(w.group), &page)
		if err == nil && page.Total.Count < 5 {
			err = fmt.Errorf("%d letters", page.Total.Count)
		}
		return err
	})
	for _, q := range []string{"TagA", "付款", "4bf92f3577b34da6a3ce929d0e0e4736", "order-123456"} {
		found(t, c, w.group, q)
	}
	var page dlq.Page
	if err := c.get("/letters?q=GID_order"+name, &page); err != nil || len(page.Items) != 5 {
		t.Errorf("GID_order%s finds %d letters, %v", name, len(page.Items), err)
	}
}
