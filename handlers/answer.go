package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

// ruling is what one attempt at a compensation call comes to.
type ruling string

const (
	rulingVerdict  ruling = "verdict"  // the endpoint decided
	rulingOngoing  ruling = "ongoing"  // it is at it: ask again at the same interval
	rulingFailed   ruling = "failed"   // no usable answer: ask again, later each time
	rulingBroken   ruling = "broken"   // an answer that breaks the contract
	rulingBusiness ruling = "business" // it says for certain that it cannot settle this
	rulingRetired  ruling = "retired"  // the endpoint is gone for good
)

// answer is an attempt's outcome. Only a ruling of verdict can resolve a letter.
type answer struct {
	ruling  ruling
	verdict dlq.CallVerdict
	reason  string
	refs    []dlq.CallRef
	wait    time.Duration // what the endpoint asks for; 0 when it asks for none
	err     string        // public sentence, when there is no verdict
}

const (
	maxReason  = 2000               // bytes kept of an endpoint's reason
	maxRefs    = 20                 // references kept
	maxRefText = 500                // bytes kept of each of a reference's texts
	maxDelay   = 7 * 24 * time.Hour // longest delay that a verdict can ask for a replay
)

// understand makes sense of an endpoint's answer, or of its silence.
//
// Only 200 and 201 with a JSON object that repeats the call's uid and gives an allowed verdict decide anything. 202 and
// 425 mean that it is at work; 408, 429, 5xx and silence that it should be asked later; 409 that it cannot be settled
// there; 410 that the endpoint is gone. All else, an empty answer too, breaks the contract.
func understand(res webhook.Response, callErr error, uid string, may []dlq.CallVerdict) answer {
	if callErr != nil {
		return answer{ruling: rulingFailed, err: dlq.SentenceOf(callErr, dlq.Unexpected)}
	}
	status := fmt.Sprintf("the endpoint answered %d", res.Status)
	if text := http.StatusText(res.Status); text != "" {
		status += " (" + text + ")"
	}
	switch r := rulingOf(res.Status); r {
	case rulingVerdict:
		return decode(res, uid, may)
	case rulingOngoing:
		return answer{ruling: r, wait: res.RetryAfter, err: status + ": it is at work"}
	case rulingBusiness:
		return answer{ruling: r, err: status + ": it cannot settle this letter"}
	case rulingRetired:
		return answer{ruling: r, err: status + ": it is gone and is not asked again until the rules are loaded anew"}
	case rulingFailed:
		return answer{ruling: r, wait: res.RetryAfter, err: status}
	default:
		return answer{ruling: r, wait: res.RetryAfter, err: status + ", which decides nothing"}
	}
}

// rulingOf says what an HTTP status comes to; 0 stands for no answer. Verdict means that the body must be looked at.
func rulingOf(status int) ruling {
	switch {
	case status == http.StatusOK || status == http.StatusCreated:
		return rulingVerdict
	case status == http.StatusAccepted || status == http.StatusTooEarly:
		return rulingOngoing
	case status == http.StatusConflict:
		return rulingBusiness
	case status == http.StatusGone:
		return rulingRetired
	case status == 0 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500 && status <= 599:
		return rulingFailed
	default:
		return rulingBroken
	}
}

// decode reads a verdict. Names are taken exactly: encoding/json alone would take "VERDICT" for "verdict".
func decode(res webhook.Response, uid string, may []dlq.CallVerdict) answer {
	broken := func(format string, args ...any) answer {
		return answer{ruling: rulingBroken, wait: res.RetryAfter, err: "the answer breaks the contract: " + fmt.Sprintf(format, args...)}
	}
	switch {
	case res.Truncated:
		return broken("it is over %d KiB", webhook.MaxAnswer>>10)
	case len(res.Body) == 0:
		return broken("it is empty")
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(res.Body, &object) != nil || object == nil {
		return broken("it is not a JSON object")
	}
	if key, twice := repeated(res.Body); twice { // readers of JSON do not agree which of the two counts
		return broken("the key %q stands in it twice", dlq.Cut(key, 40))
	}
	var got struct {
		uid, verdict, reason string
		retryAfter           *float64
		replay               map[string]json.RawMessage
		refs                 []map[string]json.RawMessage
	}
	for _, f := range []struct {
		name string
		into any
	}{{"uid", &got.uid}, {"verdict", &got.verdict}, {"reason", &got.reason}, {"retry_after_s", &got.retryAfter}, {"replay", &got.replay}, {"refs", &got.refs}} {
		if raw, ok := object[f.name]; ok && json.Unmarshal(raw, f.into) != nil {
			return broken("%s has the wrong type", f.name)
		}
	}
	verdict := dlq.CallVerdict(got.verdict)
	switch {
	case got.uid != uid:
		return broken("its uid is not that of the question")
	case !slices.Contains(may, verdict):
		return broken("its verdict is none of %v", may)
	}
	a := answer{ruling: rulingVerdict, verdict: verdict, reason: dlq.Cut(got.reason, maxReason)}
	for _, raw := range got.refs {
		ref, ok := reference(raw)
		if !ok {
			return broken("a member of refs needs kind and id")
		}
		if len(a.refs) < maxRefs {
			a.refs = append(a.refs, ref)
		}
	}
	switch verdict {
	case dlq.CallCompensated:
		if len(a.refs) == 0 {
			return broken("compensated needs refs that say what was made")
		}
	case dlq.CallRetry:
		if got.retryAfter == nil {
			a.wait = res.RetryAfter
			break
		}
		if *got.retryAfter < 0 {
			return broken("retry_after_s is negative")
		}
		longest := webhook.MaxRetryAfter.Seconds()
		a.wait = max(toDuration(min(*got.retryAfter, longest)), webhook.MinRetryAfter)
	case dlq.CallReplay:
		for name := range got.replay {
			if name != "delay_s" {
				return broken("replay.%s is not supported; the message would go back without it", dlq.Cut(name, 40))
			}
		}
		var delay *float64
		if raw, ok := got.replay["delay_s"]; ok && json.Unmarshal(raw, &delay) != nil {
			return broken("replay.delay_s has the wrong type")
		}
		if delay != nil {
			// Sooner than asked for is not what was asked for.
			if *delay < 0 || *delay > maxDelay.Seconds() {
				return broken("replay.delay_s is not between 0 and %d", int(maxDelay.Seconds()))
			}
			a.wait = toDuration(*delay)
		}
	}
	return a
}

// repeated finds the first key that stands twice in one object of a JSON text, however it is written and however deep.
func repeated(text []byte) (key string, twice bool) {
	type level struct {
		keys map[string]bool // nil in a list
		name bool            // the next text is a key
	}
	levels := []level{{}}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err != nil { // the end
			return "", false
		}
		at := &levels[len(levels)-1]
		if name, ok := token.(string); ok && at.name {
			if at.keys[name] {
				return name, true
			}
			at.keys[name], at.name = true, false
			continue
		}
		at.name = at.keys != nil
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{map[string]bool{}, true})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
	}
}

// reference reads one member of refs. A URL that a browser should not follow is left out.
func reference(raw map[string]json.RawMessage) (dlq.CallRef, bool) {
	var r dlq.CallRef
	for name, into := range map[string]*string{"kind": &r.Kind, "id": &r.ID, "url": &r.URL} {
		if v, ok := raw[name]; ok && json.Unmarshal(v, into) != nil {
			return r, false
		}
		*into = dlq.Cut(*into, maxRefText)
	}
	if u, err := url.Parse(r.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		r.URL = ""
	}
	return r, r.Kind != "" && r.ID != ""
}

func toDuration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
