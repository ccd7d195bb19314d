package demo

import (
	"encoding/json"
	"strconv"
	"strings"
)

// creditLimit is the amount that an order may have whatever the customer's limit is.
const creditLimit = 50000

// mended reports whether a message of a kind whose body is at fault has a body that no longer is: an order that is JSON, an
// order within the limit, an address with a house number. Other kinds fail whatever their body says.
func mended(kind string, body []byte) bool {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return false
	}
	switch kind {
	case "order-format":
		return true
	case "order-rules":
		amount, err := strconv.ParseFloat(text(fields["amount"]), 64)
		return err == nil && amount <= creditLimit
	case "customer-address":
		return strings.ContainsAny(text(fields["address"]), "0123456789")
	default:
		return false
	}
}

// text is a value as it is written in JSON, without quotes.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return ""
	}
}
