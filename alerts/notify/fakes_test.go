package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

// The fakes below stand for the vendors' robots. They hold senders to the limits and answers that the vendors document
// or were seen to have; that a real robot agrees is not shown by them.

// fakeLimit lets so many messages through in a time.
type fakeLimit struct {
	most   int
	within time.Duration
	passed []time.Time
}

func (l *fakeLimit) pass(now time.Time) bool {
	for len(l.passed) > 0 && now.Sub(l.passed[0]) >= l.within {
		l.passed = l.passed[1:]
	}
	if len(l.passed) >= l.most {
		return false
	}
	l.passed = append(l.passed, now)
	return true
}

// fakeRobot is what the fakes have in common.
type fakeRobot struct {
	t      *testing.T
	secret string
	answer func(f *fakeRobot, r *http.Request, body []byte) (status int, text string)

	mu      sync.Mutex
	now     time.Time
	limits  []fakeLimit
	blocked time.Time
	took    [][]byte
}

func (f *fakeRobot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || !utf8.Valid(body) {
		f.t.Errorf("a request of %s %q: %v", r.Method, r.Header.Get("Content-Type"), err)
	}
	status, text := f.answer(f, r, body)
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may have gone
}

// full reports whether the limits hold the message back.
func (f *fakeRobot) full() bool {
	for i := range f.limits {
		if !f.limits[i].pass(f.now) {
			return true
		}
	}
	return false
}

func (f *fakeRobot) pass(by time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(by)
}

func (f *fakeRobot) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func fakeHMAC(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func fakeDingTalk(f *fakeRobot, r *http.Request, body []byte) (int, string) {
	say := func(code int, text string) (int, string) {
		return http.StatusOK, fmt.Sprintf(`{"errcode":%d,"errmsg":%q}`, code, text)
	}
	query := r.URL.Query()
	ms, err := strconv.ParseInt(query.Get("timestamp"), 10, 64)
	var m struct {
		Type     string `json:"msgtype"`
		Markdown struct{ Title, Text string }
	}
	switch {
	case query.Get("access_token") != "tok3n":
		return say(300005, "token is not exist")
	case f.now.Before(f.blocked):
		return say(130101, "send too fast, exceed 20 times per minute")
	case f.full():
		f.blocked = f.now.Add(10 * time.Minute)
		return say(130101, "send too fast, exceed 20 times per minute")
	case err != nil || f.now.Sub(time.UnixMilli(ms)).Abs() > time.Hour:
		return say(310000, "invalid timestamp")
	case query.Get("sign") != fakeHMAC(f.secret, query.Get("timestamp")+"\n"+f.secret):
		return say(310000, "sign not match")
	case len(body) > 20_000:
		return say(460101, "message too long")
	case json.Unmarshal(body, &m) != nil || m.Type != "markdown" || m.Markdown.Title == "" || m.Markdown.Text == "":
		return say(40035, "缺少参数 json")
	case !strings.Contains(m.Markdown.Text, "死信"):
		return say(310000, "keywords not in content")
	}
	f.took = append(f.took, body)
	return say(0, "ok")
}

func fakeFeishu(f *fakeRobot, r *http.Request, body []byte) (int, string) {
	var m struct {
		Timestamp, Sign string
		Type            string `json:"msg_type"`
		Card            struct {
			Header   struct{ Title struct{ Content string } }
			Elements []json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Type != "interactive" || m.Card.Header.Title.Content == "" || len(m.Card.Elements) == 0 || len(body) > 20<<10 {
		return http.StatusBadRequest, `{"code":9499,"msg":"Bad Request","data":{}}`
	}
	seconds, err := strconv.ParseInt(m.Timestamp, 10, 64)
	switch {
	case !strings.HasSuffix(r.URL.Path, "/hook/tok3n"):
		return http.StatusOK, `{"code":19001,"msg":"param invalid: incoming webhook access token invalid"}`
	case f.full():
		return http.StatusBadRequest, `{"code":9499,"msg":"too many request"}`
	case err != nil || f.now.Sub(time.Unix(seconds, 0)).Abs() > time.Hour || m.Sign != fakeHMAC(m.Timestamp+"\n"+f.secret, ""):
		return http.StatusOK, `{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}`
	}
	f.took = append(f.took, body)
	return http.StatusOK, `{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}`
}

func fakeWeCom(f *fakeRobot, r *http.Request, body []byte) (int, string) {
	var m struct {
		Type     string `json:"msgtype"`
		Markdown struct{ Content string }
	}
	switch {
	case r.URL.Query().Get("key") != "tok3n":
		return http.StatusOK, `{"errcode":93000,"errmsg":"invalid webhook url"}`
	case f.full():
		return http.StatusOK, `{"errcode":45009,"errmsg":"api freq out of limit"}`
	case json.Unmarshal(body, &m) != nil || m.Type != "markdown" || m.Markdown.Content == "":
		return http.StatusOK, `{"errcode":40008,"errmsg":"invalid message type"}`
	case len(m.Markdown.Content) > 4096:
		return http.StatusOK, `{"errcode":40058,"errmsg":"markdown.content exceed max length 4096"}`
	}
	f.took = append(f.took, body)
	return http.StatusOK, `{"errcode":0,"errmsg":"ok"}`
}

func fakeSlack(f *fakeRobot, r *http.Request, body []byte) (int, string) {
	var m struct {
		Text   string
		Blocks []struct {
			Type string
			Text struct{ Text string }
		}
	}
	switch {
	case !strings.HasSuffix(r.URL.Path, "/tok3n"):
		return http.StatusNotFound, "no_service"
	case f.full():
		return http.StatusTooManyRequests, "rate_limited"
	case json.Unmarshal(body, &m) != nil || m.Text == "" || len(m.Blocks) == 0 || len(m.Blocks) > 50:
		return http.StatusBadRequest, "invalid_payload"
	}
	for _, b := range m.Blocks {
		if n := utf8.RuneCountInString(b.Text.Text); b.Type == "section" && (n == 0 || n > 3000) || b.Type == "header" && (n == 0 || n > 150) {
			return http.StatusBadRequest, "invalid_blocks"
		}
	}
	f.took = append(f.took, body)
	return http.StatusOK, "ok"
}

// The whole way of a message over a real connection to something with each vendor's limits: taken until the limit,
// then held back with a time to wait that suffices, refused with a wrong token or secret.
func TestFakeRobots(t *testing.T) {
	for _, tt := range []struct {
		typ, path, wrong string
		answer           func(*fakeRobot, *http.Request, []byte) (int, string)
		limits           []fakeLimit
		burst            int
	}{
		{TypeDingTalk, "/robot/send?access_token=tok3n", "/robot/send?access_token=other", fakeDingTalk, []fakeLimit{{most: 20, within: time.Minute}}, 20},
		{TypeFeishu, "/open-apis/bot/v2/hook/tok3n", "/open-apis/bot/v2/hook/other", fakeFeishu, []fakeLimit{{most: 5, within: time.Second}, {most: 100, within: time.Minute}}, 5},
		{TypeWeCom, "/cgi-bin/webhook/send?key=tok3n", "/cgi-bin/webhook/send?key=other", fakeWeCom, []fakeLimit{{most: 20, within: time.Minute}}, 20},
		{TypeSlack, "/services/T/B/tok3n", "/services/T/B/other", fakeSlack, []fakeLimit{{most: 1, within: time.Second}}, 1},
	} {
		robot := &fakeRobot{t: t, secret: "this is secret", answer: tt.answer, limits: tt.limits, now: now}
		server := httptest.NewServer(robot)
		t.Cleanup(server.Close)
		client := webhook.New(webhook.Options{AllowLoopback: true})
		t.Cleanup(client.Close)
		send := func(r Receiver, d *dlq.Delivery) webhook.Outcome {
			o := options()
			o.Now = robot.clock()
			p := render(t, r, d, o)
			res, err := client.Send(t.Context(), webhook.Raw{Receiver: r.Name, URL: p.URL, Headers: p.Headers, Body: p.Body, Timeout: p.Timeout})
			return Judge(r.Type, res, err)
		}
		r := Receiver{Name: "ops", Type: tt.typ, URL: server.URL + tt.path, Secret: "this is secret"}

		for i, d := range []*dlq.Delivery{delivery(dlq.NotifyTest), delivery(dlq.NotifyDigest, many(500, nil)...), delivery(dlq.NotifyFirst, attack(hostile[0]))} {
			if got := send(r, d); got.Ruling != webhook.RulingSent {
				t.Errorf("%s: delivery %d: %+v", tt.typ, i, got)
			}
			robot.pass(time.Minute)
		}
		for i := range tt.burst {
			if got := send(r, delivery(dlq.NotifyFirst, alerts()...)); got.Ruling != webhook.RulingSent {
				t.Fatalf("%s: message %d of a burst: %+v", tt.typ, i, got)
			}
		}
		held := send(r, delivery(dlq.NotifyFirst, alerts()...))
		if held.Ruling != webhook.RulingRetry || held.Wait == 0 {
			t.Errorf("%s: one message too many: %+v", tt.typ, held)
		}
		robot.pass(held.Wait)
		if got := send(r, delivery(dlq.NotifyFirst, alerts()...)); got.Ruling != webhook.RulingSent {
			t.Errorf("%s: after a wait of %s: %+v", tt.typ, held.Wait, got)
		}
		if want := tt.burst + 4; len(robot.took) != want {
			t.Errorf("%s took %d messages, want %d", tt.typ, len(robot.took), want)
		}

		robot.pass(time.Hour)
		wrong := r
		wrong.URL = server.URL + tt.wrong
		if got := send(wrong, delivery(dlq.NotifyTest)); got.Ruling != webhook.RulingRefused {
			t.Errorf("%s: a wrong token: %+v", tt.typ, got)
		}
		if tt.typ == TypeDingTalk || tt.typ == TypeFeishu {
			wrong = r
			wrong.Secret = "another"
			if got := send(wrong, delivery(dlq.NotifyTest)); got.Ruling != webhook.RulingRefused || !strings.Contains(got.Error, "clock") {
				t.Errorf("%s: a wrong secret: %+v", tt.typ, got)
			}
		}
	}
}
