package classifier

import (
	"bytes"
	"compress/gzip"
	"testing"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// A reason is found and readable in whatever charset the body is written, also when the application has compressed it.
func TestReasonsInOtherCharsets(t *testing.T) {
	rules, found := compileText("rules: []\n")
	if rules == nil {
		t.Fatalf("%+v", found)
	}
	for c, text := range map[bodytext.Charset]string{bodytext.UTF8: "连接超时", bodytext.GB18030: "连接超时", bodytext.GBK: "连接超时", bodytext.UTF16LE: "连接超时", bodytext.UTF16BE: "连接超时",
		bodytext.Big5: "連線逾時，請重試", bodytext.ShiftJIS: "接続がタイムアウトしました"} {
		body, err := bodytext.Encode(`{"orderNo":"1","failure_reason":"network_timeout","failure_detail":"`+text+`"}`, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for form, b := range map[string][]byte{"": body, " in gzip": packed.Bytes()} {
			m := &dlq.DeadMessage{Body: b, ConsumerGroup: "g"}
			f := rules.Facts(m, nil)
			if f.Reason != "network_timeout" || f.ReasonText != text || f.Origin != dlq.OriginBody {
				t.Errorf("%s%s: reason %q, text %q by %s", c, form, f.Reason, f.ReasonText, f.Origin)
			}
			if paths := BodyPaths(m); len(paths) != 3 {
				t.Errorf("%s%s: fields %q", c, form, paths)
			}
		}
	}
	m := &dlq.DeadMessage{Properties: map[string]string{"FAILURE_REASON": "\xc1\xac\xbd\xd3\xb3\xac\xca\xb1"}}
	if f := rules.Facts(m, nil); f.Reason != "连接超时" {
		t.Errorf("a property in GB18030: %q", f.Reason)
	}
	// Bytes that nobody can read do not hide the fields around them.
	m = &dlq.DeadMessage{Body: []byte("{\"failure_reason\":\"network_timeout\",\"x\":\"\xff\x80\"}")}
	if f := rules.Facts(m, nil); f.Reason != "network_timeout" {
		t.Errorf("some bytes that nobody can read: %q", f.Reason)
	}
}

// The message inside an envelope leaves it in the envelope's charset; an envelope that the application has compressed is
// sent as it is.
func TestEnvelopesInOtherCharsets(t *testing.T) {
	rules, found := compileText("envelopes:\n  - {name: wrap, topic: original_topic, body: message_body, encoding: text}\nrules: []\n")
	if rules == nil {
		t.Fatalf("%+v", found)
	}
	const inner = `{"name":"张三"}`
	envelope := `{"original_topic":"orders","failure_reason":"network_timeout","message_body":"{\"name\":\"张三\"}","note":"付款失败"}`
	body, err := bodytext.Encode(envelope, bodytext.GB18030, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, topic, wrapped, err := rules.Unwrap(&dlq.DeadMessage{Body: body})
	want, _ := bodytext.Encode(inner, bodytext.GB18030, nil)
	if err != nil || !wrapped || topic != "orders" || !bytes.Equal(got, want) {
		t.Errorf("%q to %q, %v, %v", got, topic, wrapped, err)
	}
	big5, err := bodytext.Encode(`{"original_topic":"orders","message_body":"\ud83d\ude00 付款","note":"訂單失敗"}`, bodytext.Big5, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, wrapped, err := rules.Unwrap(&dlq.DeadMessage{Body: big5}); !wrapped || dlq.CodeOf(err) != dlq.CodeRefused {
		t.Errorf("a character that Big5 lacks: %v, %v", wrapped, err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, wrapped, err := rules.Unwrap(&dlq.DeadMessage{Body: packed.Bytes()}); wrapped || err != nil {
		t.Errorf("in gzip: %v, %v", wrapped, err)
	}
}
