package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	client "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"golang.org/x/sync/errgroup"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/classifier"
	"deadletteroffice/dlq"
	"deadletteroffice/replay"
)

// replay measures replays per second, with their intents and settles, beside the client library's SendSync at equal
// concurrency.
func (b *bench) replay(ctx context.Context) error {
	const callers = 16
	fmt.Printf("\nreplay: %d letters one by one, %d callers, median of %d rounds\n", b.replays, callers, b.rounds)
	wire := remoting.New(remoting.Options{})
	defer wire.Close()
	live, _, err := liveRules()
	if err != nil {
		return err
	}
	if err := b.prepare(ctx, wire, "bench-replay", 1); err != nil {
		return err
	}
	var replayed, raw []float64
	for range b.rounds {
		r, err := b.replayRound(ctx, live, callers)
		if err != nil {
			return err
		}
		replayed = append(replayed, r)
		if r, err = b.sendRound(ctx, b.replays, callers); err != nil {
			return err
		}
		raw = append(raw, r)
	}
	fmt.Printf("  replays                       %9.0f /s\n", median(replayed))
	fmt.Printf("  raw SendSync                  %9.0f /s           ratio %.2f\n", median(raw), median(replayed)/median(raw))
	return nil
}

func (b *bench) replayRound(ctx context.Context, live *classifier.Live, callers int) (float64, error) {
	s, err := b.openStore(ctx, "replay")
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if err := admit(ctx, s, b.arrivals("bench-replay", 0, b.replays, live)); err != nil {
		return 0, err
	}
	broker, stop, err := b.connect(ctx, s, live)
	if err != nil {
		return 0, err
	}
	defer stop()
	service := replay.New(replay.Deps{Store: s, Broker: broker, Rules: live, Automation: off, Policy: live.Automation, Logger: quiet()})
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	started := time.Now()
	for range callers {
		group.Go(func() error {
			for {
				id := next.Add(1)
				if id > int64(b.replays) {
					return nil
				}
				if _, _, err := service.Replay(ctx, dlq.ReplayRequest{LetterID: id, Version: 1, Door: dlq.DoorRetry, Actor: "bench"}); err != nil {
					return fmt.Errorf("replay letter %d: %w", id, err)
				}
			}
		})
	}
	err = group.Wait()
	return rate(b.replays, time.Since(started)), err
}

func (b *bench) sendRound(ctx context.Context, n, callers int) (float64, error) {
	p, err := client.NewProducer(producer.WithNameServer(primitive.NamesrvAddr{b.node.NameServer()}), producer.WithGroupName("bench-raw"),
		producer.WithInstanceName("bench-raw"), producer.WithRetry(0))
	if err != nil {
		return 0, err
	}
	if err := p.Start(); err != nil {
		return 0, err
	}
	defer func() { _ = p.Shutdown() }() // there is nothing to do about it
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	started := time.Now()
	for range callers {
		group.Go(func() error {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if _, err := p.SendSync(ctx, primitive.NewMessage("bench-replay-topic", body(int(i)))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = group.Wait()
	return rate(n, time.Since(started)), err
}
