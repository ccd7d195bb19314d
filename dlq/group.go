package dlq

import "time"

// GroupKind is what kind of consumer group it is. Doors depend on it.
type GroupKind string

// The kinds of consumer group.
const (
	GroupConcurrent GroupKind = "concurrent"
	GroupOrderly    GroupKind = "orderly"
	GroupPop        GroupKind = "pop"       // Java remoting consumers in POP mode
	GroupGRPC       GroupKind = "grpc"      // gRPC clients through the 5.x proxy
	GroupGRPCFIFO   GroupKind = "grpc_fifo" // gRPC clients of a FIFO group
	GroupBroadcast  GroupKind = "broadcast"
	GroupUnknown    GroupKind = "unknown"
)

// GroupInfo is what a cluster says about a consumer group.
type GroupInfo struct {
	Name    string    `json:"name"`
	Exists  bool      `json:"exists"` // a broker has its subscription group or its retry topic
	Kind    GroupKind `json:"kind"`
	KindWhy string    `json:"kind_why"` // stable code of how the kind was told
	Online  bool      `json:"online"`

	// ReadsRetry says of a group of unknown kind that it is a concurrent or an orderly one: both read their retry topic.
	ReadsRetry bool `json:"reads_retry,omitempty"`

	LastSeen *time.Time    `json:"last_seen,omitempty"` // when this console last saw it online
	Clients  []GroupClient `json:"clients,omitempty"`
	Topics   []string      `json:"topics,omitempty"` // topics that it subscribes to, as far as known
	Lag      int64         `json:"lag"`              // messages not consumed yet, over its topics and its retry topic; -1 unknown
	MaxRetry int           `json:"max_retry"`        // the subscription group's retryMaxTimes; -1 unknown

	// BrokersAway are brokers that did not answer, by name: clients that are connected to them alone are not among Clients,
	// and what they alone know of the group is not known.
	BrokersAway []string `json:"brokers_away,omitempty"`

	// Serving are brokers that answer and from which the group reads its retry topic, by name: what is sent to that topic on
	// any of them reaches the group.
	Serving []string `json:"serving,omitempty"`
}

// GroupClient is one connected client of a consumer group.
type GroupClient struct {
	ID       string `json:"id"`
	Address  string `json:"address"`
	Language string `json:"language"`
	Version  string `json:"version"`
}

// Capabilities is what the brokers that hold a letter can do.
type Capabilities struct {
	Broker         string     `json:"broker"`
	Version        string     `json:"version"` // "" unknown
	Major          int        `json:"major"`   // 4 or 5; 0 unknown
	Levels         []Duration `json:"levels"`  // delay levels, level 1 first
	Timer          bool       `json:"timer"`   // arbitrary delays are served
	TimerMax       Duration   `json:"timer_max,omitempty"`
	OrderlyDiverts bool       `json:"orderly_diverts"` // sends to %RETRY% of an orderly group that is online go to the DLQ (since 5.1.1)
	RefusesEmpty   bool       `json:"refuses_empty"`   // sends with an empty body are refused (5.x)
	MaxMessage     int        `json:"max_message"`     // bytes of body that the broker takes, compressed as it is sent; 0 unknown
	Keeps          Duration   `json:"-"`               // messages are kept for so long, at the least; 0 unknown
}

// Level returns the smallest delay level that is at least d, and its duration. Level 0 is no delay. ok is false above the
// highest level: a broker would lower it in silence (apache/rocketmq HookUtils.handleScheduleMessage), so it is refused.
func (c Capabilities) Level(d time.Duration) (level int, actual time.Duration, ok bool) {
	if d <= 0 {
		return 0, 0, true
	}
	for i, have := range c.Levels {
		if time.Duration(have) >= d && (level == 0 || time.Duration(have) < actual) {
			level, actual = i+1, time.Duration(have)
		}
	}
	return level, actual, level > 0
}

// Permission bits of a topic.
const (
	PermWrite = 2
	PermRead  = 4
)

// TopicInfo is one %DLQ% topic on one broker: what the broker holds and how far it has been read.
type TopicInfo struct {
	Queue
	ConsumerGroup string     `json:"consumer_group"`
	Perm          int        `json:"perm"` // 2 write only (cannot be read until repaired), 4 read only, 6 both
	Readable      bool       `json:"readable"`
	Min           int64      `json:"min,string"`
	Max           int64      `json:"max,string"`  // next offset to be written
	Next          int64      `json:"next,string"` // next offset to be read into the store
	Unread        int64      `json:"unread"`      // messages not yet read
	OldestUnread  *time.Time `json:"oldest_unread,omitempty"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"` // earliest time at which the broker may delete what is unread
	LastError     string     `json:"last_error,omitempty"` // public sentence
	CheckedAt     time.Time  `json:"checked_at"`
}

// TLSCheck says how far a console makes sure that it speaks to its cluster.
type TLSCheck string

// How far the other end is checked.
const (
	TLSOff      TLSCheck = ""          // connections are not encrypted
	TLSFull     TLSCheck = "full"      // the certificate and the name in it
	TLSAnyName  TLSCheck = "any_name"  // the certificate's authority, not the name in it
	TLSUnproved TLSCheck = "unchecked" // any certificate is taken
)

// ClusterStatus is how the console stands with its cluster.
type ClusterStatus struct {
	Cluster     string     `json:"cluster"` // "" until known
	NameServers []string   `json:"name_servers"`
	Reachable   bool       `json:"reachable"`
	Since       *time.Time `json:"since,omitempty"` // since when it is so
	Error       string     `json:"error,omitempty"` // public sentence, when not reachable
	Hint        string     `json:"hint,omitempty"`  // what to do about it
	TLS         TLSCheck   `json:"tls,omitempty"`   // how far the other end of connections is checked
	Simulated   bool       `json:"simulated"`       // the in-memory stand-in is in use
	Brokers     []string   `json:"brokers,omitempty"`
	Foreign     bool       `json:"foreign_console"` // another console replays on this cluster

	// Consoles are the other consoles that are connected to this cluster, by id. ConsolesError says why they cannot be seen.
	Consoles      []Console `json:"consoles,omitempty"`
	ConsolesError string    `json:"consoles_error,omitempty"`

	// Members are the brokers by name, those that do not answer among them. One that the name server knows no more is
	// listed for an hour.
	Members []BrokerState `json:"members,omitempty"`
}

// Console is one console on a cluster.
type Console struct {
	ID         string     `json:"id"`                // random, of its process
	Host       string     `json:"host"`              // name of its machine
	Address    string     `json:"address,omitempty"` // from which brokers see it
	Automation bool       `json:"automation"`        // it acts by itself
	Since      *time.Time `json:"since,omitempty"`   // when that was switched on, by its clock
}

// BrokerRole says what is there of a broker.
type BrokerRole string

// The roles.
const (
	RoleMaster BrokerRole = "master"
	RoleSlave  BrokerRole = "slave" // no master is registered: nothing can be sent there, and nothing is read
	RoleGone   BrokerRole = "gone"  // the name server knows it no more
)

// BrokerState is how one broker of a cluster stands.
type BrokerState struct {
	Name      string     `json:"name"`
	Address   string     `json:"address,omitempty"` // host:port that the console asks; the last one known
	Role      BrokerRole `json:"role"`
	AwaySince *time.Time `json:"away_since,omitempty"` // since when it does not answer; nil while it does
	Why       AwayCause  `json:"why,omitempty"`        // stable code of why it is away
	Error     string     `json:"error,omitempty"`      // the same as a public sentence
}

// AwayCause is how a broker fails to answer.
type AwayCause string

// The causes.
const (
	AwayRefused      AwayCause = "refused"       // nobody listens at its address
	AwayUnroutable   AwayCause = "unroutable"    // there is no way to its address
	AwayNoConnection AwayCause = "no_connection" // no connection comes about
	AwayNameUnknown  AwayCause = "name_unknown"  // its host name cannot be resolved
	AwayNoAnswer     AwayCause = "no_answer"     // connected, and no answer comes
	AwayOther        AwayCause = "other"         // the error says more
	AwayNoMaster     AwayCause = "no_master"     // only a slave of it is registered
	AwayUnregistered AwayCause = "unregistered"  // the name server knows it no more
)

// Away returns the names of the brokers that do not answer.
func (s *ClusterStatus) Away() []string {
	var names []string
	for _, m := range s.Members {
		if m.AwaySince != nil {
			names = append(names, m.Name)
		}
	}
	return names
}
