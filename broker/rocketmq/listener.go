package rocketmq

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
)

// A Java client of 5.5.0 that gets a second question about itself (request code 307) while it answers the first never
// answers either; it goes offline after some of them and comes back half a minute later (measured; 4.9.7 does not mind).
// So no client is asked twice at the same time, under whatever consumer group, and none more often than needed.
const (
	listenerStays = 10 * time.Second
	faultStays    = 2 * time.Second
	brokerWaits   = 11 * time.Second // until a broker has given up on a client's answer (Broker2Client.java), and a little more
)

// clientWord is what a client said of itself.
type clientWord struct {
	at, until     time.Time
	orderly, pops bool
	info          remoting.ConsumerRunningInfo // empty where it cannot be read
	err           error
	mute          bool // it did not answer at all
}

// groupClient names a client as a member of a consumer group.
type groupClient struct{ group, client string }

// listener tells whether a client's listener is an orderly one, and whether it pops. A Go client fails to encode its
// answer between 10 and 20 s after its start, and says success with an empty body then (rocketmq-client-go v2.1.2
// consumer/statistics.go divides by zero).
func (b *Broker) listener(ctx context.Context, addr, group, client string) (orderly, pops bool, err error) {
	h, err := b.word(ctx, addr, group, client, listenerStays)
	return h.orderly, h.pops, err
}

// word is what a client says of itself, not older than stays if it can be had.
func (b *Broker) word(ctx context.Context, addr, group, client string, stays time.Duration) (clientWord, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	who := groupClient{group, client}
	holds := func(h clientWord) bool { // until is of an answer that stays as long as any
		return b.now().Before(h.until) && (h.err != nil || b.now().Sub(h.at) < stays)
	}
	b.mu.Lock()
	last, known := b.heard[who]
	_, busy := b.busy[client]
	b.mu.Unlock()
	if known && (holds(last) || busy && last.err == nil) {
		return last, last.err
	}
	release, err := b.turn(ctx, client)
	if err != nil {
		return clientWord{}, err
	}
	b.mu.Lock()
	last, known = b.heard[who]
	b.mu.Unlock()
	if known && holds(last) {
		release() // who had the turn before asked the same
		return last, last.err
	}
	h := b.hear(ctx, addr, group, client)
	h.at = b.now()
	h.until = h.at.Add(listenerStays)
	if h.err != nil {
		h.until = h.at.Add(faultStays)
	}
	var unanswered *remoting.NoAnswer
	if errors.As(h.err, &unanswered) {
		h.until = h.at.Add(brokerWaits)
		time.AfterFunc(brokerWaits, release)
	} else {
		release()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.heard, func(_ groupClient, old clientWord) bool { return b.now().Sub(old.until) > time.Minute })
	b.heard[who] = h
	return h, h.err
}

// turn waits until nobody asks a client anything.
func (b *Broker) turn(ctx context.Context, client string) (release func(), err error) {
	done := make(chan struct{})
	for {
		b.mu.Lock()
		busy, taken := b.busy[client]
		if !taken {
			b.busy[client] = done
		}
		b.mu.Unlock()
		if !taken {
			break
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.busy, client)
		close(done)
	}, nil
}

// hear has a broker ask a client about itself.
func (b *Broker) hear(ctx context.Context, addr, group, client string) (h clientWord) {
	ans, err := b.wire.Do(ctx, addr, &remoting.Command{Code: remoting.RequestConsumerRunningInfo, Ext: map[string]string{
		"consumerGroup": group, "clientId": client, "jstackEnable": "false",
	}})
	if err == nil {
		err = ans.Err()
	}
	if err != nil {
		return clientWord{err: err, mute: true} // errors are the broker's word, about a client that said nothing
	}
	h.orderly, h.pops, h.err = parseListener(ans.Body)
	if info, err := remoting.ParseRunningInfo(ans.Body); err == nil {
		h.info = info
	}
	return h
}

// The tables in a client's answer have objects as keys, which is no JSON; what matters can be found without them.
var (
	orderlyListener = regexp.MustCompile(`"` + propConsumeOrderly + `":\s*"(true|false)"`)
	popQueues       = regexp.MustCompile(`"mqPopTable":\s*\{\s*[^}\s]`) // 5.x clients print {} when they pop nothing
)

func parseListener(body []byte) (orderly, pops bool, err error) {
	m := orderlyListener.FindSubmatch(body)
	if m == nil {
		return false, false, errors.New("the client's answer does not name its listener")
	}
	return string(m[1]) == "true", popQueues.Match(body), nil
}
