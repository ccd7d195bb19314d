package remoting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Permission bits of a topic's queues.
const (
	PermWrite = 2
	PermRead  = 4
)

// TopicRoute says which brokers hold a topic's queues.
type TopicRoute struct {
	Brokers []BrokerData
	Queues  []QueueData
}

// BrokerData is one broker name and the addresses of its members; the member with id 0 is the master.
type BrokerData struct {
	Cluster string           `json:"cluster"`
	Name    string           `json:"brokerName"`
	Addrs   map[int64]string `json:"brokerAddrs"`
}

// Master returns the master's address, or "" while there is none.
func (b BrokerData) Master() string { return b.Addrs[0] }

// QueueData is what one broker holds of a topic. Perm is a sum of PermRead and PermWrite; brokers up to 4.9.1
// create dead-letter topics with PermWrite alone, and an upgrade does not repair them.
type QueueData struct {
	Broker      string `json:"brokerName"`
	ReadQueues  int    `json:"readQueueNums"`
	WriteQueues int    `json:"writeQueueNums"`
	Perm        int    `json:"perm"`
}

// ClusterInfo is what the name server knows of brokers: by broker name, and the broker names of each cluster.
type ClusterInfo struct {
	Brokers  map[string]BrokerData `json:"brokerAddrTable"`
	Clusters map[string][]string   `json:"clusterAddrTable"`
}

// Route asks a name server where topic lives. A topic that does not exist is an answer of AnswerTopicMissing.
func (c *Client) Route(ctx context.Context, nameServers, topic string) (TopicRoute, error) {
	ans, err := c.ask(ctx, nameServers, &Command{Code: RequestRoute, Ext: map[string]string{"topic": topic, "acceptStandardJsonOnly": "true"}})
	if err != nil {
		return TopicRoute{}, err
	}
	var body struct {
		Brokers []BrokerData `json:"brokerDatas"`
		Queues  []QueueData  `json:"queueDatas"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return TopicRoute{}, fmt.Errorf("decode topic route: %w", err)
	}
	return TopicRoute{Brokers: body.Brokers, Queues: body.Queues}, nil
}

// ClusterInfo asks one name server after the other for all brokers, until one knows some. One that was just started, or of
// which no broker was told, knows none: until it does, its word on topics is not taken either (see Knowing).
func (c *Client) ClusterInfo(ctx context.Context, nameServers string) (ClusterInfo, error) {
	addrs := SplitAddresses(nameServers)
	var empty ClusterInfo
	var answered bool
	var errs []error
	for i, addr := range addrs {
		ans, err := c.askOne(ctx, addr, len(addrs)-i, &Command{Code: RequestClusterInfo})
		var info ClusterInfo
		if err == nil {
			if err = decodeJSON(ans.Body, &info); err != nil {
				err = fmt.Errorf("decode cluster info: %w", err)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", addr, err))
			if ctx.Err() != nil {
				break
			}
			continue
		}
		c.mu.Lock()
		c.empty[addr] = len(info.Brokers) == 0
		c.mu.Unlock()
		if len(info.Brokers) > 0 {
			return info, nil
		}
		empty, answered = info, true
	}
	switch {
	case len(addrs) == 0:
		return empty, errNoNames
	case answered:
		return empty, nil
	}
	return empty, errors.Join(errs...)
}

var errNoNames = errors.New("no name server address given")

// Knowing leaves out the name servers that knew no broker when they were asked last, unless that leaves none.
func (c *Client) Knowing(addrs []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var knowing []string
	for _, a := range addrs {
		if !c.empty[a] {
			knowing = append(knowing, a)
		}
	}
	if len(knowing) == 0 {
		return addrs
	}
	return knowing
}

// TopicList asks a name server for all topics, sorted. Brokers register topics named like themselves and like
// their cluster; those are in the list too.
func (c *Client) TopicList(ctx context.Context, nameServers string) ([]string, error) {
	ans, err := c.ask(ctx, nameServers, &Command{Code: RequestTopicList})
	if err != nil {
		return nil, err
	}
	var body struct {
		Topics []string `json:"topicList"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return nil, fmt.Errorf("decode topic list: %w", err)
	}
	slices.Sort(body.Topics)
	return body.Topics, nil
}

// ask puts a question to the first that answers of several name servers that know brokers. Each gets an equal share of the time
// that ctx leaves, so that one which hangs does not use it up. An answer, whatever its code, ends the search.
func (c *Client) ask(ctx context.Context, nameServers string, req *Command) (*Command, error) {
	addrs := c.Knowing(SplitAddresses(nameServers))
	if len(addrs) == 0 {
		return nil, errNoNames
	}
	var errs []error
	for i, addr := range addrs {
		ans, err := c.askOne(ctx, addr, len(addrs)-i, req)
		if err == nil || errors.As(err, new(*ResponseError)) {
			return ans, err
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (c *Client) askOne(ctx context.Context, addr string, left int, req *Command) (*Command, error) {
	share := 6 * time.Second
	if end, ok := ctx.Deadline(); ok {
		share = end.Sub(c.now()) / time.Duration(left)
	}
	if left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	return c.call(ctx, addr, req)
}

// SplitAddresses takes "a:9876;b:9876" apart; commas and blanks separate too. A leading http:// is dropped,
// since the Go client demands it for host names.
func SplitAddresses(list string) []string {
	addrs := strings.FieldsFunc(list, func(r rune) bool { return r == ';' || r == ',' || r == ' ' })
	for i := range addrs {
		addrs[i] = strings.TrimPrefix(addrs[i], "http://")
	}
	return addrs
}
