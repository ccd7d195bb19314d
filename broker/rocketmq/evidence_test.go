package rocketmq

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	rmqerrors "github.com/apache/rocketmq-client-go/v2/errors"
	"github.com/google/go-cmp/cmp"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

var replayB = dlq.Replay{ID: "r1", Door: dlq.DoorRetry, ConsumerGroup: "g", Topic: "orders", Target: "%RETRY%g", UniqueKey: "K", IntendedAt: time.UnixMilli(500)}

// copyOf is a stored copy of replay r1; at stands for both its store time and its physical offset.
func copyOf(topic string, at int64, attempts int, props ...string) trace {
	m := remoting.Message{
		Topic: topic, PhysicalOffset: at, QueueOffset: at, StoredAt: time.UnixMilli(at).UTC(), Reconsumed: attempts,
		StoreHost: netip.MustParseAddrPort("10.0.0.1:10911"), Properties: map[string]string{dlq.PropUniqueKey: "K", dlq.PropReplayID: "r1"},
	}
	for i := 0; i+1 < len(props); i += 2 {
		m.Properties[props[i]] = props[i+1]
	}
	return trace{broker: "b", m: m}
}

func TestClassify(t *testing.T) {
	replayA, replayC := replayB, replayB
	replayA.Door, replayA.Target = dlq.DoorTopic, "orders"
	replayC.Door, replayC.DeadAttempts = dlq.DoorBack, 17
	schedule := func(at int64, attempts int, real string) trace {
		return copyOf(topicSchedule, at, attempts, dlq.PropRealTopic, real)
	}
	const parked, target, retry, dead = dlq.PlaceParked, dlq.PlaceTarget, dlq.PlaceRetry, dlq.PlaceDead
	for name, c := range map[string]struct {
		replay    dlq.Replay
		traces    []trace
		want      []dlq.CopyPlace
		delivered int64 // physical offset of the delivered copy; 0 for none
		parked    bool
		popped    bool
	}{
		"nothing":                  {replayB, nil, nil, 0, true, false},
		"B, delivered":             {replayB, []trace{copyOf("%RETRY%g", 1000, 0)}, []dlq.CopyPlace{target}, 1000, false, false},
		"B, parked":                {replayB, []trace{schedule(1000, 0, "%RETRY%g")}, []dlq.CopyPlace{parked}, 0, true, false},
		"B, by the timer":          {replayB, []trace{copyOf(topicTimer, 1000, 0, dlq.PropRealTopic, "%RETRY%g")}, []dlq.CopyPlace{parked}, 0, true, false},
		"B, by a timer that rolls": {replayB, []trace{copyOf(topicTimer, 1000, 0, dlq.PropRealTopic, "%RETRY%g"), copyOf(topicTimer, 2000, 0, dlq.PropRealTopic, "%RETRY%g")}, []dlq.CopyPlace{parked}, 0, true, false},
		"B, delayed and delivered": {replayB, []trace{schedule(1000, 0, "%RETRY%g"), copyOf("%RETRY%g", 2000, 0, dlq.PropRealTopic, "%RETRY%g")}, []dlq.CopyPlace{target}, 2000, false, false},
		"B, failed, parked":        {replayB, []trace{copyOf("%RETRY%g", 1000, 0), schedule(2000, 1, "%RETRY%g")}, []dlq.CopyPlace{target, retry}, 1000, true, false},
		"B, failed, tried again":   {replayB, []trace{copyOf("%RETRY%g", 1000, 0), schedule(2000, 1, "%RETRY%g"), copyOf("%RETRY%g", 3000, 1)}, []dlq.CopyPlace{target, retry}, 3000, false, false},
		"B, dead again":            {replayB, []trace{copyOf("%RETRY%g", 1000, 0), copyOf("%DLQ%g", 2000, 1)}, []dlq.CopyPlace{target, dead}, 1000, false, false},
		"B, diverted":              {replayB, []trace{copyOf("%DLQ%g", 1000, 0)}, []dlq.CopyPlace{dead}, 0, true, false},
		"B, diverted and parked":   {replayB, []trace{copyOf(topicTimer, 1000, 0, dlq.PropRealTopic, "%DLQ%g")}, []dlq.CopyPlace{dead}, 0, true, false},
		"A, delivered":             {replayA, []trace{copyOf("orders", 1000, 0)}, []dlq.CopyPlace{target}, 1000, false, false},
		"A, failed":                {replayA, []trace{copyOf("orders", 1000, 0), schedule(2000, 1, "%RETRY%g")}, []dlq.CopyPlace{target, retry}, 1000, true, false},
		"A, another group failed":  {replayA, []trace{copyOf("orders", 1000, 0), schedule(2000, 1, "%RETRY%h")}, []dlq.CopyPlace{target}, 1000, false, false},
		"A, a gRPC group failed":   {replayA, []trace{copyOf("orders", 1000, 0), copyOf("%RETRY%g_orders", 2000, 1, propFirstPop, "1")}, []dlq.CopyPlace{target, retry}, 2000, false, true},
		"C, delivered":             {replayC, []trace{schedule(1000, 18, "%RETRY%g"), copyOf("%RETRY%g", 2000, 18)}, []dlq.CopyPlace{target}, 2000, false, false},
		"C, dead again":            {replayC, []trace{copyOf("%RETRY%g", 2000, 18), copyOf("%DLQ%g", 3000, 19)}, []dlq.CopyPlace{target, dead}, 2000, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := classify(c.replay, c.traces)
			if diff := cmp.Diff(c.want, places(dlq.Evidence{Copies: v.copies})); diff != "" {
				t.Error(diff)
			}
			var at int64
			if v.delivered != nil {
				at = v.delivered.m.PhysicalOffset
			}
			if at != c.delivered || v.parked != c.parked || v.popped != c.popped {
				t.Errorf("delivered %d, parked %t, popped %t", at, v.parked, v.popped)
			}
		})
	}
}

func TestOurs(t *testing.T) {
	replayC := replayB
	replayC.Door, replayC.DeadAttempts, replayC.DeadPhysOffset = dlq.DoorBack, 17, 900
	replayC.Receipt.Broker = "b"
	at := func(tr trace, broker string) bool { return ours(replayC, broker, &tr.m) }
	other := copyOf("%RETRY%g", 1000, 0)
	other.m.Properties[dlq.PropReplayID] = "r0"
	foreign := copyOf("%RETRY%g", 1000, 0)
	foreign.m.Properties[dlq.PropUniqueKey] = "same hash, other key"
	mine := copyOf("%RETRY%g", 1000, 0)
	if !ours(replayB, "b", &mine.m) || ours(replayB, "b", &other.m) || ours(replayB, "b", &foreign.m) {
		t.Error("by replay id and key")
	}
	if !at(copyOf("%RETRY%g", 1000, 18), "b") || at(copyOf("%RETRY%g", 1000, 17), "b") || at(copyOf("%DLQ%g", 900, 18), "b") {
		t.Error("door C, by counter and place")
	}
	old := copyOf("%RETRY%g", 1000, 18)
	old.m.StoredAt = replayC.IntendedAt.Add(-2 * time.Hour)
	if at(old, "other") {
		t.Error("door C, an earlier replay of the same dead copy")
	}
}

func TestSchedule(t *testing.T) {
	levels, err := parseLevels("1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind        dlq.GroupKind
		made, tries int
		want        time.Duration
	}{
		{dlq.GroupConcurrent, 0, 16, 4*time.Hour + 45*time.Minute + 40*time.Second},
		{dlq.GroupConcurrent, 15, 16, 2 * time.Hour},
		{dlq.GroupConcurrent, 18, 16, 0},
		{dlq.GroupConcurrent, 0, 20, 4*time.Hour + 45*time.Minute + 40*time.Second + 4*2*time.Hour},
		{dlq.GroupGRPC, 0, 2, 76 * time.Second},
		{dlq.GroupGRPC, 2, 2, 30 * time.Second},
		{dlq.GroupGRPCFIFO, 0, 2, 6 * time.Second},
		{dlq.GroupPop, 0, 2, 80 * time.Second},
	} {
		if c.kind != dlq.GroupConcurrent {
			levels = []dlq.Duration{minute} // of no account
		}
		if got := schedule(levels, c.kind, c.made, c.tries); got != c.want {
			t.Errorf("%s after %d of %d: %s, want %s", c.kind, c.made, c.tries, got, c.want)
		}
	}
}

func TestParseTraits(t *testing.T) {
	v5 := map[string]string{"messageDelayLevel": "1s 5m 2h 1d", "timerWheelEnable": "true", "timerMaxDelaySec": "259200", "fileReservedTime": "72", "maxMessageSize": "4194304"}
	got, err := parseTraits("b", v5, map[string]string{"brokerVersionDesc": "V5_5_0"})
	if err != nil {
		t.Fatal(err)
	}
	want := dlq.Capabilities{
		Keeps: dlq.Duration(72 * time.Hour), MaxMessage: 4 << 20,
		Broker: "b", Version: "5.5.0", Major: 5, Timer: true, TimerMax: dlq.Duration(72 * time.Hour), OrderlyDiverts: true, RefusesEmpty: true,
		Levels: []dlq.Duration{dlq.Duration(time.Second), dlq.Duration(5 * time.Minute), dlq.Duration(2 * time.Hour), dlq.Duration(24 * time.Hour)},
	}
	if diff := cmp.Diff(want, got.Capabilities); diff != "" {
		t.Error(diff)
	}
	got, err = parseTraits("b", map[string]string{"messageDelayLevel": "1s"}, map[string]string{"brokerVersionDesc": "V4_9_7"})
	if err != nil || got.Major != 4 || got.Timer || got.OrderlyDiverts || got.RefusesEmpty || got.Keeps != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for desc, diverts := range map[string]bool{"V5_1_0": false, "V5_1_1": true, "V5_1_1_SNAPSHOT": true, "V4_9_9": false, "V6_0_0": true, "": false, "V5": false, "odd": false} {
		if got, err := parseTraits("b", v5, map[string]string{"brokerVersionDesc": desc}); err != nil || got.OrderlyDiverts != diverts {
			t.Errorf("version %q: %+v, %v", desc, got, err)
		}
	}
	for _, bad := range []map[string]string{
		{}, {"messageDelayLevel": "1s 5"}, {"messageDelayLevel": "1s 5y"}, {"messageDelayLevel": "99999999999999999d"}, {"messageDelayLevel": "-1s"},
		{"messageDelayLevel": "1s", "timerWheelEnable": "true"}, {"messageDelayLevel": "1s", "timerWheelEnable": "true", "timerMaxDelaySec": "99999999999999"},
	} {
		if got, err := parseTraits("b", bad, nil); err == nil {
			t.Errorf("%v is read as %+v", bad, got)
		}
	}
}

func TestKindOffline(t *testing.T) {
	dead := func(attempts int, props ...string) *dlq.DeadMessage {
		m := remoting.Message{Reconsumed: attempts, Properties: map[string]string{dlq.PropRetryTopic: "orders"}}
		for i := 0; i+1 < len(props); i += 2 {
			m.Properties[props[i]] = props[i+1]
		}
		d := convert(queueA, &m, 1)
		return &d
	}
	fifo := presence{configured: true, config: remoting.SubscriptionGroup{Orderly: true}}
	for name, c := range map[string]struct {
		p    presence
		m    *dlq.DeadMessage
		kind dlq.GroupKind
		why  string
	}{
		"no message":             {presence{}, nil, dlq.GroupUnknown, KindNoTrace},
		"FIFO by configuration":  {fifo, dead(1), dlq.GroupGRPCFIFO, KindByConfig},
		"gRPC by retry topic":    {presence{}, dead(4, dlq.PropRetryTopic, "%RETRY%g_orders"), dlq.GroupGRPC, KindByPopTrace},
		"gRPC by pop time":       {presence{}, dead(4, propFirstPop, "1"), dlq.GroupGRPC, KindByPopTrace},
		"gRPC by origin group":   {presence{}, dead(4, propOriginGroup, "g"), dlq.GroupGRPC, KindByPopTrace},
		"Java orderly":           {presence{}, dead(3, propMaxReconsume, "2", propReconsumeTime, "3"), dlq.GroupOrderly, KindByOrderlyTrace},
		"at the first attempt":   {presence{}, dead(1), dlq.GroupUnknown, KindByFirstAttempt},
		"concurrent":             {presence{}, dead(17, dlq.PropRealTopic, "%RETRY%g"), dlq.GroupConcurrent, KindByRetryTrace},
		"gRPC producer, orderly": {presence{}, dead(1, propReconsumeTime, "0", "PGROUP", "orders"), dlq.GroupUnknown, KindByFirstAttempt},
		"never tried":            {presence{}, dead(0), dlq.GroupUnknown, KindNoTrace},
	} {
		if kind, why := kindOffline("g", c.p, c.m); kind != c.kind || why != c.why {
			t.Errorf("%s: %s, %s", name, kind, why)
		}
	}
}

// The broker lists gRPC simple consumers as it does remoting clients that pull.
func TestKindOfPullingClients(t *testing.T) {
	grpc, pull := dlq.GroupClient{ID: "shop-1@9025@0@4kmle2ujk"}, dlq.GroupClient{ID: "10.0.0.1@4711#123456789"}
	popped := &dlq.DeadMessage{Properties: map[string]string{dlq.PropRetryTopic: "%RETRY%g_orders"}}
	for name, c := range map[string]struct {
		clients []dlq.GroupClient
		subs    string
		fifo    bool
		m       *dlq.DeadMessage
		kind    dlq.GroupKind
		why     string
	}{
		"gRPC":                  {[]dlq.GroupClient{grpc}, "orders", false, nil, dlq.GroupGRPC, KindByNoRetry},
		"gRPC, FIFO":            {[]dlq.GroupClient{grpc}, "orders", true, nil, dlq.GroupGRPCFIFO, KindByConfig},
		"remoting":              {[]dlq.GroupClient{pull}, "orders", false, nil, dlq.GroupUnknown, KindByPull},
		"both":                  {[]dlq.GroupClient{grpc, pull}, "orders", false, nil, dlq.GroupUnknown, KindByPull},
		"reads a retry topic":   {[]dlq.GroupClient{grpc}, "%RETRY%g", false, nil, dlq.GroupUnknown, KindByPull},
		"by its dead message":   {[]dlq.GroupClient{pull}, "orders", false, popped, dlq.GroupGRPC, KindByPopTrace},
		"dead, not of a popper": {[]dlq.GroupClient{pull}, "orders", false, &dlq.DeadMessage{}, dlq.GroupUnknown, KindByPull},
	} {
		b := &Broker{groups: map[string]seen{}}
		p := presence{
			online: true, consume: consumeActively, clients: c.clients, subs: map[string]remoting.Subscription{c.subs: {}},
			configured: true, config: remoting.SubscriptionGroup{Orderly: c.fifo},
		}
		if kind, why := b.kind(t.Context(), "g", p, c.m); kind != c.kind || why != c.why {
			t.Errorf("%s: %s, %s", name, kind, why)
		}
	}
}

// While the only client of a group does not answer, a death at the first attempt does not make the group an orderly one.
func TestKindOfSilentClients(t *testing.T) {
	client := dlq.GroupClient{ID: "10.0.0.1@4711#1", Language: "JAVA"}
	p := presence{online: true, clients: []dlq.GroupClient{client}, subs: map[string]remoting.Subscription{"%RETRY%g": {}}, hosts: map[string]string{}}
	dead := func(attempts int, props ...string) *dlq.DeadMessage {
		m := remoting.Message{Reconsumed: attempts, Properties: map[string]string{dlq.PropRetryTopic: "orders"}}
		for i := 0; i+1 < len(props); i += 2 {
			m.Properties[props[i]] = props[i+1]
		}
		d := convert(queueA, &m, 1)
		return &d
	}
	for name, c := range map[string]struct {
		m    *dlq.DeadMessage
		kind dlq.GroupKind
		why  string
	}{
		"first attempt": {dead(1), dlq.GroupUnknown, KindByConnections},
		"retried":       {dead(17, dlq.PropRealTopic, "%RETRY%g"), dlq.GroupConcurrent, KindByRetryTrace},
		"Java orderly":  {dead(3, propMaxReconsume, "2", propReconsumeTime, "3"), dlq.GroupOrderly, KindByOrderlyTrace},
	} {
		silent := clientWord{until: time.Now().Add(time.Hour), err: errors.New("no answer")}
		b := &Broker{
			groups: map[string]seen{}, heard: map[groupClient]clientWord{{"g", client.ID}: silent}, busy: map[string]chan struct{}{},
			now: time.Now, log: slog.New(slog.DiscardHandler),
		}
		if kind, why := b.kind(t.Context(), "g", p, c.m); kind != c.kind || why != c.why {
			t.Errorf("%s: %s, %s", name, kind, why)
		}
	}
}

func TestClientVersion(t *testing.T) {
	for _, c := range []struct {
		language string
		ordinal  int
		want     string
	}{
		{"JAVA", 317, "4.5.2"}, {"JAVA", 399, "4.9.3"}, {"JAVA", 407, "4.9.7"}, {"JAVA", 479, "5.3.3"}, {"JAVA", 513, "5.5.0"},
		{"JAVA", 512, "5.5.0-SNAPSHOT"}, {"GO", 317, ""}, {"JAVA", 0, ""}, {"CPP", 100, ""},
	} {
		if got := clientVersion(c.language, c.ordinal); got != c.want {
			t.Errorf("%s %d: %q, want %q", c.language, c.ordinal, got, c.want)
		}
	}
}

func TestParseListener(t *testing.T) {
	for body, want := range map[string]string{
		`{"mqPopTable":{},"mqTable":{{"brokerName":"b","queueId":0,"topic":"t"}:{"droped":false}},"properties":{"PROP_CONSUMEORDERLY":"true"}}`: "true false true",
		`{"mqPopTable":{{"brokerName":"b","queueId":0,"topic":"t"}:{"waitAckCount":0}},"properties":{"PROP_CONSUMEORDERLY":"false"}}`:           "false true true",
		`{"properties":{"PROP_CONSUMEORDERLY":"false"},"statusTable":{},"subscriptionSet":[],"mqTable":{}}`:                                     "false false true",
		``:                  "false false false",
		`{"properties":{}}`: "false false false",
	} {
		orderly, pops, err := parseListener([]byte(body))
		if got := fmt.Sprint(orderly, pops, err == nil); got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
}

// What is known after a send that did not go well decides whether the message may be sent again.
func TestVerdicts(t *testing.T) {
	answer := func(code int, remark string) error {
		return fmt.Errorf("request: %w", &remoting.ResponseError{Code: code, Remark: remark})
	}
	for name, c := range map[string]struct {
		err    error
		result dlq.SendResult
		code   dlq.Code
	}{
		"not written":         {&remoting.Unsent{Addr: "a", Err: errors.New("refused")}, dlq.NotSent, dlq.CodeUnavailable},
		"no answer":           {&remoting.NoAnswer{Addr: "a", Err: errors.New("time-out")}, dlq.SentUnknown, dlq.CodeUnavailable},
		"busy":                {answer(2, "[TIMEOUT_CLEAN_QUEUE]"), dlq.NotSent, dlq.CodeUnavailable},
		"shutting down":       {answer(14, "service not available now"), dlq.NotSent, dlq.CodeUnavailable},
		"illegal":             {answer(13, "the message is illegal"), dlq.NotSent, dlq.CodeRefused},
		"no permission":       {answer(16, ""), dlq.NotSent, dlq.CodeRefused},
		"no group":            {answer(26, "subscription group not exist"), dlq.NotSent, dlq.CodeRefused},
		"no right":            {answer(1, "org.apache.rocketmq.acl.common.AclException: Check signature failed"), dlq.NotSent, dlq.CodeRefused},
		"no timer":            {answer(1, "accurate timer message is not enabled, timerWheelEnable is false"), dlq.NotSent, dlq.CodeRefused},
		"dead copy gone":      {answer(1, "look message by offset failed, 4711"), dlq.NotSent, dlq.CodeRefused},
		"wrong queue":         {answer(1, "request queueId[4] is illegal, TopicConfig [topicName=%RETRY%g]"), dlq.NotSent, dlq.CodeRefused},
		"system error":        {answer(1, "store putMessage return null"), dlq.SentUnknown, dlq.CodeUnavailable},
		"an answer in pieces": {errors.New("decode answer"), dlq.SentUnknown, dlq.CodeUnavailable},
	} {
		if v := wireVerdict("b", c.err); v.result != c.result || dlq.CodeOf(v.err) != c.code {
			t.Errorf("%s: %s, %v", name, v.result, v.err)
		}
	}
	for name, c := range map[string]struct {
		err    error
		result dlq.SendResult
		code   dlq.Code
	}{
		"dial":         {fmt.Errorf("send: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), dlq.NotSent, dlq.CodeUnavailable},
		"write":        {&net.OpError{Op: "write", Err: errors.New("broken pipe")}, dlq.SentUnknown, dlq.CodeUnavailable},
		"time-out":     {rmqerrors.ErrRequestTimeout, dlq.SentUnknown, dlq.CodeUnavailable},
		"not running":  {rmqerrors.ErrNotRunning, dlq.NotSent, dlq.CodeUnavailable},
		"stopped":      {rmqerrors.ErrService, dlq.NotSent, dlq.CodeUnavailable},
		"no route":     {errors.New("the topic=orders route info not found"), dlq.NotSent, dlq.CodeUnavailable},
		"no body":      {rmqerrors.ErrMessageEmpty, dlq.NotSent, dlq.CodeInvalid},
		"too big":      {errors.New("CODE: 13, DESC: the message is illegal,\nmaybe msg body or properties length not matched"), dlq.NotSent, dlq.CodeRefused},
		"system error": {errors.New("CODE: 1, DESC: unknown"), dlq.SentUnknown, dlq.CodeUnavailable},
		"busy":         {errors.New("CODE: 2, DESC: [PCBUSY_CLEAN_QUEUE]"), dlq.NotSent, dlq.CodeUnavailable},
	} {
		if v := clientVerdict("orders", c.err); v.result != c.result || dlq.CodeOf(v.err) != c.code {
			t.Errorf("client library, %s: %s, %v", name, v.result, v.err)
		}
	}
}

func TestPropertiesAndFlags(t *testing.T) {
	at := time.UnixMilli(4711)
	req := dlq.SendRequest{Properties: map[string]string{"a": "1", propTransaction: "true"}}
	if diff := cmp.Diff(map[string]string{"a": "1"}, properties(req)); diff != "" {
		t.Error(diff)
	}
	req.Replay.DelayLevel = 3
	if got := properties(req); got[dlq.PropDelay] != "3" {
		t.Error(got)
	}
	req.TimerAt = &at
	if got := properties(req); got[propTimerDeliver] != "4711" || got[dlq.PropDelay] != "" {
		t.Error(got)
	}
	if len(req.Properties) != 2 {
		t.Error("the request's own properties were changed")
	}
	text := bytes.Repeat([]byte("order "), 100)
	for _, c := range []struct {
		flag     int32
		body     []byte
		compress bool
		want     int32
	}{
		{0, text, false, 0}, {0x1 | 0x2, text, false, 0x1 | 0x2}, {0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80, text, false, 0},
		{0x1 | 0x2, text, true, 0x1 | 0x2}, {0x1 | remoting.SysFlagZlib, text, true, 0x1 | remoting.SysFlagZlib},
		{0x1 | remoting.SysFlagLZ4, text, true, 0x1 | remoting.SysFlagLZ4}, {0x1 | remoting.SysFlagZSTD | 0x10, text, true, 0x1 | remoting.SysFlagZSTD},
		{0x2, text, true, 0x1 | 0x2}, {0x1 | remoting.SysFlagZSTD, nil, true, 0x1 | remoting.SysFlagZSTD},
	} {
		body, flag, err := wireBody(dlq.SendRequest{SysFlag: c.flag, Body: c.body, Compress: c.compress})
		if err != nil || flag != c.want || (len(body) < len(c.body)) != c.compress && c.body != nil {
			t.Errorf("%x: %x, want %x; %d bytes, %v", c.flag, flag, c.want, len(body), err)
		}
		if back, state := decodeBody(body, flag, 1<<20); c.compress && c.body != nil && (state != dlq.BodyInflated || !bytes.Equal(back, text)) {
			t.Errorf("%x: read back as %s", c.flag, state)
		}
	}
}
