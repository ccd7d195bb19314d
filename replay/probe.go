package replay

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"deadletteroffice/dlq"
)

// probeLimit bounds a probe. A broker waits 10 s for the listener (apache/rocketmq Broker2Client.callClient).
const probeLimit = 30 * time.Second

// Probe has one connected client run its listener on a letter's message now, and keeps what it says as the letter's
// reason. It really runs: after a success the consumer group has had the message, and after a time-out it may have, so
// that a later replay is a possible duplicate. The letter stays where it is.
//
// Without a client named, the first is asked of which the verdict can be believed. Errors: dlq.CodeConflict when somebody
// changed the letter in between or probes it now, dlq.CodeRefused when its state forbids it, nobody is connected, or no
// client can be believed and none is named, dlq.CodeNotFound for a client that is not connected, dlq.CodeUnavailable when
// the broker cannot be asked, and those of the store.
func (s *Service) Probe(ctx context.Context, req dlq.ProbeRequest) (dlq.Probe, dlq.Letter, error) {
	none := func(err error) (dlq.Probe, dlq.Letter, error) { return dlq.Probe{}, dlq.Letter{}, err }
	if req.Version == 0 {
		return none(dlq.Errorf(dlq.CodeInvalid, "a probe must name the version of the letter that was seen"))
	}
	release, ok := s.reserve(req.LetterID)
	if !ok {
		return none(dlq.Errorf(dlq.CodeConflict, "letter %d is being probed or sent now", req.LetterID).WithHint("look at it again in a moment"))
	}
	defer release()
	detail, err := s.Store.Detail(ctx, req.LetterID)
	if err != nil {
		return none(err)
	}
	if req.Version != detail.Version {
		return none(conflict(detail))
	}
	if err := mayStart(detail.Letter, "probed"); err != nil {
		return none(err)
	}
	m, err := s.Store.Message(ctx, req.LetterID)
	if err != nil {
		return none(err)
	}
	sv := s.survey(ctx, detail.Letter, &m, s.unwrap(&m), dlq.Target{}, history{}, false)
	if sv.err != nil {
		return none(sv.err)
	}
	client, err := whomToAsk(sv.at.group, req.ClientID)
	if err != nil {
		return none(err)
	}
	asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeLimit) // the listener runs on when the request ends
	defer cancel()
	p := dlq.Probe{LetterID: req.LetterID, At: s.now(), Actor: req.Actor, Note: req.Note}
	a, err := s.Broker.Probe(asked, m.ConsumerGroup, client, &m)
	if err != nil {
		return none(err)
	}
	p.ClientID, p.Language, p.Verdict, p.Text, p.Spent = a.ClientID, a.Language, a.Verdict, a.Text, dlq.Duration(a.Spent)
	p.Trusted, p.OnDead, p.Reason = a.Trusted, a.OnDead, reasonIn(a.Text)
	l, err := s.Probed(context.WithoutCancel(ctx), p)
	return p, l, err
}

// reserve keeps a letter for one probe: nothing is sent of it meanwhile, for its listener would get it twice at once.
func (s *Service) reserve(letter int64) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probing[letter] {
		return nil, false
	}
	for _, sending := range s.inFlight {
		if sending == letter {
			return nil, false
		}
	}
	s.probing[letter] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.probing, letter)
	}, true
}

// whomToAsk returns the id of the client that was named, or of the first that can be believed.
func whomToAsk(g dlq.GroupInfo, named string) (string, error) {
	if !g.Online || len(g.Clients) == 0 {
		return "", refused(ShutNobodyOnline, "%s: %s", g.Name, sentences[ShutNobodyOnline]).WithHint("a probe needs a connected client; start one, or give the letter back: it waits")
	}
	for _, c := range g.Clients {
		if named == c.ID || named == "" && truthful(g.Kind, c) {
			return c.ID, nil
		}
	}
	if named != "" {
		return "", dlq.Errorf(dlq.CodeNotFound, "the consumer group %s has no client %q connected", g.Name, named)
	}
	return "", refused(ShutUntrusted, "%s: %s", g.Name, sentences[ShutUntrusted]).WithHint("name a client to ask it all the same")
}

// truthful reports whether a client that says success means it, and says why it failed. gRPC clients never say why; those
// for Go say success for an orderly listener whatever it did (rocketmq-client-go v2.1.2 consumer/push_consumer.go:417).
func truthful(kind dlq.GroupKind, c dlq.GroupClient) bool {
	switch {
	case kind == dlq.GroupGRPC || kind == dlq.GroupGRPCFIFO:
		return false
	case strings.HasPrefix(strings.ToUpper(c.Language), "GO"):
		return kind == dlq.GroupConcurrent
	}
	return true
}

// exceptionClass matches the class that begins what a Java client says of an exception
// (apache/rocketmq UtilAll.exceptionSimpleDesc).
var exceptionClass = regexp.MustCompile(`^(?:[\pL_$][\pL\pN_$]*\.)+[\pL_$][\pL\pN_$]*(?:[:,\s]|$)`)

// reasonIn returns what of a consumer's words can be a reason, by which letters that died alike are one group: the
// exception's class, or the first words up to one that differs from message to message.
func reasonIn(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if class := exceptionClass.FindString(text); class != "" {
		return strings.TrimRight(class, ":, \t\r")
	}
	var words []string
	for _, w := range strings.Fields(text) {
		if len(words) == 6 || strings.ContainsFunc(w, unicode.IsDigit) {
			break
		}
		words = append(words, strings.TrimRight(w, ".,:;"))
		if strings.HasSuffix(w, ":") && len(words) > 1 {
			break
		}
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}
