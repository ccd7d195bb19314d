package node

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestNodeStartsAndAdminAnswers(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			n := Shared(t, version)
			if Shared(t, version) != n {
				t.Fatal("a second node was started")
			}
			ctx := within(t, time.Minute)
			out, err := n.Admin(ctx, "clusterList")
			for err != nil && ctx.Err() == nil { // 4.9 cannot show its figures before it has sampled them once
				out, err = n.Admin(ctx, "clusterList")
			}
			if err != nil {
				t.Fatal(err)
			}
			want := "V" + strings.ReplaceAll(version, ".", "_")
			if !strings.Contains(out, n.BrokerAddr()) || !strings.Contains(out, want) || !strings.Contains(out, n.BrokerName()) {
				t.Errorf("clusterList shows no broker %s %s:\n%s", n.BrokerAddr(), want, out)
			}
			if strings.Contains(out, "|-INFO") {
				t.Errorf("logging noise is left:\n%s", out)
			}
			out, err = n.Admin(ctx, "getBrokerConfig", "-b", n.BrokerAddr())
			if err != nil || !strings.Contains(out, "1s 2s 3s 4s 1s") {
				t.Errorf("short delay levels are not in force: %v\n%s", err, out)
			}
			if out, err = n.Admin(ctx, "topicStatus", "-t", "no-such-topic"); err == nil {
				t.Errorf("the failure of mqadmin passed for success:\n%s", out)
			}
		})
	}
}

func TestBrokerComesBackAtItsOldAddress(t *testing.T) {
	ctx := within(t, 3*time.Minute)
	n := Own(t, Options{Version: V4})
	before := n.BrokerAddr()
	if _, err := n.Admin(ctx, "updateTopic", "-c", n.Cluster(), "-t", "kept"); err != nil {
		t.Fatal(err)
	}
	if err := n.KillBroker(ctx); err != nil {
		t.Fatal(err)
	}
	if out, err := n.run(ctx, "status"); err == nil || !strings.Contains(out, "broker   stopped") {
		t.Fatalf("status after the kill: %v\n%s", err, out)
	}
	if err := n.StartBroker(ctx); err != nil {
		t.Fatal(err)
	}
	if n.BrokerAddr() != before {
		t.Errorf("broker at %s, was at %s", n.BrokerAddr(), before)
	}
	if out, err := n.Admin(ctx, "topicStatus", "-t", "kept"); err != nil {
		t.Errorf("the topic did not survive: %v\n%s", err, out)
	}
	for _, step := range []func(context.Context) error{n.PauseBroker, n.ResumeBroker, n.PauseNameServer, n.ResumeNameServer, n.KillNameServer, n.StartNameServer} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSecondBrokerJoins(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	n := Shared(t, V5)
	second := Own(t, Options{Version: V5, Join: n.NameServer(), BrokerName: "broker-b"})
	out, err := n.Admin(ctx, "clusterList")
	if err != nil || !strings.Contains(out, second.BrokerAddr()) || !strings.Contains(out, n.BrokerAddr()) {
		t.Errorf("not both brokers in the list: %v\n%s", err, out)
	}
}

// TestNoJVMOutlivesItsOwner kills the process that a node belongs to without a chance to clean up.
func TestNoJVMOutlivesItsOwner(t *testing.T) {
	owner := exec.Command("sleep", "600")
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "node with a blank")
	sh := func(args ...string) (string, error) {
		out, err := exec.CommandContext(within(t, 2*time.Minute), "bash", append([]string{"rocketmq.sh"}, args...)...).Output()
		return string(out), err
	}
	if out, err := sh("start", "--dir", dir, "--version", V4, "--watch", pid(owner.Process.Pid), "--remove"); err != nil {
		t.Fatal(err, out)
	}
	pids := []string{read(t, dir, "broker.pid"), read(t, dir, "namesrv.pid")}
	if err := owner.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := owner.Wait(); err == nil {
		t.Fatal("the owner was not killed")
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the node's folder is still there")
		}
	}
	for _, p := range pids {
		if args, err := os.ReadFile("/proc/" + p + "/cmdline"); err == nil && strings.Contains(string(args), dir) {
			t.Errorf("JVM %s still runs", p)
		}
	}
}

func TestBadUseIsRefused(t *testing.T) {
	taken := Shared(t, V4)
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"no command":       {[]string{"nonsense", "--dir", taken.Dir()}, 2, "unknown command"},
		"no dir":           {[]string{"start"}, 2, "--dir DIR"},
		"unknown option":   {[]string{"start", "--dir", t.TempDir(), "--colour", "red"}, 2, "--colour"},
		"not a version":    {[]string{"fetch", "latest"}, 2, "not a version"},
		"no node there":    {[]string{"status", "--dir", t.TempDir()}, 1, "no node in"},
		"short ACL key":    {[]string{"start", "--dir", t.TempDir(), "--version", V4, "--acl", "a:b"}, 2, "longer than 6"},
		"port in use":      {[]string{"start", "--dir", filepath.Join(t.TempDir(), "n"), "--version", V4, "--namesrv-port", port(taken.NameServer())}, 5, "did not start"},
		"another version":  {[]string{"start", "--dir", taken.Dir(), "--version", V5}, 2, "do not mix"},
		"mqadmin argument": {[]string{"admin", "--dir", taken.Dir()}, 2, "which mqadmin command"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(within(t, 2*time.Minute), "bash", append([]string{"rocketmq.sh"}, tt.args...)...)
			out, err := cmd.CombinedOutput()
			if err == nil || cmd.ProcessState.ExitCode() != tt.code || !strings.Contains(string(out), tt.says) {
				t.Errorf("exit status %d, want %d and %q:\n%s", cmd.ProcessState.ExitCode(), tt.code, tt.says, out)
			}
		})
	}
}

// TestFetchTwiceAtOnce stands in for Maven, so that it sees how often it is called and how the result appears.
func TestFetchTwiceAtOnce(t *testing.T) {
	bin, cache := t.TempDir(), t.TempDir()
	fake := `#!/bin/bash
echo run >>"$FAKE_LOG"
for a in "$@"; do case $a in -DoutputDirectory=*) out=${a#*=} ;; esac; done
mkdir -p "$out"; touch "$out/half.jar"; sleep 0.5; touch "$out/whole.jar"
`
	for name, text := range map[string]string{"mvn": fake, "java": "#!/bin/bash\n"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(bin, "log")
	var cmds []*exec.Cmd
	for range 3 {
		cmd := exec.CommandContext(within(t, time.Minute), "bash", "rocketmq.sh", "fetch", "9.9.9")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "ROCKETMQ_CACHE="+cache, "FAKE_LOG="+log)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		for _, jar := range []string{"half.jar", "whole.jar"} {
			if _, err := os.Stat(filepath.Join(cache, "rocketmq-9.9.9", "lib", jar)); err != nil {
				t.Error(err)
			}
		}
	}
	if runs := read(t, bin, "log"); strings.Count(runs, "run") < 1 {
		t.Errorf("Maven was never called: %q", runs)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "fetch-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestMissingJavaIsSaid runs without Java, apt and Homebrew on the path.
func TestMissingJavaIsSaid(t *testing.T) {
	bin := t.TempDir()
	for _, tool := range []string{"bash", "dirname", "id", "cat", "mkdir"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(within(t, time.Minute), "bash", "rocketmq.sh", "fetch", "9.9.9")
	cmd.Env = []string{"PATH=" + bin, "HOME=" + t.TempDir()}
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), "needs java mvn") {
		t.Errorf("exit status %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
}

func pid(n int) string { return strconv.Itoa(n) }

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
