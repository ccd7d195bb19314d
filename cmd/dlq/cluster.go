package main

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"deadletteroffice/broker/rocketmq"
	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/broker/simulated"
	"deadletteroffice/demo"
	"deadletteroffice/dlq"
	"deadletteroffice/handlers"
)

// cluster is what the console asks of brokers: a RocketMQ cluster, the in-memory stand-in, or nothing yet.
type cluster interface {
	Status() dlq.ClusterStatus
	Topics(ctx context.Context) ([]dlq.TopicInfo, error)
	Repair(ctx context.Context, topic string) error
	Group(ctx context.Context, group string, m *dlq.DeadMessage) (dlq.GroupInfo, error)
	Capabilities(ctx context.Context, brokerName string) (dlq.Capabilities, error)
	Subscribers(ctx context.Context, topic string) (groups []string, complete bool, err error)
	Send(ctx context.Context, req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error)
	Look(ctx context.Context, r dlq.Replay) (dlq.Evidence, error)
	LookMany(ctx context.Context, list []dlq.Replay) ([]dlq.Evidence, []error)
	Size(req dlq.SendRequest) (int, error)
	Probe(ctx context.Context, group, clientID string, m *dlq.DeadMessage) (dlq.ProbeAnswer, error)
	Announce(ctx context.Context, self dlq.Console) ([]dlq.Console, error)
	Close() error
}

// joinedCluster is a cluster with its way to read dead letters.
type joinedCluster struct {
	cluster
	read   func(context.Context, *handlers.Intake) error
	market demo.Market // where the demo shop trades, if it is not a RocketMQ cluster
}

// openCluster chooses the cluster by the configuration. It connects to nothing yet.
func openCluster(c config, log *slog.Logger, registry prometheus.Registerer) (joinedCluster, error) {
	switch {
	case c.simulated:
		b := simulated.New(simulated.Options{Logger: log})
		return joinedCluster{b, func(ctx context.Context, in *handlers.Intake) error { return b.Run(ctx, in) }, simulatedMarket{b}}, nil
	case len(c.nameServers) == 0:
		return joinedCluster{unconnected{}, func(ctx context.Context, _ *handlers.Intake) error {
			<-ctx.Done()
			return nil
		}, nil}, nil
	}
	tls, err := c.tlsConfig()
	if err != nil {
		return joinedCluster{}, err
	}
	b, err := rocketmq.New(rocketmq.Options{NameServers: c.nameServers, TLS: tls, Logger: log, Registerer: registry,
		Credentials: remoting.Credentials{AccessKey: c.accessKey, SecretKey: c.secretKey}})
	if err != nil {
		return joinedCluster{}, err
	}
	return joinedCluster{b, func(ctx context.Context, in *handlers.Intake) error { return b.Run(ctx, in) }, nil}, nil
}

// watchedCluster adds to the cluster's status what shows that another console is at work.
type watchedCluster struct {
	cluster
	foreign  func() bool
	consoles func() ([]dlq.Console, string)
}

func (w *watchedCluster) Status() dlq.ClusterStatus {
	s := w.cluster.Status()
	s.Foreign = w.foreign()
	s.Consoles, s.ConsolesError = w.consoles()
	return s
}

// unconnected stands where a cluster would be while no name server is set: the page works and says what to set.
type unconnected struct{}

func errUnconnected() error {
	return dlq.Errorf(dlq.CodeUnavailable, "no cluster is connected: no name server is set").
		WithHint("start with --namesrv host:port, or set DLQ_NAMESRV")
}

func (unconnected) Status() dlq.ClusterStatus {
	return dlq.ClusterStatus{NameServers: []string{}, Error: errUnconnected().Error()}
}

func (unconnected) Topics(context.Context) ([]dlq.TopicInfo, error) { return []dlq.TopicInfo{}, nil }
func (unconnected) Repair(context.Context, string) error            { return errUnconnected() }
func (unconnected) Close() error                                    { return nil }

func (unconnected) Announce(context.Context, dlq.Console) ([]dlq.Console, error) { return nil, nil }

func (unconnected) Group(context.Context, string, *dlq.DeadMessage) (dlq.GroupInfo, error) {
	return dlq.GroupInfo{}, errUnconnected()
}

func (unconnected) Capabilities(context.Context, string) (dlq.Capabilities, error) {
	return dlq.Capabilities{}, errUnconnected()
}

func (unconnected) Subscribers(context.Context, string) ([]string, bool, error) {
	return nil, false, errUnconnected()
}

func (unconnected) Send(context.Context, dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
	return dlq.Receipt{}, dlq.NotSent, errUnconnected()
}

func (unconnected) Size(req dlq.SendRequest) (int, error) { return len(req.Body), nil }

func (unconnected) Look(context.Context, dlq.Replay) (dlq.Evidence, error) {
	return dlq.Evidence{}, errUnconnected()
}

func (unconnected) LookMany(_ context.Context, list []dlq.Replay) ([]dlq.Evidence, []error) {
	errs := make([]error, len(list))
	for i := range errs {
		errs[i] = errUnconnected()
	}
	return make([]dlq.Evidence, len(list)), errs
}

func (unconnected) Probe(context.Context, string, string, *dlq.DeadMessage) (dlq.ProbeAnswer, error) {
	return dlq.ProbeAnswer{}, errUnconnected()
}
