package demo

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// texts of failures, English and Chinese in turn.
var failureTexts = map[string][2]string{
	"data_format_error":         {"unexpected token '<' at line 1 column 1, JSON expected", "第 1 行第 1 列出现意外字符 “<”，应为 JSON"},
	"business_validation_error": {"credit limit of customer %d exceeded", "客户 %d 超出信用额度"},
	"system_error":              {"connection to order-db-%d refused", "连接订单库 order-db-%d 被拒绝"},
	"payment_timeout":           {"gateway did not answer within 3000 ms, payment %d", "支付网关 3000 毫秒内未响应，支付单 %d"},
	"authorization_error":       {"certificate of merchant %d expired", "商户 %d 的证书已过期"},
	"inventory_shortage":        {"0 of %d pieces left in warehouse SH-2", "上海二号仓库存不足，缺 %d 件"},
	"network_timeout":           {"dial tcp 10.8.0.%d:443: i/o timeout", "连接 10.8.0.%d:443 超时"},
	"user_data_error":           {"street number of customer %d is missing", "用户 %d 的地址缺少门牌号"},
}

// failureText is what an application would write down about the n-th failure of a kind.
func failureText(reason string, n int) string {
	pair, ok := failureTexts[reason]
	if !ok {
		return ""
	}
	text := pair[n%2]
	if reason == "data_format_error" {
		return text
	}
	return fmt.Sprintf(text, 1000+n%900)
}

// makeGoods builds the n-th message of a kind. How it tells its reason depends on the kind: a user property, fields of the
// body, an envelope, a report of the consumer, or not at all.
func makeGoods(f Fault, n int, now time.Time) Goods {
	id := fmt.Sprintf("%s-%04d", now.UTC().Format("20060102-150405"), n%10000)
	m := Goods{Topic: f.Topic, Kind: f.Name, Properties: map[string]string{}}
	customer := []string{"Ada Lovelace", "王小明", "Grace Hopper", "李雷"}[n%4]
	text := failureText(f.Reason, n)
	switch f.Name {
	case "order-format":
		m.Key = "ORD-" + id
		m.Body = []byte("<order id=\"" + m.Key + "\"><customer>" + customer + "</customer></order>")
		m.Properties["FAILURE_REASON"], m.Properties["FAILURE_DETAIL"] = f.Reason, text
	case "order-rules":
		m.Key = "ORD-" + id
		m.Body = encode(map[string]any{"order_id": m.Key, "customer": customer, "amount": "99800.00", "currency": "CNY",
			"failure_type": f.Reason, "failure_detail": text, "retry_count": 3})
	case "order-database":
		m.Key = "ORD-" + id
		m.Body = encode(map[string]any{"order_id": m.Key, "customer": customer, "amount": "128.50", "lines": []any{map[string]any{"sku": "SKU-00412", "count": 2}},
			"failure_reason": f.Reason, "failure_detail": text})
	case "payment-gateway": // the consumer reports it
		m.Key = "PAY-" + id
		m.Body = encode(map[string]any{"payment_id": m.Key, "order_id": "ORD-" + id, "amount": "128.50", "snowflake": json.Number("1839201748392017483"), "business_type": "payment"})
	case "payment-token":
		m.Key = "PAY-" + id
		m.Body = encode(map[string]any{"payment_id": m.Key, "merchant": 1000 + n%900, "amount": "42.00"})
		m.Properties["FAILURE_REASON"], m.Properties["FAILURE_DETAIL"] = f.Reason, text
	case "warehouse-stock":
		m.Key, m.Sharding = "RSV-"+id, "SKU-00412"
		m.Body = encode(map[string]any{"reservation_id": m.Key, "order_id": "ORD-" + id, "sku": "SKU-00412", "count": 1 + n%5})
		m.Properties["FAILURE_REASON"], m.Properties["FAILURE_DETAIL"], m.Properties["BUSINESS_TYPE"] = f.Reason, text, "inventory"
	case "sms-carrier":
		m.Key = "SMS-" + id
		m.Body = encode(map[string]any{"notification_id": m.Key, "to": "+86138****0042", "text": "您的订单已发货 / your order is on its way"})
		m.Properties["FAILURE_REASON"], m.Properties["FAILURE_DETAIL"] = f.Reason, text
	case "customer-address":
		m.Key = "LTR-" + id
		inner := encode(map[string]any{"notification_id": m.Key, "customer": customer, "address": "人民路"})
		m.Body = encode(map[string]any{"original_topic": TopicNotifications, "failure_reason": f.Reason, "failure_detail": text, "retry_count": 5,
			"failure_time": now.UTC().Format(time.RFC3339), "business_type": "notification", "message_body": base64.StdEncoding.EncodeToString(inner)})
	case "push-service":
		m.Key = "PSH-" + id
		m.Body = encode(map[string]any{"notification_id": m.Key, "device": fmt.Sprintf("d-%06d", n), "title": "限时优惠 / sale"})
	default: // no fault: it passes
		m.Key = "OK-" + id
		m.Body = encode(map[string]any{"order_id": m.Key, "customer": customer, "amount": "10.00"})
	}
	return m
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("demo: a message of ours cannot be encoded: " + err.Error())
	}
	return b
}
