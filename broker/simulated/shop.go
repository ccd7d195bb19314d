package simulated

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"deadletteroffice/dlq"
)

// Fault is one thing that is broken in the shop. While it is, messages that carry its name as their tag fail.
type Fault struct {
	Name   string `json:"name"`
	Topic  string `json:"topic"`
	Group  string `json:"consumer_group"`
	Reason string `json:"reason"` // as the shipped rules name it; "" when nobody tells
	Broken bool   `json:"broken"`
}

// shop sends messages and fails some of them.
type shop struct {
	mu     sync.Mutex
	faults []Fault
	sent   int
	next   time.Time // when the next message that fails is sent
	fine   time.Time // when the next that does not
}

func newShop() *shop {
	const orders, payments, stock, notes = "shop-orders", "shop-payments", "shop-inventory", "shop-notifications"
	const parked = "shop-notifications-parked"
	s := &shop{faults: []Fault{
		{Name: "order-format", Topic: orders, Group: "shop-orders-service", Reason: "data_format_error"},
		{Name: "order-rules", Topic: orders, Group: "shop-orders-service", Reason: "business_validation_error"},
		{Name: "order-database", Topic: orders, Group: "shop-orders-service", Reason: "system_error"},
		{Name: "payment-gateway", Topic: payments, Group: "shop-payment-service", Reason: "payment_timeout"},
		{Name: "payment-token", Topic: payments, Group: "shop-payment-service", Reason: "authorization_error"},
		{Name: "warehouse-stock", Topic: stock, Group: "shop-inventory-service", Reason: "inventory_shortage"},
		{Name: "sms-carrier", Topic: notes, Group: "shop-notification-service", Reason: "network_timeout"},
		{Name: "customer-address", Topic: parked, Group: "shop-notification-service", Reason: "user_data_error"},
		{Name: "push-service", Topic: notes, Group: "shop-notification-service"},
	}}
	for i := range s.faults {
		s.faults[i].Broken = true
	}
	return s
}

// open connects the shop's consumers. Inventory is consumed in order.
func (s *shop) open(b *Broker) {
	topics := map[string][]string{}
	for _, f := range s.faults {
		if !slices.Contains(topics[f.Group], f.Topic) {
			topics[f.Group] = append(topics[f.Group], f.Topic)
		}
	}
	for _, name := range sortedKeys(topics) {
		kind := dlq.GroupConcurrent
		if name == "shop-inventory-service" {
			kind = dlq.GroupOrderly
		}
		b.Consume(Consumer{Group: name, Kind: kind, Topics: topics[name], Work: s.work})
	}
}

// work fails what meets a broken fault.
func (s *shop) work(m Seen) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Broken && f.Name == m.Properties[dlq.PropTags] && f.Group == m.Group {
			return false
		}
	}
	return true
}

// trade sends what is due: at the start every fault twice, an English and a Chinese text, then one after the other.
func (s *shop) trade(b *Broker) {
	now := b.now()
	s.mu.Lock()
	var send []Message
	switch {
	case s.next.IsZero():
		for range 2 {
			for _, f := range s.faults {
				send = append(send, goods(f, s.sent, now))
				s.sent++
			}
		}
		s.next, s.fine = now.Add(b.opt.Every), now
	case !now.Before(s.next):
		send = append(send, goods(s.faults[s.sent%len(s.faults)], s.sent, now))
		s.sent++
		s.next = now.Add(b.opt.Every)
	}
	if !now.Before(s.fine) {
		send = append(send, goods(Fault{Name: "fine", Topic: "shop-orders"}, s.sent, now))
		s.fine = now.Add(5 * time.Second)
	}
	s.mu.Unlock()
	for _, m := range send {
		b.Produce(m)
	}
}

// Faults lists the shop's faults as they are now.
func (b *Broker) Faults() []Fault {
	b.shop.mu.Lock()
	defer b.shop.mu.Unlock()
	return slices.Clone(b.shop.faults)
}

// Heal mends a fault of the shop: one by its name, those of a topic or of a consumer group by theirs, or "all". The error
// is dlq.CodeNotFound.
func (b *Broker) Heal(name string) error { return b.shop.set(name, false) }

// Break is the opposite of Heal.
func (b *Broker) Break(name string) error { return b.shop.set(name, true) }

func (s *shop) set(name string, broken bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := false
	for i, f := range s.faults {
		if name == "all" || name == f.Name || name == f.Topic || name == f.Group {
			s.faults[i].Broken, found = broken, true
		}
	}
	if !found {
		return dlq.Errorf(dlq.CodeNotFound, "the shop has no fault, topic or consumer group named %q", name)
	}
	return nil
}

// texts are what applications say of a failure, English and Chinese in turn.
var texts = map[string][2]string{
	"data_format_error":         {"unexpected token '<' at line 1 column 1, JSON expected", "第 1 行第 1 列出现意外字符 “<”，应为 JSON"},
	"business_validation_error": {"credit limit of customer %d exceeded", "客户 %d 超出信用额度"},
	"system_error":              {"connection to order-db-%d refused", "连接订单库 order-db-%d 被拒绝"},
	"payment_timeout":           {"gateway did not answer within 3000 ms, payment %d", "支付网关 3000 毫秒内未响应，支付单 %d"},
	"authorization_error":       {"certificate of merchant %d expired", "商户 %d 的证书已过期"},
	"inventory_shortage":        {"%d pieces missing in warehouse SH-2", "上海二号仓缺货 %d 件"},
	"network_timeout":           {"dial tcp 10.8.0.%d:443: i/o timeout", "连接 10.8.0.%d:443 超时"},
	"user_data_error":           {"street number of customer %d is missing", "用户 %d 的地址缺少门牌号"},
}

func textOf(reason string, n int) string {
	round := n / 9 // the faults of one round speak one language
	text := texts[reason][round%2]
	if reason == "" || reason == "data_format_error" {
		return text
	}
	return fmt.Sprintf(text, 1000+n*37%900)
}

// goods makes the n-th message. How it tells why it fails depends on its kind: user properties, fields of the body, an
// envelope, or not at all.
func goods(f Fault, n int, now time.Time) Message {
	id := fmt.Sprintf("%s-%04d", now.Format("20060102"), n%10000)
	text := textOf(f.Reason, n)
	customer := []string{"Ada Lovelace", "王小明", "Grace Hopper", "李雷"}[n%4]
	told := map[string]string{"FAILURE_REASON": f.Reason, "FAILURE_DETAIL": text}
	m := Message{Topic: f.Topic, Tag: f.Name}
	var body map[string]any
	switch f.Name {
	case "order-format":
		m.Key, m.Properties = "ORD-"+id, told
		m.Body = []byte(`<order id="` + m.Key + `"><customer>` + customer + `</customer></order>`)
		return m
	case "order-rules":
		m.Key = "ORD-" + id
		body = map[string]any{"order_id": m.Key, "customer": customer, "amount": "99800.00", "failure_type": f.Reason, "failure_detail": text, "retry_count": 3}
	case "order-database":
		m.Key = "ORD-" + id
		body = map[string]any{"order_id": m.Key, "customer": customer, "amount": "128.50", "failure_reason": f.Reason, "failure_detail": text}
	case "payment-gateway":
		m.Key = "PAY-" + id
		body = map[string]any{"payment_id": m.Key, "order_id": "ORD-" + id, "amount": "128.50", "snowflake": json.Number("1839201748392017483"),
			"business_type": "payment", "failure_type": f.Reason, "failure_detail": text}
	case "payment-token":
		m.Key, m.Properties = "PAY-"+id, told
		body = map[string]any{"payment_id": m.Key, "merchant": 1000 + n%900, "amount": "42.00"}
	case "warehouse-stock":
		m.Key, m.Properties = "RSV-"+id, told
		told["BUSINESS_TYPE"] = "inventory"
		body = map[string]any{"reservation_id": m.Key, "sku": "SKU-00412", "count": 1 + n%5}
	case "sms-carrier":
		m.Key, m.Properties = "SMS-"+id, told
		body = map[string]any{"notification_id": m.Key, "to": "+86138****0042", "text": "您的订单已发货 / your order is on its way"}
	case "customer-address":
		m.Key = "LTR-" + id
		inner := encode(map[string]any{"notification_id": m.Key, "customer": customer, "address": "人民路"})
		body = map[string]any{"original_topic": "shop-notifications", "failure_reason": f.Reason, "failure_detail": text, "retry_count": 5,
			"failure_time": now.Format(time.RFC3339), "business_type": "notification", "message_body": base64.StdEncoding.EncodeToString(inner)}
	case "push-service":
		m.Key = "PSH-" + id
		body = map[string]any{"notification_id": m.Key, "device": fmt.Sprintf("d-%06d", n), "title": "限时优惠 / sale"}
	default:
		m.Key = "OK-" + id
		body = map[string]any{"order_id": m.Key, "customer": customer, "amount": "10.00"}
	}
	m.Body = encode(body)
	return m
}

func encode(v map[string]any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("a message of the shop cannot be encoded: " + err.Error())
	}
	return b
}
