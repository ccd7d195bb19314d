package ui

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
)

func changed(ids ...int64) (events []dlq.Event) {
	for i, id := range ids {
		events = append(events, dlq.Event{ID: 100 + int64(i), LetterID: id, Kind: dlq.EventNoted})
	}
	return events
}

// next reads one frame of a follower.
func next(t *testing.T, one *follower) (event string, told changes) {
	t.Helper()
	select {
	case f, open := <-one.frames:
		if !open {
			return "closed", told
		}
		event, data := parse(t, string(f))
		if err := json.Unmarshal([]byte(data), &told); err != nil {
			t.Fatal(err)
		}
		slices.Sort(told.Changed)
		return event, told
	default:
		return "", told
	}
}

func parse(t *testing.T, f string) (event, data string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(f, "\n\n"), "\n") {
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case !ok:
			t.Fatalf("not an event: %q", f)
		case name == "event":
			event = value
		case name == "data":
			data = value
		}
	}
	return event, data
}

func TestChangesAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		h.started(17)
		one, last, err := h.follow("x")
		if err != nil || last != 17 {
			t.Fatal(last, err)
		}
		h.publish(nil)
		h.publish([]dlq.Event{{ID: 18, LetterID: 1, Kind: dlq.EventArrived}, {ID: 19, LetterID: 2, Kind: dlq.EventArrived}})
		h.publish(changed(1, 3, 3))
		time.Sleep(coalesce - time.Nanosecond)
		synctest.Wait()
		if event, _ := next(t, one); event != "" {
			t.Errorf("told before %s: %s", coalesce, event)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		event, told := next(t, one)
		if diff := cmp.Diff(changes{LastEvent: 102, Arrived: 2, Changed: []string{"1", "3"}}, told); event != "changes" || diff != "" {
			t.Errorf("%s %s", event, diff)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if event, _ := next(t, one); event != "" {
			t.Errorf("told twice: %s", event)
		}
		h.publish(changed(4)) // what was told is not told again
		time.Sleep(coalesce)
		synctest.Wait()
		if _, told := next(t, one); told.Arrived != 0 || !slices.Equal(told.Changed, []string{"4"}) || told.LastEvent != 102 {
			t.Errorf("%+v", told)
		}
	})
}

func TestManyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		one, _, _ := h.follow(dlq.ActorLocal)
		var ids []int64
		for id := range int64(changedMax + 1) {
			ids = append(ids, id+1)
		}
		h.publish(changed(ids...))
		time.Sleep(coalesce)
		synctest.Wait()
		if _, told := next(t, one); len(told.Changed) != changedMax || !told.More {
			t.Errorf("%d ids, more %v", len(told.Changed), told.More)
		}
	})
}

// One who does not read is cut off, and costs neither the others nor the publisher anything.
func TestASlowFollowerIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		slow, _, _ := h.follow(dlq.ActorLocal)
		fast, _, _ := h.follow(dlq.ActorLocal)
		for range followerBuffer + 1 {
			h.publish(changed(1))
			time.Sleep(coalesce)
			synctest.Wait()
			if event, _ := next(t, fast); event != "changes" {
				t.Fatalf("the fast one got %q", event)
			}
		}
		read := 0
		for range slow.frames {
			read++
		}
		if read != followerBuffer || !slow.slow {
			t.Errorf("the slow one read %d frames, slow is %v", read, slow.slow)
		}
		h.leave(slow) // as its handler does
		h.leave(fast)
		if fast.slow {
			t.Error("the fast one is called slow")
		}
	})
}

// One token cannot take the places of all others.
func TestStreamsAreShared(t *testing.T) {
	h := newHub()
	defer h.close()
	for range followersOfOne {
		if _, _, err := h.follow("greedy"); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := h.follow("greedy"); dlq.CodeOf(err) != dlq.CodeRateLimited {
		t.Errorf("one token may have any number of streams: %v", err)
	}
	for n := followersOfOne; n < followersMax; n++ {
		if _, _, err := h.follow("token" + strconv.Itoa(n/(followersOfOne-1))); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := h.follow("late"); err != nil {
		t.Errorf("all places are taken, and one who has none gets none: %v", err)
	}
	greedy := 0
	for f := range h.followers {
		if f.who == "greedy" {
			greedy++
		}
	}
	if greedy != followersOfOne-1 || len(h.followers) != followersMax {
		t.Errorf("the greedy one has %d streams, all have %d", greedy, len(h.followers))
	}
}

func TestTheHubHasAnEnd(t *testing.T) {
	h := newHub()
	var all []*follower
	for range followersMax {
		one, _, err := h.follow(dlq.ActorLocal)
		if err != nil {
			t.Fatal("refused")
		}
		all = append(all, one)
	}
	if _, _, err := h.follow(dlq.ActorLocal); err == nil {
		t.Error("there may be any number of followers")
	}
	h.leave(all[0])
	if _, _, err := h.follow(dlq.ActorLocal); err != nil {
		t.Error("one who leaves makes no room")
	}
	h.publish(changed(1))
	h.close()
	h.close()
	if _, open := <-all[1].frames; open {
		t.Error("a stream goes on after the end")
	}
	h.publish(changed(2))
	h.tell("status", Status{})
	if _, _, err := h.follow(dlq.ActorLocal); err == nil || h.timer != nil {
		t.Error("the hub goes on after its end")
	}
}

// Intake stays stalled since the same moment as long as it is stalled.
func TestStalledSince(t *testing.T) {
	var k stateKeeper
	topic := func(checked time.Time, err string) []dlq.TopicInfo {
		return []dlq.TopicInfo{{Readable: true, CheckedAt: noon}, {Readable: true, CheckedAt: checked, LastError: err, Unread: 3}, {Readable: false, CheckedAt: noon.Add(-time.Hour), LastError: "write only"}}
	}
	if got := k.intake(topic(noon, ""), noon); got.Stalled || got.Since != nil {
		t.Errorf("fine: %+v", got)
	}
	first := noon.Add(-10 * time.Second)
	if got := k.intake(topic(first, "no answer"), noon); !got.Stalled || !got.Since.Equal(first) {
		t.Errorf("an error: %+v", got)
	}
	if got := k.intake(topic(noon, "no answer"), noon); !got.Stalled || !got.Since.Equal(first) {
		t.Errorf("a later error: %+v", got)
	}
	if got := k.intake(topic(noon, ""), noon); got.Stalled || got.Since != nil {
		t.Errorf("fine again: %+v", got)
	}
	if got := k.intake(topic(noon.Add(-2*time.Minute), ""), noon); !got.Stalled {
		t.Errorf("not looked at for two minutes: %+v", got)
	}
}
