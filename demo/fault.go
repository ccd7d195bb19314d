package demo

import (
	"slices"
	"sync"

	"deadletteroffice/dlq"
)

// Fault is one thing that is broken in the shop. While it is broken, messages of its kind fail at their consumer.
type Fault struct {
	Name   string   `json:"name"`
	Topic  string   `json:"topic"`
	Group  string   `json:"consumer_group"`
	Reason string   `json:"reason"` // as the shipped rules name it; "" when nobody will tell
	Title  dlq.Text `json:"title"`
	Cure   dlq.Text `json:"cure"` // what healing means
	Broken bool     `json:"broken"`
	Failed int64    `json:"failed"` // deliveries that failed since the start
	Passed int64    `json:"passed"` // deliveries of its kind that went well
}

// Topics and consumer groups of the shop. Inventory is consumed in order.
const (
	TopicOrders        = "shop-orders"
	TopicPayments      = "shop-payments"
	TopicInventory     = "shop-inventory"
	TopicNotifications = "shop-notifications"
	TopicParked        = "shop-notifications-parked" // envelopes around notifications that failed elsewhere

	GroupOrders        = "shop-orders-service"
	GroupPayments      = "shop-payment-service"
	GroupInventory     = "shop-inventory-service"
	GroupNotifications = "shop-notification-service"
)

// Faults is the switchboard of the shop. It is safe for concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []Fault
}

// NewFaults returns the shop's faults, all broken.
func NewFaults() *Faults {
	f := &Faults{list: []Fault{
		{Name: "order-format", Topic: TopicOrders, Group: GroupOrders, Reason: "data_format_error",
			Title: dlq.Text{English: "The order parser stumbles over the old export format", Chinese: "订单解析器读不懂旧的导出格式"},
			Cure:  dlq.Text{English: "deploy the parser that reads both formats, or replay the order as JSON", Chinese: "上线兼容两种格式的解析器，或把订单改成 JSON 再投递"}},
		{Name: "order-rules", Topic: TopicOrders, Group: GroupOrders, Reason: "business_validation_error",
			Title: dlq.Text{English: "Orders over the credit limit are turned down", Chinese: "超出信用额度的订单被拒绝"},
			Cure:  dlq.Text{English: "raise the credit limits, or replay the order with an amount of 50000 at most", Chinese: "调高信用额度，或把金额改到 50000 以内再投递"}},
		{Name: "order-database", Topic: TopicOrders, Group: GroupOrders, Reason: "system_error",
			Title: dlq.Text{English: "The order database refuses connections", Chinese: "订单数据库拒绝连接"},
			Cure:  dlq.Text{English: "give the database its connections back", Chinese: "恢复数据库连接"}},
		{Name: "payment-gateway", Topic: TopicPayments, Group: GroupPayments, Reason: "payment_timeout",
			Title: dlq.Text{English: "The payment gateway does not answer in time", Chinese: "支付网关响应超时"},
			Cure:  dlq.Text{English: "the gateway answers again", Chinese: "支付网关恢复"}},
		{Name: "payment-token", Topic: TopicPayments, Group: GroupPayments, Reason: "authorization_error",
			Title: dlq.Text{English: "The merchant certificate has expired", Chinese: "商户证书已过期"},
			Cure:  dlq.Text{English: "install the new certificate", Chinese: "换上新证书"}},
		{Name: "warehouse-stock", Topic: TopicInventory, Group: GroupInventory, Reason: "inventory_shortage",
			Title: dlq.Text{English: "The warehouse is out of stock", Chinese: "仓库缺货"},
			Cure:  dlq.Text{English: "a delivery arrives at the warehouse", Chinese: "仓库补货到位"}},
		{Name: "sms-carrier", Topic: TopicNotifications, Group: GroupNotifications, Reason: "network_timeout",
			Title: dlq.Text{English: "The text message carrier is unreachable", Chinese: "短信运营商网络不通"},
			Cure:  dlq.Text{English: "the line to the carrier is up again", Chinese: "到运营商的线路恢复"}},
		{Name: "customer-address", Topic: TopicParked, Group: GroupNotifications, Reason: "user_data_error",
			Title: dlq.Text{English: "The customer's address cannot be delivered to", Chinese: "用户地址无法投递"},
			Cure:  dlq.Text{English: "customer care mends the addresses, or replay the letter with a house number in its address", Chinese: "客服修正地址，或在地址里补上门牌号再投递"}},
		{Name: "push-service", Topic: TopicNotifications, Group: GroupNotifications,
			Title: dlq.Text{English: "The push service fails and says nothing", Chinese: "推送服务失败且不说原因"},
			Cure:  dlq.Text{English: "somebody restarts the push service", Chinese: "重启推送服务"}},
	}}
	for i := range f.list {
		f.list[i].Broken = true
	}
	return f
}

// List returns the faults as they are now.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// Set breaks or heals one fault, or all of them with the name "all". The error is CodeNotFound.
func (f *Faults) Set(name string, broken bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := false
	for i := range f.list {
		if name == "all" || f.list[i].Name == name {
			f.list[i].Broken, found = broken, true
		}
	}
	if !found {
		return dlq.Errorf(dlq.CodeNotFound, "the shop has no fault named %q", name).WithHint("`dlq demo status` lists them")
	}
	return nil
}

// fails counts one delivery of a message of this kind and reports whether it fails. A message of no known kind is fine, and so is
// one whose body was mended.
func (f *Faults) fails(name string, mended bool) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.list {
		if f.list[i].Name != name {
			continue
		}
		failed := f.list[i].Broken && !mended
		if failed {
			f.list[i].Failed++
		} else {
			f.list[i].Passed++
		}
		return f.list[i], failed
	}
	return Fault{}, false
}

// broken reports whether the fault is broken, without counting.
func (f *Faults) broken(name string) bool {
	for _, have := range f.List() {
		if have.Name == name {
			return have.Broken
		}
	}
	return false
}
