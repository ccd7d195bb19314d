package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"deadletteroffice/broker/rocketmq/node"
	"deadletteroffice/dlq"
)

// What an operation does when consumers fail, and what people can do with one that runs: on real brokers, with real
// consumers, each scene with a consumer group of its own.
func TestOperationOutcomesAndBrakes(t *testing.T) {
	t.Parallel()
	scenes := map[string]func(*testing.T, *stage, string){
		"fifth": aKnownFifthFails, "breaker": theBreakerPauses, "canary": theCanaryFails, "healthy": theCanaryPasses,
		"hand": pausedByHand, "opens": theWindowOpens, "closes": theWindowCloses,
	}
	for _, version := range node.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			var names []string
			for name := range scenes {
				names = append(names, name)
			}
			s := newStage(t, node.Shared(t, version), append(names, "stop")...)
			s.c = startConsole(t, filepath.Join(t.TempDir(), "dlq.db"), freeAddress(t), "--namesrv", s.n.NameServer())
			var playing sync.WaitGroup // all at once: they wait most of the time
			for name, scene := range scenes {
				playing.Go(func() {
					t.Run(name, func(t *testing.T) {
						own := *s
						own.t = t
						scene(t, &own, s.groups[name])
					})
				})
			}
			playing.Wait()
			theStopHalts(t, s, s.groups["stop"]) // it halts the whole console
		})
	}
}

func never(int) bool { return false }

func everyFifth(i int) bool { return i%5 == 0 }

// Every fifth message is one that the consumer fails for good: the ledger knows which, exactly.
func aKnownFifthFails(t *testing.T, s *stage, group string) {
	const letters = 500
	s.crowd.Say("some " + group)
	s.feed(group, letters, everyFifth)
	s.letters(group, letters)
	op := s.settled(s.start(s.draft(group, dlq.OperationSpec{})).ID)
	s.checkLedger(op, letters)
	if op.End != dlq.EndCompleted || op.Counts[dlq.ItemConfirmed] != letters*4/5 || op.Counts[dlq.ItemFailedAgain] != letters/5 {
		t.Errorf("ended as %s: %v", op.End, op.Counts)
	}
	for _, i := range s.items(op.ID) {
		var number int
		if _, err := fmt.Sscanf(i.Letter.Title(), "n-%d", &number); err != nil {
			t.Fatal(err)
		}
		bad := number%5 == 0
		if bad != (i.State == dlq.ItemFailedAgain) || bad != (i.Letter.Deaths == 2) || bad != (i.Letter.State == dlq.StateOpen) {
			t.Errorf("letter %s: item %s, %d deaths, %s", i.Letter.Title(), i.State, i.Letter.Deaths, i.Letter.State)
		}
	}
	// The counts over time are those of the ledger.
	var history struct{ Points []dlq.OperationPoint }
	if err := s.c.get("/operations/"+op.ID+"/history", &history); err != nil {
		t.Fatal(err)
	}
	failed, confirmed := int64(0), int64(0)
	for _, p := range history.Points {
		failed, confirmed = failed+p.Counts[dlq.ItemFailedAgain], confirmed+p.Counts[dlq.ItemConfirmed]
	}
	if failed != letters/5 || confirmed != letters*4/5 {
		t.Errorf("over time %d failed again and %d were confirmed", failed, confirmed)
	}
}

// A consumer that fails everything stops the operation before all letters are spent; healed, the rest goes well.
func theBreakerPauses(t *testing.T, s *stage, group string) {
	const letters = 400
	s.crowd.Say("sick " + group)
	s.feed(group, letters, never)
	s.letters(group, letters)
	op := s.start(s.draft(group, dlq.OperationSpec{Pace: dlq.Pace{Rate: 15}, Brake: dlq.Brake{Of: 10, Above: 50}}))
	op = s.until(op.ID, "the breaker pauses it", func(o dlq.Operation) bool { return o.State == dlq.OperationPaused })
	if op.Cause != dlq.PauseBreaker || op.Because["fingerprint"] == "" || op.Because["reason"] != "network_timeout" || op.Counts[dlq.ItemPending] == 0 {
		t.Errorf("paused by %s, %v: %v", op.Cause, op.Because, op.Counts)
	}
	s.crowd.Say("well " + group)
	// What had been sent before takes its way: its letters die again or, retried after the healing, come good.
	op = s.until(op.ID, "what was sent has its outcome", func(o dlq.Operation) bool { return o.Counts[dlq.ItemSending]+o.Counts[dlq.ItemWaiting] == 0 })
	pending := op.Counts[dlq.ItemPending]
	s.tell(op.ID, "resume")
	s.post("/operations/"+op.ID+"/pace", map[string]any{"pace": dlq.Pace{}})
	op = s.settled(op.ID)
	s.checkLedger(op, letters)
	if op.End != dlq.EndCompleted || op.Counts[dlq.ItemFailedAgain] < 6 || op.Counts[dlq.ItemConfirmed] < pending || op.Counts[dlq.ItemFailedAgain]+op.Counts[dlq.ItemConfirmed] != letters {
		t.Errorf("ended as %s: %v; %d were pending when it was paused", op.End, op.Counts, pending)
	}
	s.logs(op, "paused", "resumed", "paced", "completed", "settled")
}

// The first letters fail: no other is sent until a person says so.
func theCanaryFails(t *testing.T, s *stage, group string) {
	const letters, canary = 200, 5
	s.crowd.Say("sick " + group)
	s.feed(group, letters, never)
	s.letters(group, letters)
	op := s.start(s.draft(group, dlq.OperationSpec{Canary: dlq.Canary{Letters: canary, Percent: 1}, Brake: dlq.Brake{Of: 20, Above: 50}}))
	op = s.until(op.ID, "the canary pauses it", func(o dlq.Operation) bool { return o.State == dlq.OperationPaused })
	if op.Cause != dlq.PauseCanary || op.Because["fingerprint"] == "" || givenBack(op) != canary || op.CanaryLetters != canary {
		t.Errorf("paused by %s, %v: %v", op.Cause, op.Because, op.Counts)
	}
	s.crowd.Say("well " + group)
	s.tell(op.ID, "resume")
	op = s.settled(op.ID)
	s.checkLedger(op, letters)
	if failed := op.Counts[dlq.ItemFailedAgain]; failed == 0 || failed > canary || op.Counts[dlq.ItemConfirmed] != letters-failed {
		t.Errorf("ended as %s: %v", op.End, op.Counts)
	}
}

// The first letters are confirmed, and the operation goes on by itself.
func theCanaryPasses(t *testing.T, s *stage, group string) {
	const letters = 200
	s.crowd.Say("well " + group)
	s.feed(group, letters, never)
	s.letters(group, letters)
	op := s.settled(s.start(s.draft(group, dlq.OperationSpec{Canary: dlq.Canary{Percent: 1}, Brake: dlq.Brake{Of: 20, Above: 50}})).ID)
	s.checkLedger(op, letters)
	if op.CanaryLetters != 2 || op.End != dlq.EndCompleted || op.Counts[dlq.ItemConfirmed] != letters {
		t.Errorf("canary of %d, ended as %s: %v", op.CanaryLetters, op.End, op.Counts)
	}
	s.logs(op, "started", "canary_passed", "completed", "settled")
}

// A person pauses, sees that nothing moves, changes the pace and lets it go on.
func pausedByHand(t *testing.T, s *stage, group string) {
	const letters = 300
	s.crowd.Say("well " + group)
	s.feed(group, letters, never)
	s.letters(group, letters)
	op := s.start(s.draft(group, dlq.OperationSpec{Pace: dlq.Pace{Rate: 20}}))
	s.until(op.ID, "it has begun", func(o dlq.Operation) bool { return givenBack(o) >= 10 })
	s.tell(op.ID, "pause")
	op = s.until(op.ID, "what was sent is confirmed", func(o dlq.Operation) bool { return o.Counts[dlq.ItemSending]+o.Counts[dlq.ItemWaiting] == 0 })
	paused := givenBack(op) // the outcomes took seconds, in which twenty more a second would have been sent
	if op.State != dlq.OperationPaused || op.Cause != dlq.PauseByHand || paused >= letters/2 || op.Counts[dlq.ItemConfirmed] != paused {
		t.Errorf("%s by %s: %v", op.State, op.Cause, op.Counts)
	}
	s.tell(op.ID, "resume")
	s.post("/operations/"+op.ID+"/pace", map[string]any{"pace": dlq.Pace{Rate: 500}})
	op = s.settled(op.ID)
	s.checkLedger(op, letters)
	if op.Counts[dlq.ItemConfirmed] != letters {
		t.Errorf("%v", op.Counts)
	}
	if byReplay, byKey := s.copies(group, false); len(byReplay) != letters || len(byKey) != letters {
		t.Errorf("the consumer got %d replays of %d letters", len(byReplay), len(byKey))
	}
}

// minute is how windows write a time of day.
func minute(t time.Time) string { return t.UTC().Format("15:04") }

// An operation that is started before its window waits until that opens.
func theWindowOpens(t *testing.T, s *stage, group string) {
	const letters = 50
	s.crowd.Say("well " + group)
	s.feed(group, letters, never)
	s.letters(group, letters)
	opens := time.Now().Truncate(time.Minute).Add(time.Minute)
	if time.Until(opens) < 20*time.Second { // it must be shut for long enough to be seen
		opens = opens.Add(time.Minute)
	}
	op := s.start(s.draft(group, dlq.OperationSpec{Window: &dlq.ReplayWindow{From: minute(opens), To: minute(opens.Add(time.Hour)), Zone: "UTC"}}))
	op = s.until(op.ID, "it waits for its window", func(o dlq.Operation) bool { return o.State == dlq.OperationPaused })
	if op.Cause != dlq.PauseWindow || op.OpensAt == nil || !op.OpensAt.Equal(opens) || givenBack(op) != 0 {
		t.Errorf("paused by %s until %v: %v", op.Cause, op.OpensAt, op.Counts)
	}
	op = s.settled(op.ID)
	s.checkLedger(op, letters)
	if op.Counts[dlq.ItemConfirmed] != letters {
		t.Errorf("%v", op.Counts)
	}
	for _, i := range s.items(op.ID) {
		if i.Replay.SentAt.Before(opens) {
			t.Errorf("letter %d was sent at %s, before the window", i.LetterID, i.Replay.SentAt)
		}
	}
}

// A window that closes pauses the operation; a person calls it off, and the ledger tells what became of every letter.
func theWindowCloses(t *testing.T, s *stage, group string) {
	const letters = 2000
	s.crowd.Say("well " + group)
	s.feed(group, letters, never)
	s.letters(group, letters)
	closes := time.Now().Truncate(time.Minute).Add(time.Minute)
	if time.Until(closes) < 20*time.Second {
		closes = closes.Add(time.Minute)
	}
	op := s.start(s.draft(group, dlq.OperationSpec{Pace: dlq.Pace{Rate: 10}, Window: &dlq.ReplayWindow{From: minute(closes.Add(-time.Hour)), To: minute(closes), Zone: "UTC"}}))
	s.until(op.ID, "it has begun", func(o dlq.Operation) bool { return givenBack(o) > 0 })
	op = s.until(op.ID, "its window closes", func(o dlq.Operation) bool { return o.State == dlq.OperationPaused })
	if op.Cause != dlq.PauseWindow || time.Now().Before(closes) || op.Counts[dlq.ItemPending] == 0 {
		t.Errorf("paused by %s: %v", op.Cause, op.Counts)
	}
	s.tell(op.ID, "cancel")
	op = s.settled(op.ID)
	s.checkLedger(op, letters)
	confirmed := op.Counts[dlq.ItemConfirmed]
	if op.End != dlq.EndCancelled || confirmed == 0 || confirmed+op.Counts[dlq.ItemSkipped] != letters {
		t.Errorf("ended as %s: %v", op.End, op.Counts)
	}
	if byReplay, _ := s.copies(group, false); int64(len(byReplay)) != confirmed {
		t.Errorf("the consumer got %d replays, %d are confirmed", len(byReplay), confirmed)
	}
	for _, i := range s.items(op.ID) {
		if i.State == dlq.ItemSkipped && (i.Detail != dlq.SkipCancelled || i.Letter.State != dlq.StateOpen) {
			t.Errorf("letter %d is %s, skipped because of %q", i.LetterID, i.Letter.State, i.Detail)
		}
	}
}

// The global stop halts an operation, and lifting it does not start it again: a person does.
func theStopHalts(t *testing.T, s *stage, group string) {
	const letters = 300
	s.crowd.Say("well " + group)
	s.feed(group, letters, never)
	s.letters(group, letters)
	op := s.start(s.draft(group, dlq.OperationSpec{Pace: dlq.Pace{Rate: 20}}))
	s.until(op.ID, "it has begun", func(o dlq.Operation) bool { return givenBack(o) >= 10 })
	s.stop(true)
	op = s.until(op.ID, "the stop pauses it", func(o dlq.Operation) bool { return o.State == dlq.OperationPaused })
	op = s.until(op.ID, "what was sent is confirmed", func(o dlq.Operation) bool { return o.Counts[dlq.ItemSending]+o.Counts[dlq.ItemWaiting] == 0 })
	s.stop(false)
	if after := s.operation(op.ID); after.State != dlq.OperationPaused || after.Cause != dlq.PauseStop || givenBack(after) != givenBack(op) || op.Counts[dlq.ItemPending] == 0 {
		t.Errorf("%s by %s: %v", after.State, after.Cause, after.Counts)
	}
	s.post("/operations/"+op.ID+"/pace", map[string]any{"pace": dlq.Pace{}})
	s.tell(op.ID, "resume")
	op = s.settled(op.ID)
	s.checkLedger(op, letters)
	if op.Counts[dlq.ItemConfirmed] != letters {
		t.Errorf("%v", op.Counts)
	}
}

// stop pulls the global stop, or lifts it.
func (s *stage) stop(on bool) {
	s.t.Helper()
	var a dlq.Automation
	if err := s.c.get("/automation", &a); err != nil {
		s.t.Fatal(err)
	}
	wish := map[string]any{"version": a.Version, "on": a.On, "stopped": on, "note": "as the test says"}
	if err := s.c.call(s.t.Context(), http.MethodPut, "/automation", wish, nil); err != nil {
		s.t.Fatal(err)
	}
}

// logs checks that an operation's log tells of some things, in this order.
func (s *stage) logs(o dlq.Operation, kinds ...string) {
	s.t.Helper()
	var log struct{ Items []dlq.OperationEvent }
	if err := s.c.get("/operations/"+o.ID+"/log", &log); err != nil {
		s.t.Fatal(err)
	}
	slices.SortStableFunc(log.Items, func(a, b dlq.OperationEvent) int { return int(a.ID - b.ID) })
	rest := kinds
	for _, e := range log.Items {
		if len(rest) > 0 && e.Kind == rest[0] {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		s.t.Errorf("the log lacks %v of %v: %+v", rest, kinds, log.Items)
	}
}
