package main

import (
	"context"

	"deadletteroffice/broker/simulated"
	"deadletteroffice/demo"
	"deadletteroffice/dlq"
)

// simulatedMarket lets the demo shop trade on the in-memory stand-in.
type simulatedMarket struct{ broker *simulated.Broker }

// Open implements demo.Market.
func (m simulatedMarket) Open(_ context.Context, groups []demo.Group, work func(demo.Delivery) bool) (func(), error) {
	for _, g := range groups {
		kind := dlq.GroupConcurrent
		if g.Ordered {
			kind = dlq.GroupOrderly
		}
		m.broker.Consume(simulated.Consumer{Group: g.Name, Kind: kind, Topics: g.Topics, Work: func(s simulated.Seen) bool {
			return work(demo.Delivery{Group: s.Group, Kind: s.Properties[dlq.PropTags], UniqueKey: s.Properties[dlq.PropUniqueKey], Body: s.Body})
		}})
	}
	return func() {
		for _, g := range groups {
			m.broker.SetOnline(g.Name, false)
		}
	}, nil
}

// Send implements demo.Market.
func (m simulatedMarket) Send(_ context.Context, g demo.Goods) error {
	m.broker.Produce(simulated.Message{Topic: g.Topic, Tag: g.Kind, Key: g.Key, Properties: g.Properties, Body: g.Body})
	return nil
}
