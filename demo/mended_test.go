package demo

import (
	"bytes"
	"testing"
	"time"
)

// A letter whose body is at fault goes through when its body is mended, though nobody has healed the fault; the body as the
// shop sends it does not, and no body helps where the fault is elsewhere.
func TestAMendedBodyPasses(t *testing.T) {
	s := newShop(t)
	better := map[string][]byte{
		"order-format":     []byte(`{"order_id":"ORD-1","customer":"Ada Lovelace"}`),
		"order-rules":      []byte(`{"order_id":"ORD-1","amount":"49999.00"}`),
		"customer-address": []byte(`{"notification_id":"LTR-1","address":"人民路 12 号"}`),
	}
	for n, f := range NewFaults().List() {
		sent := makeGoods(f, n, time.Now())
		deliver := func(body []byte) bool {
			return s.work(t.Context(), Delivery{Group: f.Group, Kind: sent.Kind, Body: body})
		}
		if deliver(sent.Body) {
			t.Errorf("%s: the body that the shop sends passes", f.Name)
		}
		body, byBody := better[f.Name]
		if !byBody {
			body = []byte(`{"amount":"1.00","address":"1"}`)
		}
		if got := deliver(body); got != byBody {
			t.Errorf("%s: a mended body passes: %v", f.Name, got)
		}
		if err := s.faults.Set(f.Name, false); err != nil {
			t.Fatal(err)
		}
		if !deliver(sent.Body) || !deliver(bytes.Clone(body)) {
			t.Errorf("%s: healed, and it fails still", f.Name)
		}
	}
}
