package rocketmq

import (
	"errors"
	"fmt"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

// page is one answer to one pull.
type page struct {
	code     int // remoting.AnswerSuccess, AnswerPullNotFound, AnswerPullRetry or AnswerPullOffsetMoved
	messages []remoting.Message
	next     int64 // where the broker says to go on
	min, max int64
	broken   bool // the message after the last one cannot be decoded
}

var (
	errTruncated = errors.New("the queue is shorter than what was read of it")
	errOddAnswer = errors.New("the broker's answer names offsets that do not fit")
)

// place is where a queue is read.
type place struct {
	queue dlq.Queue
	epoch int64
	next  int64
}

// batches makes batches of one answer to a pull at the place, and moves the place behind them. Offsets never go back:
// errTruncated says that the queue ends before the place, and the place does not move. An answer without news makes no
// batch.
func (at *place) batches(p page, now time.Time, bodyLimit int) ([]dlq.Batch, error) {
	switch p.code {
	case remoting.AnswerSuccess:
		return at.found(p, now, bodyLimit), nil
	case remoting.AnswerPullNotFound, remoting.AnswerPullRetry:
		// A broker that has deleted a file in the middle sends the reader to the next one.
		if p.next > at.next && p.next <= p.max {
			return []dlq.Batch{at.skip(dlq.GapExpired, p.next, now)}, nil
		}
		return nil, nil
	case remoting.AnswerPullOffsetMoved:
		switch {
		case at.next < p.min:
			return []dlq.Batch{at.skip(dlq.GapExpired, p.min, now)}, nil
		case at.next > p.max:
			return nil, errTruncated
		}
	}
	return nil, fmt.Errorf("pull at %d answered code %d with next %d, min %d, max %d: %w", at.next, p.code, p.next, p.min, p.max, errOddAnswer)
}

func (at *place) found(p page, now time.Time, bodyLimit int) []dlq.Batch {
	var out []dlq.Batch
	b := dlq.Batch{Queue: at.queue, Epoch: at.epoch, From: at.next}
	for i := range p.messages {
		m := &p.messages[i]
		if m.QueueOffset < at.next {
			continue // offered twice
		}
		if m.QueueOffset > at.next {
			if len(b.Messages) > 0 {
				b.Next = at.next
				out = append(out, b)
			}
			b = dlq.Batch{Queue: at.queue, Epoch: at.epoch, From: at.next, Gap: at.gap(dlq.GapExpired, m.QueueOffset, now)}
		}
		b.Messages = append(b.Messages, convert(at.queue, m, bodyLimit))
		at.next = m.QueueOffset + 1
	}
	b.Next = at.next
	if len(b.Messages) > 0 {
		out = append(out, b)
	}
	if p.broken && len(out) == 0 {
		out = append(out, at.skip(dlq.GapUnreadable, at.next+1, now))
	}
	return out
}

// skip makes a batch without messages that records what is lost up to an offset.
func (at *place) skip(kind dlq.GapKind, to int64, now time.Time) dlq.Batch {
	b := dlq.Batch{Queue: at.queue, Epoch: at.epoch, From: at.next, Next: to, Gap: at.gap(kind, to, now)}
	at.next = to
	return b
}

func (at *place) gap(kind dlq.GapKind, to int64, now time.Time) *dlq.Gap {
	return &dlq.Gap{Queue: at.queue, Kind: kind, From: at.next, To: to, Count: to - at.next, At: now.UTC()}
}

// restart begins a new epoch at the queue's present start. What was read of the old one and is still there comes again,
// and the store knows it by offset and store time; so nothing is missed whether the queue lost its tail or was made anew.
func (at *place) restart(start int64, now time.Time) dlq.Batch {
	at.epoch++
	b := dlq.Batch{Queue: at.queue, Epoch: at.epoch, From: at.next, Next: start,
		Gap: &dlq.Gap{Queue: at.queue, Kind: dlq.GapTruncated, From: at.next, To: start, At: now.UTC()}}
	at.next = start
	return b
}

// join appends a batch to those that wait for the store: to the last one where the two touch.
func join(waiting []load, l load) []load {
	if n := len(waiting); n > 0 {
		last := &waiting[n-1]
		if b := &last.batch; b.Next == l.batch.From && b.Epoch == l.batch.Epoch && l.batch.Gap == nil && len(b.Messages) < maxBatch {
			b.Messages = append(b.Messages, l.batch.Messages...)
			b.Next = l.batch.Next
			last.bytes += l.bytes
			return waiting
		}
	}
	return append(waiting, l)
}

// weight is what a batch takes of memory, about, in bytes.
func weight(b *dlq.Batch) int64 {
	const each = 1200 // struct, map and strings of one message without its values
	n := int64(each)
	for i := range b.Messages {
		m := &b.Messages[i]
		n += each + int64(len(m.Body))
		for k, v := range m.Properties {
			n += int64(len(k) + len(v))
		}
	}
	return n
}
