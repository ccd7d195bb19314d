package rocketmq

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

var queueA = dlq.Queue{Cluster: "c", Broker: "b", Topic: "%DLQ%g", Number: 0}

func messages(offsets ...int64) []remoting.Message {
	var out []remoting.Message
	for _, o := range offsets {
		out = append(out, remoting.Message{Topic: queueA.Topic, QueueOffset: o, PhysicalOffset: o * 100, StoredAt: time.UnixMilli(o).UTC(), Body: fmt.Append(nil, o)})
	}
	return out
}

// brief forms of batches: "from-next gap(kind from-to) [offsets]".
func short(batches []dlq.Batch) []string {
	var out []string
	for _, b := range batches {
		s := fmt.Sprintf("%d/%d-%d", b.Epoch, b.From, b.Next)
		if g := b.Gap; g != nil {
			s += fmt.Sprintf(" %s %d-%d lost %d", g.Kind, g.From, g.To, g.Count)
		}
		for _, m := range b.Messages {
			s += fmt.Sprintf(" %d", m.Offset)
		}
		out = append(out, s)
	}
	return out
}

func TestBatches(t *testing.T) {
	const found, none, retry, moved = remoting.AnswerSuccess, remoting.AnswerPullNotFound, remoting.AnswerPullRetry, remoting.AnswerPullOffsetMoved
	for name, c := range map[string]struct {
		page page
		want []string
		next int64
		err  error
	}{
		"messages":                    {page{code: found, messages: messages(10, 11, 12), next: 13, max: 20}, []string{"3/10-13 10 11 12"}, 13, nil},
		"a hole before the first":     {page{code: found, messages: messages(12, 13), next: 14, max: 20}, []string{"3/10-14 expired 10-12 lost 2 12 13"}, 14, nil},
		"a hole in the middle":        {page{code: found, messages: messages(10, 13), next: 14, max: 20}, []string{"3/10-11 10", "3/11-14 expired 11-13 lost 2 13"}, 14, nil},
		"a broker that goes back":     {page{code: found, messages: messages(8, 9, 10), next: 11, max: 20}, []string{"3/10-11 10"}, 11, nil},
		"a next behind the last":      {page{code: found, messages: messages(10), next: 15, max: 20}, []string{"3/10-11 10"}, 11, nil},
		"one that cannot be decoded":  {page{code: found, broken: true, next: 12, max: 20}, []string{"3/10-11 unreadable 10-11 lost 1"}, 11, nil},
		"one such behind others":      {page{code: found, messages: messages(10), broken: true, next: 12, max: 20}, []string{"3/10-11 10"}, 11, nil},
		"nothing new":                 {page{code: none, next: 10, max: 10}, nil, 10, nil},
		"nothing, and a next behind":  {page{code: none, next: 4, max: 10}, nil, 10, nil},
		"a deleted file":              {page{code: retry, next: 14, max: 20}, []string{"3/10-14 expired 10-14 lost 4"}, 14, nil},
		"a next beyond the queue":     {page{code: none, next: 3000, max: 20}, nil, 10, nil},
		"expired":                     {page{code: moved, next: 15, min: 15, max: 20}, []string{"3/10-15 expired 10-15 lost 5"}, 15, nil},
		"truncated":                   {page{code: moved, next: 4, min: 0, max: 4}, nil, 10, errTruncated},
		"made anew and empty":         {page{code: moved}, nil, 10, errTruncated},
		"moved, but nowhere":          {page{code: moved, next: 10, min: 0, max: 20}, nil, 10, errOddAnswer},
		"a code that no pull answers": {page{code: 99}, nil, 10, errOddAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			at := place{queue: queueA, epoch: 3, next: 10}
			got, err := at.batches(c.page, time.Now(), 1<<20)
			if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, short(got)); diff != "" {
				t.Error(diff)
			}
			if at.next != c.next {
				t.Errorf("next is %d, want %d", at.next, c.next)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	at := place{queue: queueA, epoch: 3, next: 10}
	got := at.restart(2, time.Now())
	if diff := cmp.Diff([]string{"4/10-2 truncated 10-2 lost 0"}, short([]dlq.Batch{got})); diff != "" {
		t.Error(diff)
	}
	if at.next != 2 || at.epoch != 4 {
		t.Errorf("place %+v", at)
	}
}

func TestJoinBatches(t *testing.T) {
	at := place{queue: queueA, epoch: 1, next: 1}
	var waiting []load
	put := func(p page) {
		b, err := at.batches(p, time.Now(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range b {
			waiting = join(waiting, load{b, 10})
		}
	}
	put(page{messages: messages(1, 2), max: 9})
	put(page{messages: messages(3), max: 9})
	put(page{messages: messages(6), max: 9})
	put(page{messages: messages(7), max: 9})
	waiting = join(waiting, load{at.restart(0, time.Now()), 1})
	put(page{messages: messages(0), max: 9})
	want := []string{"1/1-4 1 2 3", "1/4-8 expired 4-6 lost 2 6 7", "2/8-0 truncated 8-0 lost 0 0"}
	want[2] = "2/8-1 truncated 8-0 lost 0 0"
	var batches []dlq.Batch
	var bytes []int64
	for _, l := range waiting {
		batches, bytes = append(batches, l.batch), append(bytes, l.bytes)
	}
	if diff := cmp.Diff(want, short(batches)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{20, 20, 11}, bytes); diff != "" {
		t.Errorf("memory of what was joined: %s", diff)
	}
}
