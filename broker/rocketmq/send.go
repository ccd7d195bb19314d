package rocketmq

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/broker/rocketmq/remoting"
	"deadletteroffice/dlq"
)

const (
	sendPatience = 10 * time.Second // for the broker's answer to one own send
	// maxReconsume is the limit that sends to a retry topic name. It steers only whether the broker takes the message or
	// puts it into the DLQ at once; later rounds use the consumer's own (SendMessageProcessor.handleRetryAndDLQ).
	maxReconsume = 16
	producerName = "dlq-console-replay"
)

// verdict is the outcome of one send in the making.
type verdict struct {
	receipt dlq.Receipt
	result  dlq.SendResult
	err     error
}

func notSent(code dlq.Code, format string, args ...any) verdict {
	return verdict{result: dlq.NotSent, err: dlq.Errorf(code, format, args...)}
}

// Send gives one message back through the door that the replay names, once: it never tries again by itself. The error
// explains every result but dlq.Sent, in words for people; dlq.CodeUnavailable among refusals means that trying later may
// help. Once the message is on its way, the end of ctx does not stop it.
func (b *Broker) Send(ctx context.Context, req dlq.SendRequest) (dlq.Receipt, dlq.SendResult, error) {
	v := b.send(ctx, req)
	return v.receipt, v.result, v.err
}

func (b *Broker) send(ctx context.Context, req dlq.SendRequest) verdict {
	if err := ctx.Err(); err != nil {
		return notSent(dlq.CodeUnavailable, "nothing was sent, the request had ended before: %w", err)
	}
	c, err := b.present(ctx)
	if err != nil {
		return verdict{result: dlq.NotSent, err: err}
	}
	b.baseline(ctx, req.Replay, req.Broker)
	switch req.Replay.Door {
	case dlq.DoorTopic:
		return b.sendToTopic(ctx, c, req)
	case dlq.DoorRetry:
		return b.sendToRetry(ctx, c, req)
	case dlq.DoorBack:
		return b.sendBack(ctx, c, req)
	case dlq.DoorPop:
		return b.sendToPop(ctx, c, req)
	}
	return notSent(dlq.CodeNotSupported, "nothing can be sent through door %s", req.Replay.Door)
}

// properties adds what a delay needs.
func properties(req dlq.SendRequest) map[string]string {
	props := maps.Clone(req.Properties)
	if props == nil {
		props = map[string]string{}
	}
	delete(props, propTransaction) // it would make the message an invisible half of a transaction
	switch {
	case req.TimerAt != nil:
		props[propTimerDeliver] = strconv.FormatInt(req.TimerAt.UnixMilli(), 10)
	case req.Replay.DelayLevel > 0:
		props[dlq.PropDelay] = strconv.Itoa(req.Replay.DelayLevel)
	}
	return props
}

// sendable are the bits of a sysFlag that may travel again: compression and several tags. The others are about the
// stored copy: transactions, batches, and the lengths of its host addresses.
const sendable = remoting.SysFlagCompressed | remoting.SysFlagCompressType | 0x2 // MessageSysFlag.MULTI_TAGS_FLAG

// wireBody returns a body and the sysFlag as they travel. What came compressed goes compressed, with the same method: a
// broker measures it so, and consumers undo it unseen.
func wireBody(req dlq.SendRequest) ([]byte, int32, error) {
	flag := req.SysFlag & sendable
	if !req.Compress || len(req.Body) == 0 {
		return req.Body, flag, nil
	}
	body, err := deflate(req.Body, flag)
	if err != nil {
		return nil, 0, dlq.Errorf(dlq.CodeInternal, "the body cannot be compressed: %w", err)
	}
	return body, flag | remoting.SysFlagCompressed, nil
}

// Size returns how many bytes of body a broker is handed by a send. That is what its limit is about
// (Capabilities.MaxMessage).
func (b *Broker) Size(req dlq.SendRequest) (int, error) {
	body, _, err := wireBody(req)
	return len(body), err
}

// sendToTopic is door A.
func (b *Broker) sendToTopic(ctx context.Context, c *cluster, req dlq.SendRequest) verdict {
	target := req.Replay.Target
	switch {
	case target == "":
		return notSent(dlq.CodeRefused, "the message's original topic is not known")
	case strings.HasPrefix(target, dlq.RetryPrefix), strings.HasPrefix(target, dlq.DLQPrefix), isSystemTopic(target):
		return notSent(dlq.CodeRefused, "%s is a topic of RocketMQ's own: nobody has subscribed to it", target)
	}
	holders, err := b.locate(ctx, target, req.Broker)
	switch {
	case err != nil:
		return verdict{result: dlq.NotSent, err: err}
	case len(holders) == 0:
		return notSent(dlq.CodeRefused, "the cluster has no topic %s", target)
	}
	holders, away := b.split(c, holders)
	if len(holders) == 0 {
		return verdict{result: dlq.NotSent, err: allAway("the topic "+target+" cannot be reached, nothing was sent", away)}
	}
	if v, stop := b.refuseEmpty(ctx, holders[0], req); stop {
		return v
	}
	props := properties(req)
	if _, err := remoting.EncodeProperties(props); err != nil {
		return unsendable(err) // the client library would write it all the same
	}
	if req.SysFlag&sendable != 0 || req.Compress || b.opt.TLS != nil || len(away) > 0 || b.someKnowNothing() {
		// The client library can neither send a body that is compressed already nor speak TLS, goes on choosing brokers that are
		// away, and takes the word of a name server that knows nothing.
		return b.sendOwn(ctx, b.pick(holders), req, props)
	}
	return b.sender.send(ctx, req, props)
}

// someKnowNothing reports whether a name server knew no broker when it was asked last, while others did.
func (b *Broker) someKnowNothing() bool {
	names := remoting.SplitAddresses(b.names)
	return len(b.wire.Knowing(names)) < len(names)
}

// pick chooses one of several brokers at random.
func (b *Broker) pick(names []string) string {
	var x [1]byte
	rand.Read(x[:])
	return names[int(x[0])%len(names)]
}

// sendToRetry is door B.
func (b *Broker) sendToRetry(ctx context.Context, c *cluster, req dlq.SendRequest) verdict {
	if v, stop := b.refuseGroup(ctx, c, req); stop {
		return v
	}
	if v, stop := b.refuseEmpty(ctx, req.Broker, req); stop {
		return v
	}
	props := properties(req)
	if props[dlq.PropRetryTopic] == "" {
		// Without it consumers see the message under the name %RETRY%<group>, and have no listener for that.
		if req.Replay.Topic == "" {
			return notSent(dlq.CodeRefused, "the message's original topic is not known")
		}
		props[dlq.PropRetryTopic] = req.Replay.Topic
	}
	return b.sendOwn(ctx, req.Broker, req, props)
}

// sendToPop is door P: the retry topic of one consumer group and one topic, which gRPC clients poll beside the topic itself.
// ORIGIN_GROUP makes brokers since 5.4.0 wake the clients that wait (PopLongPollingService.java); without it, and before, the
// message is seen at their next question, up to 20 s later. The broker takes <group>_<topic> for the name of a consumer
// group, and creates that one if it may.
func (b *Broker) sendToPop(ctx context.Context, c *cluster, req dlq.SendRequest) verdict {
	group := req.Replay.ConsumerGroup
	if topic, ok := popRest(group, req.Replay.Target); !ok || topic != req.Replay.Topic {
		return notSent(dlq.CodeRefused, "%s is not the retry topic of the consumer group %s and the topic %s", req.Replay.Target, group, req.Replay.Topic)
	}
	if v, stop := b.refuseGroup(ctx, c, req); stop {
		return v
	}
	p, err := b.presence(ctx, c, group)
	if err != nil {
		return verdict{result: dlq.NotSent, err: err}
	}
	if p.configured && p.config.Orderly {
		return notSent(dlq.CodeRefused, "the consumer group %s is a FIFO one: its clients read no retry topic", group)
	}
	t, err := b.traits(ctx, req.Broker)
	switch {
	case err != nil:
		return verdict{result: dlq.NotSent, err: err}
	case t.Major != 0 && t.Major < 5:
		return notSent(dlq.CodeNotSupported, "the broker %s of version %s has no POP retry topics", req.Broker, t.Version)
	}
	if v, stop := b.refuseEmpty(ctx, req.Broker, req); stop {
		return v
	}
	props := properties(req)
	props[propOriginGroup] = group
	delete(props, dlq.PropRetryTopic) // a second death sets it to the retry topic, which tells the kind of group
	return b.sendOwn(ctx, req.Broker, req, props)
}

// refuseGroup refuses a send for a consumer group that no broker knows: the broker would create it and say success.
func (b *Broker) refuseGroup(ctx context.Context, c *cluster, req dlq.SendRequest) (verdict, bool) {
	group := req.Replay.ConsumerGroup
	p, err := b.presence(ctx, c, group)
	if err != nil {
		return verdict{result: dlq.NotSent, err: err}, true
	}
	known, away, err := b.isKnown(ctx, c, p, group, req.Broker)
	switch {
	case err != nil:
		return verdict{result: dlq.NotSent, err: err}, true
	case !known && len(away) > 0:
		return notSent(dlq.CodeUnavailable, "no broker that answers knows the consumer group %s, and %s", group, areAway(away)), true
	case !known:
		return notSent(dlq.CodeRefused, "no broker knows the consumer group %s", group), true
	}
	return verdict{}, false
}

func (b *Broker) refuseEmpty(ctx context.Context, broker string, req dlq.SendRequest) (verdict, bool) {
	if len(req.Body) > 0 {
		return verdict{}, false
	}
	t, err := b.traits(ctx, broker)
	if err != nil {
		return verdict{result: dlq.NotSent, err: err}, true
	}
	if !t.RefusesEmpty {
		return verdict{}, false
	}
	return notSent(dlq.CodeNotSupported, "brokers of version %s refuse a message with an empty body", t.Version), true
}

// sendOwn sends by an own frame.
func (b *Broker) sendOwn(ctx context.Context, broker string, req dlq.SendRequest, props map[string]string) verdict {
	addr, err := b.master(broker)
	if err != nil {
		return verdict{result: dlq.NotSent, err: err}
	}
	body, flag, err := wireBody(req)
	if err != nil {
		return verdict{result: dlq.NotSent, err: err}
	}
	limit := maxReconsume
	sendCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendPatience)
	defer cancel()
	queue := 0
	if req.Replay.Door == dlq.DoorTopic {
		queue = -1 // the broker chooses
	}
	res, err := b.wire.SendMessage(sendCtx, addr, remoting.SendRequest{
		ProducerGroup: producerName, Topic: req.Replay.Target, Queue: queue, SysFlag: flag, BornAt: req.BornAt, Flag: req.Flag,
		Properties: props, Body: body, MaxReconsumed: &limit,
	})
	if err != nil {
		return wireVerdict(broker, err)
	}
	v := verdict{result: dlq.Sent, receipt: dlq.Receipt{
		Broker: broker, Address: addr, Queue: res.Queue, Offset: res.QueueOffset, MessageID: res.MessageID, Weak: res.Code != remoting.AnswerSuccess,
	}}
	if req.Replay.Door != dlq.DoorTopic {
		v = b.checkSend(sendCtx, brokerTopic{broker, req.Replay.Target}, v)
	}
	return v
}

// undivertedFor is how long sends to one retry topic go unchecked after one that was not diverted. What diverts is the lock
// of an orderly consumer group on the broker, so all sends of a moment fare alike (apache/rocketmq 5.1.1
// SendMessageProcessor.handleRetryAndDLQ asks RebalanceLockManager.isLockAllExpired of the group).
const undivertedFor = 500 * time.Millisecond

// brokerTopic is a topic on a broker.
type brokerTopic struct{ broker, topic string }

// checkSend looks at what became of a send, unless one to the same place was seen to be stored where it was sent a moment ago: a look
// costs as much as the send.
func (b *Broker) checkSend(ctx context.Context, to brokerTopic, v verdict) verdict {
	b.mu.Lock()
	fresh := b.now().Sub(b.undiverted[to]) < undivertedFor
	b.mu.Unlock()
	if fresh {
		return v
	}
	v, seen := b.checkDiverted(ctx, v)
	if seen && v.result == dlq.Sent {
		b.mu.Lock()
		maps.DeleteFunc(b.undiverted, func(_ brokerTopic, at time.Time) bool { return b.now().Sub(at) >= undivertedFor })
		b.undiverted[to] = b.now()
		b.mu.Unlock()
	}
	return v
}

// checkDiverted looks at what the broker stored. To a send to a retry topic it answers the same whether it put the message
// there or into the DLQ, at once or after a delay; the stored copy tells (SendMessageProcessor.handleRetryAndDLQ). seen is
// false when the copy could not be read.
func (b *Broker) checkDiverted(ctx context.Context, v verdict) (_ verdict, seen bool) {
	_, offset, err := remoting.ParseMessageID(v.receipt.MessageID)
	if err != nil {
		b.log.Warn("the broker's answer names no message, so whether it was diverted is left to the search", "error", err)
		return v, false
	}
	var m remoting.Message
	for try := range 3 {
		if try > 0 && sleep(ctx, 200*time.Millisecond) != nil {
			break
		}
		if m, err = b.wire.ViewMessage(ctx, v.receipt.Address, "", offset); err == nil {
			break
		}
	}
	if err != nil {
		b.log.Warn("a sent message cannot be read back, so whether it was diverted is left to the search", "message_id", v.receipt.MessageID, "error", err)
		return v, false
	}
	if strings.HasPrefix(m.Topic, dlq.DLQPrefix) || strings.HasPrefix(m.Properties[dlq.PropRealTopic], dlq.DLQPrefix) {
		v.result = dlq.Diverted
		v.err = dlq.Errorf(dlq.CodeRefused, "the broker %s put the message straight into the dead-letter queue", v.receipt.Broker).
			WithHint("its consumer group is probably an orderly one that is online; give the dead copy itself back instead (door C)")
	}
	return v, true
}

// sendBack is door C. The answer names no message.
func (b *Broker) sendBack(ctx context.Context, c *cluster, req dlq.SendRequest) verdict {
	group := req.Replay.ConsumerGroup
	if v, stop := b.refuseGroup(ctx, c, req); stop {
		return v
	}
	p, err := b.presence(ctx, c, group)
	if err != nil {
		return verdict{result: dlq.NotSent, err: err}
	}
	if p.configured && p.config.RetryQueues <= 0 {
		return notSent(dlq.CodeRefused, "the consumer group %s has no retry queues: its broker would drop the message", group)
	}
	addr, err := b.master(req.Broker)
	if err != nil {
		return verdict{result: dlq.NotSent, err: err}
	}
	sendCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendPatience)
	defer cancel()
	// The offset alone says what is copied: make sure that it is still the dead copy.
	m, err := b.wire.ViewMessage(sendCtx, addr, "", req.Replay.DeadPhysOffset)
	switch {
	case remoting.IsCode(err, remoting.AnswerSystemError):
		return notSent(dlq.CodeRefused, "the broker %s does not have the dead copy any more: %w", req.Broker, err)
	case err != nil:
		return verdict{result: dlq.NotSent, err: unreachable(req.Broker, "to show the dead copy", err)}
	case m.Topic != dlq.DLQPrefix+group || m.Properties[dlq.PropUniqueKey] != req.Replay.UniqueKey || m.PhysicalOffset != req.Replay.DeadPhysOffset:
		return notSent(dlq.CodeRefused, "the broker %s has another message at the dead copy's place", req.Broker)
	}
	err = b.wire.SendBack(sendCtx, addr, remoting.BackRequest{
		Group: group, PhysicalOffset: m.PhysicalOffset, OriginTopic: req.Replay.Topic, OriginID: m.Properties[dlq.PropOriginID],
		DelayLevel: max(req.Replay.DelayLevel, 1), MaxReconsumed: max(maxReconsume, m.Reconsumed+1),
	})
	if err != nil {
		return wireVerdict(req.Broker, err)
	}
	return verdict{result: dlq.Sent, receipt: dlq.Receipt{Broker: req.Broker, Address: addr, Queue: -1, Offset: -1}}
}

// refusals are codes by which a broker says that it stored nothing. Code 1 is not among them: put errors of DLedger and
// of remote stores look like that too.
var refusals = []int{
	remoting.AnswerBusy, remoting.AnswerUnsupported, remoting.AnswerMessageIllegal, remoting.AnswerServiceUnavailable,
	remoting.AnswerNoPermission, remoting.AnswerTopicMissing, remoting.AnswerGroupMissing, remoting.AnswerInvalidParameter,
}

// sureRefusal are remarks of code 1 that come before anything is stored: checks of rights, of the request, of the timer,
// and code 36 not finding its message.
var sureRefusal = regexp.MustCompile(`AclException|AuthenticationException|AuthorizationException|queueId\[?\d* ?.*is illegal|accurate timer message is not enabled|look message by offset failed|topic length is too long|longer than topic max length`)

// wireVerdict tells what the error of an own send means.
func wireVerdict(broker string, err error) verdict {
	var malformed *remoting.Malformed
	var unsent *remoting.Unsent
	var answer *remoting.ResponseError
	switch {
	case errors.As(err, &malformed):
		return unsendable(err)
	case errors.As(err, &unsent):
		return verdict{result: dlq.NotSent, err: explain(dlq.Errorf(dlq.CodeUnavailable, "the broker %s could not be reached, nothing was sent: %w", broker, err), err)}
	case errors.As(err, &answer):
		return answerVerdict(broker, answer.Code, answer.Remark, err)
	}
	return unknown(broker, err)
}

// unsendable refuses a message that no frame can carry, whatever becomes of brokers. It names the property that is to blame.
func unsendable(err error) verdict {
	var property *remoting.PropertyError
	if !errors.As(err, &property) {
		return notSent(dlq.CodeRefused, "the message cannot be put into a frame: %w", err)
	}
	v := notSent(dlq.CodeRefused, "the property %q cannot be sent: %s", property.Name, property.Why)
	public := v.err.(*dlq.Error).WithHint("give the dead copy itself back, or edit the message")
	public.Params = map[string]string{"why": "property", "property": property.Name}
	return v
}

func unknown(broker string, err error) verdict {
	return verdict{result: dlq.SentUnknown, err: dlq.Errorf(dlq.CodeUnavailable, "the broker %s did not answer: whether it has the message is not known: %w", broker, err)}
}

// answerVerdict tells what a broker's refusal means. The error says it in the broker's own words.
func answerVerdict(broker string, code int, remark string, err error) verdict {
	v := verdict{result: dlq.NotSent}
	var public *dlq.Error
	switch {
	case code == remoting.AnswerBusy || code == remoting.AnswerServiceUnavailable:
		public = dlq.Errorf(dlq.CodeUnavailable, "the broker %s takes no messages now (code %d): %w", broker, code, err)
	case slices.Contains(refusals, code) || sureRefusal.MatchString(remark):
		public = dlq.Errorf(dlq.CodeRefused, "the broker %s refuses the message (code %d): %w", broker, code, err)
	default:
		v.result = dlq.SentUnknown
		public = dlq.Errorf(dlq.CodeUnavailable, "the broker %s answered with error %d, so whether it has the message is not known: %w", broker, code, err)
	}
	v.err = explain(public, &remoting.ResponseError{Code: code, Remark: remark})
	return v
}
