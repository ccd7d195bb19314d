package rocketmq

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// traits are what one broker's configuration says that matters here.
type traits struct {
	dlq.Capabilities
	at time.Time // when it was asked

	popStored bool // check points and acknowledgements of POP are stored as soon as they are made
}

const traitsStay = time.Minute

// Capabilities tells what a broker can do; "" means any broker of the cluster that answers. The answer may be a minute old.
// The error is dlq.CodeUnavailable for a broker that is away, and says how.
func (b *Broker) Capabilities(ctx context.Context, brokerName string) (dlq.Capabilities, error) {
	c, err := b.present(ctx)
	if err != nil {
		return dlq.Capabilities{}, err
	}
	if brokerName == "" {
		here, away := b.split(c, c.masters())
		if len(here) == 0 {
			return dlq.Capabilities{}, dlq.Errorf(dlq.CodeUnavailable, "no broker of the cluster has a master that answers now (%s)", strings.Join(away, ", "))
		}
		brokerName = here[0]
	}
	if err := b.awayError(c, brokerName); err != nil {
		return dlq.Capabilities{}, err
	}
	t, err := b.traits(ctx, brokerName)
	return t.Capabilities, err
}

// traits asks a broker for its configuration, or remembers it.
func (b *Broker) traits(ctx context.Context, broker string) (traits, error) {
	b.mu.Lock()
	t, ok := b.known[broker]
	b.mu.Unlock()
	if ok && b.now().Sub(t.at) < traitsStay {
		return t, nil
	}
	addr, err := b.master(broker)
	if err != nil {
		return traits{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	cfg, err := b.wire.BrokerConfig(ctx, addr)
	if err != nil {
		return traits{}, unreachable(broker, "its configuration", err)
	}
	info, err := b.wire.BrokerRuntimeInfo(ctx, addr)
	if err != nil {
		return traits{}, unreachable(broker, "its runtime figures", err)
	}
	if t, err = parseTraits(broker, cfg, info); err != nil {
		return traits{}, dlq.Errorf(dlq.CodeNotSupported, "the broker %s has a configuration that cannot be understood: %w", broker, err)
	}
	t.at = b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known[broker] = t
	return t, nil
}

// parseTraits reads a broker's configuration (GET_BROKER_CONFIG) and runtime figures (GET_BROKER_RUNTIME_INFO).
func parseTraits(broker string, cfg, info map[string]string) (traits, error) {
	t := traits{Capabilities: dlq.Capabilities{Broker: broker}}
	version := parseVersion(info["brokerVersionDesc"])
	t.Version, t.Major = version.String(), version[0]
	var err error
	if t.Levels, err = parseLevels(cfg["messageDelayLevel"]); err != nil {
		return traits{}, err
	}
	// 4.9 delivers timer messages at once, without an error; it does not have this key.
	if t.Timer = cfg["timerWheelEnable"] == "true"; t.Timer {
		sec, err := strconv.ParseInt(cfg["timerMaxDelaySec"], 10, 64)
		if err != nil || sec <= 0 || sec > int64(maxDuration/time.Second) {
			return traits{}, fmt.Errorf("timerMaxDelaySec is %q", cfg["timerMaxDelaySec"])
		}
		t.TimerMax = dlq.Duration(time.Duration(sec) * time.Second)
	}
	t.popStored = t.Timer && cfg["enablePopBufferMerge"] != "true" && cfg["popConsumerKVServiceEnable"] != "true"
	// Since 5.1.1 a send to %RETRY% of a group with unexpired queue locks goes to the DLQ (SendMessageProcessor.handleRetryAndDLQ).
	t.OrderlyDiverts = version.atLeast(5, 1, 1)
	// A 5.x broker answers an empty body with a NullPointerException (measured on 5.3.3, 5.4.0 and 5.5.0).
	t.RefusesEmpty = version.atLeast(5, 0, 0)
	// The body as it is sent, compressed if it is (MessageExtEncoder.encode); brokers of 4.9 count the few bytes around it too.
	if n, err := strconv.Atoi(cfg["maxMessageSize"]); err == nil && n > 0 {
		t.MaxMessage = n
	}
	if hours, err := strconv.Atoi(cfg["fileReservedTime"]); err == nil && hours > 0 && hours < 1_000_000 {
		t.Keeps = dlq.Duration(time.Duration(hours) * time.Hour)
	}
	return t, nil
}

const maxDuration = time.Duration(1<<63 - 1)

// parseLevels reads messageDelayLevel: numbers with the units s, m, h or d, separated by blanks
// (ScheduleMessageService.parseDelayLevel).
func parseLevels(s string) ([]dlq.Duration, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	var levels []dlq.Duration
	for _, part := range strings.Fields(s) {
		unit := units[part[len(part)-1]]
		n, err := strconv.ParseInt(part[:len(part)-1], 10, 64)
		if err != nil || unit == 0 || n < 0 || n > int64(maxDuration/unit) {
			return nil, fmt.Errorf("messageDelayLevel has %q", part)
		}
		levels = append(levels, dlq.Duration(time.Duration(n)*unit))
	}
	if len(levels) == 0 {
		return nil, fmt.Errorf("messageDelayLevel is %q", s)
	}
	return levels, nil
}

// version is a broker's version: major, minor, patch; zeros when unknown.
type version [3]int

// parseVersion reads "V5_5_0" and "V4_9_7_SNAPSHOT" (MQVersion.java).
func parseVersion(s string) version {
	var v version
	for i, part := range strings.SplitN(strings.TrimPrefix(s, "V"), "_", 4) {
		n, err := strconv.Atoi(part)
		if i < 3 && err != nil {
			return version{}
		}
		if i < 3 {
			v[i] = n
		}
	}
	return v
}

func (v version) atLeast(major, minor, patch int) bool {
	want := version{major, minor, patch}
	for i := range v {
		if v[i] != want[i] {
			return v[i] > want[i]
		}
	}
	return true
}

func (v version) String() string {
	if v == (version{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
}
