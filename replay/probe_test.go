package replay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"deadletteroffice/dlq"
)

func probing(kind dlq.GroupKind, clients ...dlq.GroupClient) (*fakeStore, *stubBroker, *Service) {
	store := newFakeStore()
	store.add(1, dlq.StateOpen, nil)
	broker := &stubBroker{
		group: func() (dlq.GroupInfo, error) {
			return dlq.GroupInfo{Name: "pay-service", Exists: true, Kind: kind, Online: len(clients) > 0, Clients: clients}, nil
		},
		probe: func(client string) (dlq.ProbeAnswer, error) {
			return dlq.ProbeAnswer{ClientID: client, Language: "JAVA", Verdict: dlq.ProbeException, Text: "java.lang.IllegalStateException: no stock, Shop.pay(Shop.java:76)", Spent: 12 * time.Millisecond, Trusted: true}, nil
		},
	}
	s := newService(store, broker)
	s.Probed = func(_ context.Context, p dlq.Probe) (dlq.Letter, error) {
		letters, errs := store.ApplyEach(context.Background(), []dlq.Change{{
			LetterID: p.LetterID, Trigger: dlq.TriggerEdit, Event: dlq.Event{Kind: dlq.EventProbed, Actor: p.Actor, Detail: map[string]string{"verdict": string(p.Verdict)}},
		}})
		return letters[0], errs[0]
	}
	return store, broker, s
}

func wish() dlq.ProbeRequest {
	return dlq.ProbeRequest{LetterID: 1, Version: 1, Actor: "lin", Note: "why?"}
}

func TestProbe(t *testing.T) {
	_, broker, s := probing(dlq.GroupConcurrent, dlq.GroupClient{ID: "one", Language: "JAVA"})
	p, l, err := s.Probe(t.Context(), wish())
	want := dlq.Probe{
		LetterID: 1, At: p.At, Actor: "lin", Note: "why?", ClientID: "one", Language: "JAVA", Verdict: dlq.ProbeException, Trusted: true,
		Text: "java.lang.IllegalStateException: no stock, Shop.pay(Shop.java:76)", Reason: "java.lang.IllegalStateException", Spent: dlq.Duration(12 * time.Millisecond),
	}
	if err != nil || p != want || p.At.IsZero() || l.Version != 2 || l.State != dlq.StateOpen || len(broker.sends()) != 0 {
		t.Errorf("%s, letter %s, %v", dump(p), dump(l), err)
	}
}

func TestProbeRefuses(t *testing.T) {
	java, golang := dlq.GroupClient{ID: "j", Language: "JAVA"}, dlq.GroupClient{ID: "g", Language: "GO"}
	for _, tt := range []struct {
		name    string
		kind    dlq.GroupKind
		clients []dlq.GroupClient
		state   dlq.State
		req     func(*dlq.ProbeRequest)
		client  string // that is asked
		code    dlq.Code
		why     string
	}{
		{"the first", dlq.GroupConcurrent, []dlq.GroupClient{golang, java}, "", nil, "g", "", ""},
		{"the first that can be believed", dlq.GroupOrderly, []dlq.GroupClient{golang, java}, "", nil, "j", "", ""},
		{"the one that is named", dlq.GroupOrderly, []dlq.GroupClient{java, golang}, "", func(r *dlq.ProbeRequest) { r.ClientID = "g" }, "g", "", ""},
		{"gRPC, named", dlq.GroupGRPC, []dlq.GroupClient{java}, "", func(r *dlq.ProbeRequest) { r.ClientID = "j" }, "j", "", ""},
		{"gRPC", dlq.GroupGRPC, []dlq.GroupClient{java}, "", nil, "", dlq.CodeRefused, ShutUntrusted},
		{"Go orderly", dlq.GroupOrderly, []dlq.GroupClient{golang}, "", nil, "", dlq.CodeRefused, ShutUntrusted},
		{"Go, nobody knows", dlq.GroupUnknown, []dlq.GroupClient{golang}, "", nil, "", dlq.CodeRefused, ShutUntrusted},
		{"no such client", dlq.GroupConcurrent, []dlq.GroupClient{java}, "", func(r *dlq.ProbeRequest) { r.ClientID = "x" }, "", dlq.CodeNotFound, ""},
		{"nobody", dlq.GroupConcurrent, nil, "", nil, "", dlq.CodeRefused, ShutNobodyOnline},
		{"no version", dlq.GroupConcurrent, []dlq.GroupClient{java}, "", func(r *dlq.ProbeRequest) { r.Version = 0 }, "", dlq.CodeInvalid, ""},
		{"old version", dlq.GroupConcurrent, []dlq.GroupClient{java}, "", func(r *dlq.ProbeRequest) { r.Version = 7 }, "", dlq.CodeConflict, ""},
		{"no letter", dlq.GroupConcurrent, []dlq.GroupClient{java}, "", func(r *dlq.ProbeRequest) { r.LetterID = 7 }, "", dlq.CodeNotFound, ""},
		{"awaiting", dlq.GroupConcurrent, []dlq.GroupClient{java}, dlq.StateAwaiting, nil, "", dlq.CodeRefused, StuckAwaiting},
		{"resolved", dlq.GroupConcurrent, []dlq.GroupClient{java}, dlq.StateResolved, nil, "", dlq.CodeRefused, StuckResolved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, broker, s := probing(tt.kind, tt.clients...)
			if tt.state != "" {
				store.add(1, tt.state, nil)
			}
			asked := ""
			broker.probe = func(client string) (dlq.ProbeAnswer, error) {
				asked = client
				return dlq.ProbeAnswer{ClientID: client, Verdict: dlq.ProbeLater}, nil
			}
			req := wish()
			if tt.req != nil {
				tt.req(&req)
			}
			_, _, err := s.Probe(t.Context(), req)
			var e *dlq.Error
			if dlq.CodeOf(err) != tt.code || asked != tt.client || tt.why != "" && (!errors.As(err, &e) || e.Params["why"] != tt.why) {
				t.Errorf("asked %q; %v", asked, err)
			}
			if tt.code != "" && len(store.kinds(1)) != 0 {
				t.Error("something was noted")
			}
		})
	}
	_, broker, s := probing(dlq.GroupConcurrent, java)
	away := dlq.Errorf(dlq.CodeUnavailable, "away")
	broker.probe = func(string) (dlq.ProbeAnswer, error) { return dlq.ProbeAnswer{}, away }
	if _, _, err := s.Probe(t.Context(), wish()); !errors.Is(err, away) {
		t.Errorf("a broker that is away: %v", err)
	}
}

// While a listener runs, its letter is neither sent nor probed a second time; afterwards a send is a possible duplicate.
func TestProbeKeepsItsLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, broker, s := probing(dlq.GroupConcurrent, dlq.GroupClient{ID: "one", Language: "JAVA"})
		broker.probe = func(client string) (dlq.ProbeAnswer, error) {
			time.Sleep(10 * time.Second)
			return dlq.ProbeAnswer{ClientID: client, Verdict: dlq.ProbeTimeout}, nil
		}
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, _, err := s.Probe(ctx, wish())
			done <- err
		}()
		synctest.Wait()
		leave() // the person goes away; the listener runs on
		if _, _, err := s.Replay(t.Context(), ask(1)); !errors.Is(err, errProbed) {
			t.Errorf("a replay meanwhile: %v", err)
		}
		if res := s.Batch(t.Context(), bulk(store.tasks(), dlq.ReplaySpec{})); !res[0].Later || res[0].Skip != "" {
			t.Errorf("a batch meanwhile: %+v", res[0])
		}
		if _, _, err := s.Probe(t.Context(), wish()); dlq.CodeOf(err) != dlq.CodeConflict {
			t.Errorf("a second probe meanwhile: %v", err)
		}
		if err := <-done; err != nil || store.letter(1).State != dlq.StateOpen || len(broker.sends()) != 0 {
			t.Errorf("letter %s, %d sent, %v", dump(store.letter(1)), len(broker.sends()), err)
		}
		again := ask(1)
		again.Version = store.letter(1).Version
		if _, _, err := s.Replay(t.Context(), again); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// A listener that may have had the message, and a send that surely was not made: the letter stays a possible duplicate.
func TestProbedLetterStaysAPossibleDuplicate(t *testing.T) {
	store, _, s := probing(dlq.GroupConcurrent)
	store.add(1, dlq.StateOpen, func(l *dlq.Letter, _ *dlq.DeadMessage) { l.Flags, l.Replays = []dlq.Flag{dlq.FlagPossibleDuplicate}, 1 })
	store.replays["old"] = dlq.Replay{ID: "old", LetterID: 1, Outcome: dlq.OutcomeUnknown, Detail: DetailUndecidable}
	store.order = []string{"old"}
	store.events = []dlq.Event{{LetterID: 1, Kind: dlq.EventProbed, Detail: map[string]string{"verdict": string(dlq.ProbeSuccess)}}}
	s.Broker.(*stubBroker).look = func(dlq.Replay) (dlq.Evidence, error) { return dlq.Evidence{}, nil }
	if _, l, err := s.Replay(t.Context(), ask(1)); err != nil || !l.HasFlag(dlq.FlagPossibleDuplicate) || l.Replays != 1 {
		t.Errorf("letter %s, %v", dump(l), err)
	}
}

func TestReasonInWords(t *testing.T) {
	for text, want := range map[string]string{
		"java.lang.IllegalStateException: no stock, Shop.pay(Shop.java:76)": "java.lang.IllegalStateException",
		"com.shop.Pay$Declined, Pay.run(Pay.java:5)":                        "com.shop.Pay$Declined",
		"java.lang.NullPointerException":                                    "java.lang.NullPointerException",
		"dial tcp 127.0.0.1:80: connection refused":                         "dial tcp",
		"order 17 is not paid":                                              "order",
		"pay: card declined by the bank of the customer":                    "pay card declined by the bank",
		"no stock: order 5":                                                 "no stock",
		"库存不足":                                                              "库存不足",
		"e.g. this is no class":                                             "e.g this is no class",
		"":                                                                  "",
		"17":                                                                "",
	} {
		if got := reasonIn(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
