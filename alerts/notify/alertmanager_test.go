package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deadletteroffice/dlq"
	"deadletteroffice/webhook"
)

// alertmanager starts a real Alertmanager on loopback, with a folder of its own, that tells one receiver of everything
// at once. It returns its address.
func alertmanager(t *testing.T, receiver string) string {
	t.Helper()
	binary := ""
	for _, name := range []string{"prometheus-alertmanager", "alertmanager"} {
		if path, err := exec.LookPath(name); err == nil {
			binary = path
		}
	}
	if binary == "" {
		t.Fatal("there is no Alertmanager: make setup installs it (Debian: prometheus-alertmanager)")
	}
	dir := t.TempDir()
	config := fmt.Sprintf("route:\n  receiver: ops\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1h\n"+
		"receivers:\n  - name: ops\n    webhook_configs:\n      - url: %s\n        send_resolved: true\n", receiver)
	if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, "--config.file="+filepath.Join(dir, "config.yml"), "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--cluster.listen-address=")
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended by itself
		_ = command.Wait()         // it was killed
		if text, err := os.ReadFile(output.Name()); t.Failed() {
			t.Logf("Alertmanager's output (%v):\n%s", err, text)
		}
	})
	base := "http://" + address
	eventually(t, "Alertmanager is ready", func() error {
		_, err := fetch(base + "/-/ready")
		return err
	})
	return base
}

func fetch(address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return text, err
}

// eventually polls until the check is content.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A real Alertmanager takes what is pushed, and what its own webhooks send has the shape of `format: alertmanager`.
func TestAlertmanager(t *testing.T) {
	hooks := make(chan []byte, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		hooks <- body
	}))
	defer hook.Close()
	base := alertmanager(t, hook.URL)
	client := webhook.New(webhook.Options{AllowLoopback: true})
	defer client.Close()
	r := Receiver{Name: "ops", Type: TypeAlertmanager, URL: base}
	began := time.Now().UTC().Truncate(time.Second)
	push := func(d *dlq.Delivery) {
		t.Helper()
		p := render(t, r, d, Options{PublicURL: public, Now: time.Now()})
		res, err := client.Send(t.Context(), webhook.Raw{Receiver: r.Name, URL: p.URL, Headers: p.Headers, Body: p.Body})
		if got := Judge(r.Type, res, err); got.Ruling != webhook.RulingSent {
			t.Fatalf("Alertmanager does not take it: %+v, %s", got, res.Body)
		}
	}

	// The alert with everything in it, and one that a producer tried to make unreadable.
	fires := alerts()[0]
	fires.ActiveSince, fires.HeldAt, fires.FiredAt = began.Add(-time.Minute), began, &began
	nasty := attack("x\n\"}] <@all> 长 \u202e")
	nasty.ID, nasty.ActiveSince, nasty.HeldAt, nasty.FiredAt = "1111111111111111", began, began, &began
	push(delivery(dlq.NotifyFirst, fires, nasty))

	type known struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
		GeneratorURL        string
		Status              struct{ State string }
	}
	var there []known
	eventually(t, "both alerts are there", func() error {
		text, err := fetch(base + "/api/v2/alerts")
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &there); err != nil || len(there) != 2 {
			return fmt.Errorf("%d alerts, %w", len(there), err)
		}
		return nil
	})
	i := slices.IndexFunc(there, func(k known) bool { return k.Labels["alertname"] == fires.Rule })
	if i < 0 {
		t.Fatalf("Alertmanager does not know the rule: %+v", there)
	}
	got, other := there[i], there[1-i]
	if diff := cmp.Diff(map[string]string{"alertname": "dead letters pile up", "severity": "critical", "consumer_group": "pay-service", "cluster": "DefaultCluster", "team": "payments"}, got.Labels); diff != "" {
		t.Errorf("labels: %s", diff)
	}
	if !got.StartsAt.Equal(began) || got.EndsAt.Before(began.Add(4*time.Minute)) || got.GeneratorURL != public+"/letters?consumer_group=pay-service" ||
		got.Annotations["summary"] != "Payments wait for people" || got.Annotations["value"] != "240" {
		t.Errorf("Alertmanager keeps %+v", got)
	}
	if other.Labels["consumer_group"] != nasty.Labels["consumer_group"] {
		t.Errorf("a hostile label becomes %q", other.Labels["consumer_group"])
	}

	firing := fromHook(t, hooks, fires.Rule, "firing")
	compareShapes(t, firing, v4Of(t, fires))

	ended := time.Now().UTC().Truncate(time.Second)
	fires.State, fires.ResolvedAt = dlq.AlertResolved, &ended
	push(delivery(dlq.NotifyResolved, fires))
	resolved := fromHook(t, hooks, fires.Rule, "resolved")
	compareShapes(t, resolved, v4Of(t, fires))
	if theirs := decode[v4](t, resolved); !theirs.Alerts[0].EndsAt.Equal(ended) {
		t.Errorf("resolved at %s, want %s", theirs.Alerts[0].EndsAt, ended)
	}
	eventually(t, "the resolved alert is gone", func() error {
		text, err := fetch(base + "/api/v2/alerts")
		if err == nil && json.Unmarshal(text, &there) == nil && len(there) == 1 && there[0].Labels["alertname"] != fires.Rule {
			return nil
		}
		return fmt.Errorf("%d alerts, %w", len(there), err)
	})

	push(delivery(dlq.NotifyTest))
	fromHook(t, hooks, "Test", "firing")
}

// v4Of is an alert as the console's own webhook sends it in Alertmanager's format.
func v4Of(t *testing.T, a dlq.Alert) []byte {
	t.Helper()
	return render(t, Receiver{Name: "ops", Type: TypeWebhook, Format: FormatAlertmanager, URL: "http://ops.example"}, delivery(dlq.NotifyFirst, a), options()).Body
}

// fromHook waits for what Alertmanager sends of a rule.
func fromHook(t *testing.T, hooks <-chan []byte, rule, status string) []byte {
	t.Helper()
	for {
		select {
		case body := <-hooks:
			if m := decode[v4](t, body); m.Status == status && len(m.Alerts) == 1 && m.Alerts[0].Labels["alertname"] == rule {
				return body
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("Alertmanager does not send that %q is %s", rule, status)
		}
	}
}

// compareShapes holds ours to theirs: the same keys of the same kinds, and the same alert in them. Their group is made of
// labels, ours of the receiver; and newer Alertmanagers have two more keys.
func compareShapes(t *testing.T, theirs, ours []byte) {
	t.Helper()
	a, b := map[string]string{}, map[string]string{}
	shapeOf("", decode[any](t, theirs), a)
	shapeOf("", decode[any](t, ours), b)
	for _, key := range []string{".notification_reason", ".routeLabels"} {
		delete(a, key)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("our JSON has another shape than Alertmanager's (-theirs +ours):\n%s", diff)
	}
	them, us := decode[v4](t, theirs), decode[v4](t, ours)
	for _, m := range []*v4{&them, &us} {
		m.GroupLabels, m.GroupKey, m.ExternalURL = nil, "", ""
		m.Alerts[0].Fingerprint = ""
	}
	if diff := cmp.Diff(them, us); diff != "" {
		t.Errorf("our JSON says something else than Alertmanager's (-theirs +ours):\n%s", diff)
	}
}

// shapeOf lists the kinds of a JSON value's members by path. Labels and annotations are maps of texts: their keys are data.
func shapeOf(path string, v any, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		out[path] = "object"
		data := path == ".groupLabels" || path == ".commonLabels" || path == ".commonAnnotations" || path == ".alerts[].labels" || path == ".alerts[].annotations"
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if !data {
				shapeOf(path+"."+key, v[key], out)
			} else if _, ok := v[key].(string); !ok {
				out[path] = "object of other things than texts"
			}
		}
	case []any:
		out[path] = "list"
		for _, one := range v {
			shapeOf(path+"[]", one, out)
		}
	default:
		out[path] = fmt.Sprintf("%T", v)
	}
}
