package handlers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"

	"github.com/google/go-cmp/cmp"
)

const uid = "call_7"

var everyVerdict = []dlq.CallVerdict{dlq.CallDone, dlq.CallCompensated, dlq.CallReplay, dlq.CallRetry, dlq.CallManual}

// goodBody is a good answer with a verdict.
func goodBody(v dlq.CallVerdict) string {
	switch v {
	case dlq.CallCompensated:
		return `{"uid":"call_7","verdict":"compensated","reason":"refunded","refs":[{"kind":"refund","id":"rf_9","url":"https://pay.example/rf_9"}]}`
	case dlq.CallRetry:
		return `{"uid":"call_7","verdict":"retry","retry_after_s":600,"reason":"stock is locked"}`
	case dlq.CallReplay:
		return `{"uid":"call_7","verdict":"replay","replay":{"delay_s":90}}`
	default:
		return fmt.Sprintf(`{"uid":"call_7","verdict":%q,"reason":"because"}`, v)
	}
}

// Every HTTP status with every verdict and with every kind of bad body: what it comes to. Only 200 and 201 decide.
func TestUnderstandEveryStatus(t *testing.T) {
	bodies := map[string]ruling{
		"": rulingBroken, "{": rulingBroken, "null": rulingBroken, "[]": rulingBroken, `"done"`: rulingBroken, "done": rulingBroken, "{}": rulingBroken,
		`{"uid":"other","verdict":"done"}`: rulingBroken, `{"verdict":"done"}`: rulingBroken, `{"uid":"call_7"}`: rulingBroken,
		`{"uid":"call_7","verdict":"discard"}`: rulingBroken, `{"uid":"call_7","verdict":"pass"}`: rulingBroken,
		`{"uid":"call_7","verdict":"SUCCESS"}`: rulingBroken, `{"uid":"call_7","verdict":"Done"}`: rulingBroken,
		`{"UID":"call_7","VERDICT":"done"}`: rulingBroken, `{"uid":"call_7","Verdict":"done"}`: rulingBroken,
		`{"uid":"call_7","verdict":["done"]}`: rulingBroken, `{"uid":7,"verdict":"done"}`: rulingBroken, `{"uid":"call_7","verdict":null}`: rulingBroken,
		`{"uid":"call_7","verdict":"done"}{"uid":"call_7","verdict":"done"}`: rulingBroken, `{"uid":"call_7","verdict":"done"} trailing`: rulingBroken,
		`{"uid":"call_7","verdict":"compensated"}`: rulingBroken, `{"uid":"call_7","verdict":"compensated","refs":[]}`: rulingBroken,
		`{"uid":"call_7","verdict":"compensated","refs":[{"kind":"refund"}]}`: rulingBroken, `{"uid":"call_7","verdict":"compensated","refs":["rf_9"]}`: rulingBroken,
		`{"uid":"call_7","verdict":"compensated","refs":{"kind":"refund","id":"1"}}`: rulingBroken, `{"uid":"call_7","verdict":"done","refs":[{"id":"1"}]}`: rulingBroken,
		`{"uid":"call_7","verdict":"retry","retry_after_s":-1}`: rulingBroken, `{"uid":"call_7","verdict":"retry","retry_after_s":"soon"}`: rulingBroken,
		`{"uid":"call_7","verdict":"replay","replay":{"delay_s":-1}}`: rulingBroken, `{"uid":"call_7","verdict":"replay","replay":{"delay_s":1e12}}`: rulingBroken,
		`{"uid":"call_7","verdict":"replay","replay":{"patch":[]}}`: rulingBroken, `{"uid":"call_7","verdict":"replay","replay":"now"}`: rulingBroken,
		`{"uid":"call_7","verdict":"replay","replay":{"properties":{"x":"1"}}}`: rulingBroken, `{"uid":"call_7","verdict":"done","reason":{}}`: rulingBroken,
		`{"uid":"call_7","verdict":"manual","verdict":"done"}`: rulingBroken, `{"uid":"call_7","verdict":"done","verdict":"done"}`: rulingBroken,
		`{"uid":"other","verdict":"done","uid":"call_7"}`: rulingBroken, `{"uid":"call_7","verdict":"done","\u0076erdict":"manual"}`: rulingBroken,
		`{"uid":"call_7","verdict":"replay","replay":{"delay_s":90,"delay_s":0}}`:                               rulingBroken,
		`{"uid":"call_7","verdict":"compensated","refs":[{"kind":"refund","id":"1","id":"2"}]}`:                 rulingBroken,
		`{"uid":"call_7","verdict":"done","x":[[{"a":{}},{"a":{"a":1,"a":2}}]]}`:                                rulingBroken,
		`{"uid":"call_7","verdict":"done","reason":"verdict","x":["a","a",{"a":"a","b":["a",{"a":1}],"c":{}}]}`: rulingVerdict,
		`{"uid":"call_7","verdict":"done","reason":null,"refs":null,"retry_after_s":null,"new":1}`:              rulingVerdict,
	}
	for _, v := range everyVerdict {
		bodies[goodBody(v)] = rulingVerdict
	}
	for status := 0; status < 700; status++ {
		for body, at200 := range bodies {
			want := rulingBroken
			switch {
			case status == 200 || status == 201:
				want = at200
			case status == 202 || status == 425:
				want = rulingOngoing
			case status == 409:
				want = rulingBusiness
			case status == 410:
				want = rulingRetired
			case status == 0 || status == 408 || status == 429 || status >= 500 && status < 600:
				want = rulingFailed
			}
			got := understand(webhook.Response{Status: status, Body: []byte(body)}, nil, uid, everyVerdict)
			if got.ruling != want {
				t.Errorf("%d with %s: %s, want %s", status, body, got.ruling, want)
			}
			if (got.ruling == rulingVerdict) != (got.err == "") {
				t.Errorf("%d with %s: sentence %q", status, body, got.err)
			}
			failures, broken := tally([]dlq.Attempt{{Status: status, Error: got.err}})
			if (failures == 1) != (want == rulingFailed || want == rulingBroken || want == rulingBusiness || want == rulingRetired) || (broken == 1) != (want == rulingBroken) {
				t.Errorf("%d with %s: counted as %d failures, %d broken", status, body, failures, broken)
			}
			if got.ruling != rulingVerdict && got.verdict != "" {
				t.Errorf("%d with %s: a verdict of %s without a ruling", status, body, got.verdict)
			}
		}
	}
}

func TestUnderstandVerdicts(t *testing.T) {
	at := func(body string) webhook.Response { return webhook.Response{Status: 200, Body: []byte(body)} }
	for _, tt := range []struct {
		name string
		res  webhook.Response
		want answer
	}{
		{"compensated", at(goodBody(dlq.CallCompensated)), answer{ruling: rulingVerdict, verdict: dlq.CallCompensated, reason: "refunded",
			refs: []dlq.CallRef{{Kind: "refund", ID: "rf_9", URL: "https://pay.example/rf_9"}}}},
		{"a link that runs in the page is left out", at(`{"uid":"call_7","verdict":"compensated","refs":[{"kind":"refund","id":"1","url":"javascript:alert(1)"}]}`),
			answer{ruling: rulingVerdict, verdict: dlq.CallCompensated, refs: []dlq.CallRef{{Kind: "refund", ID: "1"}}}},
		{"retry", at(goodBody(dlq.CallRetry)), answer{ruling: rulingVerdict, verdict: dlq.CallRetry, reason: "stock is locked", wait: 10 * time.Minute}},
		{"retry at once is in a second", at(`{"uid":"call_7","verdict":"retry","retry_after_s":0}`), answer{ruling: rulingVerdict, verdict: dlq.CallRetry, wait: time.Second}},
		{"retry in a year is in a day", at(`{"uid":"call_7","verdict":"retry","retry_after_s":31536000}`), answer{ruling: rulingVerdict, verdict: dlq.CallRetry, wait: 24 * time.Hour}},
		{"retry without a time", at(`{"uid":"call_7","verdict":"retry"}`), answer{ruling: rulingVerdict, verdict: dlq.CallRetry}},
		{"replay", at(goodBody(dlq.CallReplay)), answer{ruling: rulingVerdict, verdict: dlq.CallReplay, wait: 90 * time.Second}},
		{"replay at once", at(`{"uid":"call_7","verdict":"replay"}`), answer{ruling: rulingVerdict, verdict: dlq.CallReplay}},
		{"Retry-After of a busy endpoint", webhook.Response{Status: 503, RetryAfter: time.Minute},
			answer{ruling: rulingFailed, wait: time.Minute, err: "the endpoint answered 503 (Service Unavailable)"}},
		{"Retry-After of one at work", webhook.Response{Status: 202, RetryAfter: time.Minute},
			answer{ruling: rulingOngoing, wait: time.Minute, err: "the endpoint answered 202 (Accepted): it is at work"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := understand(tt.res, nil, uid, everyVerdict)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(answer{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnderstandLimits(t *testing.T) {
	if got := understand(webhook.Response{Status: 200, Body: []byte(goodBody(dlq.CallDone)), Truncated: true}, nil, uid, everyVerdict); got.ruling != rulingBroken {
		t.Errorf("an answer that was cut: %s", got.ruling)
	}
	if got := understand(webhook.Response{Status: 200, Body: []byte(goodBody(dlq.CallReplay))}, nil, uid, allowed(dlq.Letter{})); got.ruling != rulingBroken {
		t.Errorf("a replay of a letter without a topic: %s", got.ruling)
	}
	if got := understand(webhook.Response{Status: 200, Body: []byte(goodBody(dlq.CallDone))}, fmt.Errorf("dial: secret"), uid, everyVerdict); got.ruling != rulingFailed || strings.Contains(got.err, "secret") {
		t.Errorf("no answer: %+v", got)
	}
	long, _ := json.Marshal(map[string]any{"uid": uid, "verdict": "manual", "reason": strings.Repeat("库存", 2000)})
	if got := understand(webhook.Response{Status: 200, Body: long}, nil, uid, everyVerdict); got.ruling != rulingVerdict || len(got.reason) > maxReason || !strings.HasPrefix(got.reason, "库存") {
		t.Errorf("a long reason: %d bytes", len(got.reason))
	}
}

// Whatever an endpoint answers, the letter is resolved only by the contract's own words.
func FuzzOnlyTheContractResolves(f *testing.F) {
	for _, v := range everyVerdict {
		f.Add(200, goodBody(v))
	}
	for _, body := range []string{"", "{}", "null", `{"uid":"call_7","verdict":"done","verdict":"manual"}`, `{"uid":"call_7","VERDICT":"done"}`, `{"ok":true}`, `{"errcode":0}`, "\xff", `{"uid":"call_7","verdict":"d\u006fne"}`} {
		for _, status := range []int{200, 201, 202, 204, 302, 404, 409, 410, 425, 429, 500} {
			f.Add(status, body)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		a := understand(webhook.Response{Status: status, Body: []byte(body)}, nil, uid, everyVerdict)
		d := dlq.Detail{Letter: dlq.Letter{ID: 1, State: dlq.StateCompensating}}
		call := advance(dlq.Call{ID: uid, CreatedAt: noon}, a, dlq.RetryPlan{Delay: dlq.Duration(time.Second), Backoff: 1, Max: 3}, noon)
		change := enact(d, call, a, noon)
		if !dlq.Can(change.Trigger, dlq.StateCompensating, change.To) {
			t.Fatalf("%s may not lead to %s", change.Trigger, change.To)
		}
		if change.To != dlq.StateResolved {
			return
		}
		var said struct {
			UID     string `json:"uid"`
			Verdict string `json:"verdict"`
		}
		if err := json.Unmarshal([]byte(body), &said); err != nil {
			t.Fatalf("%d %q resolved the letter: %v", status, body, err)
		}
		if status != 200 && status != 201 || said.UID != uid || !slices.Contains([]string{"done", "compensated"}, said.Verdict) {
			t.Fatalf("%d %q resolved the letter", status, body)
		}
	})
}
