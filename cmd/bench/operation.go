package main

import (
	"context"
	"fmt"
	"time"

	"deadletteroffice/broker/rocketmq"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
	"deadletteroffice/replay"
	"deadletteroffice/replay/operation"
	"deadletteroffice/store"
)

const operationCallers = 16 // sends under way at once, of operations and of the bare library

// operation measures a bulk replay without a limit of pace, from its start to its last letter, with intents and settles.
// Beside it: the client library's SendSync at equal concurrency, and the same operation with a broker that takes every
// message at once, which leaves the bookkeeping. Both work on the same cores as the broker, so together they allow
// 1 / (1/raw + 1/bookkeeping).
func (b *bench) operation(ctx context.Context) error {
	fmt.Printf("\noperation: %d letters, no limit of pace, %d sends at once, median of %d rounds\n", b.bulk, operationCallers, b.rounds)
	wire := remoting.New(remoting.Options{})
	defer wire.Close()
	live, _, err := liveRules()
	if err != nil {
		return err
	}
	if err := b.prepare(ctx, wire, "bench-replay", 1); err != nil {
		return err
	}
	var whole, books, raw []float64
	for range b.rounds {
		took, err := b.operationRound(ctx, live, b.bulk, false)
		if err != nil {
			return err
		}
		whole = append(whole, rate(b.bulk, took))
		r, err := b.sendRound(ctx, b.bulk, operationCallers)
		if err != nil {
			return err
		}
		raw = append(raw, r)
		if took, err = b.operationRound(ctx, live, b.bulk, true); err != nil {
			return err
		}
		books = append(books, rate(b.bulk, took))
	}
	w, r, k := median(whole), median(raw), median(books)
	both := 1 / (1/r + 1/k)
	fmt.Printf("  operation                     %9.0f letters/s\n", w)
	fmt.Printf("  raw SendSync                  %9.0f /s           ratio %.2f   aim: at least 0.40\n", r, w/r)
	fmt.Printf("  bookkeeping alone             %9.0f letters/s   ratio %.2f\n", k, w/k)
	fmt.Printf("  what both allow together      %9.0f letters/s   ratio %.2f   aim: at least 0.85\n", both, w/both)
	for _, n := range []int{1000, 10000} {
		var times []float64
		for range b.rounds {
			took, err := b.operationRound(ctx, live, n, false)
			if err != nil {
				return err
			}
			times = append(times, took.Seconds())
		}
		fmt.Printf("  %6d letters, start to last  %9.2f s\n", n, median(times))
	}
	return nil
}

// instant is a broker that takes every message at once.
type instant struct{ *rocketmq.Broker }

// Send implements replay.Broker.
func (i instant) Send(_ context.Context, req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
	return dlq.Receipt{Broker: req.Broker, MessageID: "7F00000100002A9F0000000000000000"}, dlq.Sent, nil
}

// operationRound makes an operation of n letters of a new file and returns how long it took from its start to its last
// letter.
func (b *bench) operationRound(ctx context.Context, live *classifier.Live, n int, bookkeeping bool) (time.Duration, error) {
	s, err := b.openStore(ctx, "operation")
	if err != nil {
		return 0, err
	}
	defer s.Close()
	for from := 0; from < n; from += 20000 { // not all bodies in memory at once
		if err := admit(ctx, s, b.arrivals("bench-replay", from, min(n, from+20000), live)); err != nil {
			return 0, err
		}
	}
	broker, stop, err := b.connect(ctx, s, live)
	if err != nil {
		return 0, err
	}
	defer stop()
	var post replay.Broker = broker
	if bookkeeping {
		post = instant{broker}
	}
	replays := replay.New(replay.Deps{Store: s, Broker: post, Rules: live, Automation: off, Policy: live.Automation, Logger: quiet()})
	manager := operation.New(operation.Deps{Store: s, Replays: replays, Cluster: broker, Automation: off, Policy: live.Automation, Logger: quiet()})
	running, halt := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- manager.Run(running) }()
	defer func() {
		halt()
		<-ended
	}()
	o, err := manager.Create(ctx, dlq.Operation{Kind: dlq.OperationReplay, Actor: "bench", Spec: dlq.OperationSpec{
		Replay: &dlq.ReplaySpec{Door: dlq.DoorRetry}, Pace: dlq.Pace{Concurrency: operationCallers},
	}}, dlq.OperationPick{Filter: &dlq.Filter{Tab: dlq.TabAttention}})
	if err != nil {
		return 0, err
	}
	started := time.Now()
	if o, err = manager.Start(ctx, o.ID, o.Version, "benchmark", "bench"); err != nil {
		return 0, err
	}
	for o.State.Acts() {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		time.Sleep(20 * time.Millisecond)
		if o, err = s.Operation(ctx, o.ID); err != nil {
			return 0, err
		}
	}
	took := time.Since(started)
	if sent := o.Counts[dlq.ItemWaiting]; sent != int64(n) {
		return 0, fmt.Errorf("%d of %d letters were sent: %v, %s %v", sent, n, o.Counts, o.End, o.Because)
	}
	return took, nil
}

// connect opens the cluster as a console does, reading nothing.
func (b *bench) connect(ctx context.Context, s *store.Store, live *classifier.Live) (*rocketmq.Broker, func(), error) {
	broker, err := rocketmq.New(rocketmq.Options{NameServers: []string{b.node.NameServer()}, Logger: quiet()})
	if err != nil {
		return nil, nil, err
	}
	reading, halt := context.WithCancel(ctx)
	ended := make(chan error, 1)
	in := handlers.NewIntake(handlers.IntakeDeps{Store: s, Rules: live, Automation: off, Policy: live.Automation, Compensations: &handlers.LiveCompensations{}, Logger: quiet()})
	go func() { ended <- broker.Run(reading, onlyGroup{in, ""}) }() // as in a console: it looks at the cluster
	for !broker.Status().Reachable && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	return broker, func() {
		halt()
		<-ended
		broker.Close()
	}, ctx.Err()
}
