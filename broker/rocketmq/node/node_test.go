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

// jvms returns the ids of the JVMs that belong to a node's folder.
func jvms(t *testing.T, dir string) []string {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(procs) == 0 {
		t.Fatal("this test reads /proc", err)
	}
	var found []string
	for _, p := range procs {
		if args, err := os.ReadFile(p); err == nil && strings.Contains(string(args), "-Drocketmq.home.dir="+dir+"\x00") {
			found = append(found, filepath.Base(filepath.Dir(p)))
		}
	}
	return found
}

// TestNoJVMOutlivesItsOwner kills the process that a node belongs to without a chance to clean up: once when the
// node runs, once in the middle of its start.
func TestNoJVMOutlivesItsOwner(t *testing.T) {
	for name, when := range map[string]string{"running": "env", "starting": "namesrv.pid"} {
		t.Run(name, func(t *testing.T) {
			owner := exec.Command("sleep", "600")
			if err := owner.Start(); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "node with a blank")
			start := exec.CommandContext(within(t, 5*time.Minute), "bash", "rocketmq.sh", "start", "--dir", dir, "--version", V4, "--watch", pid(owner.Process.Pid), "--remove")
			if err := start.Start(); err != nil {
				t.Fatal(err)
			}
			started := make(chan error, 1)
			go func() { started <- start.Wait() }()
			until(t, when+" exists", func() bool { _, err := os.Stat(filepath.Join(dir, when)); return err == nil })
			if when == "env" && len(jvms(t, dir)) != 2 {
				t.Errorf("JVMs %v", jvms(t, dir))
			}
			if err := owner.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := owner.Wait(); err == nil {
				t.Fatal("the owner was not killed")
			}
			if err := <-started; (err == nil) != (when == "env") {
				t.Errorf("start ended with %v", err)
			}
			until(t, "everything is gone", func() bool {
				_, err := os.Stat(dir)
				return errors.Is(err, os.ErrNotExist) && len(jvms(t, dir)) == 0
			})
		})
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
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
		"not a set":        {[]string{"fetch", V5 + "-gateway"}, 2, "no set of jars"},
		"proxy of 4.x":     {[]string{"start", "--dir", t.TempDir(), "--version", V4, "--proxy"}, 2, "no proxy"},
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

// TestMissingJava runs without Java and Maven on the path, with stand-ins for apt-get and for who one is.
func TestMissingJava(t *testing.T) {
	const apt = `#!/bin/bash
echo "$@" >>"$BIN/apt.log"
case "$*" in install*)
  printf '#!/bin/bash\n' >"$BIN/java"
  printf '#!/bin/bash\nfor a; do case $a in -DoutputDirectory=*) mkdir -p "${a#*=}" ;; esac; done\n' >"$BIN/mvn"
  chmod 755 "$BIN/java" "$BIN/mvn" ;;
esac
`
	tests := map[string]struct {
		files   map[string]string
		code    int
		says    string
		aptRuns string
	}{
		"nothing to install with": {nil, 3, "needs java mvn. Install a Java runtime", ""},
		"apt, not root":           {map[string]string{"apt-get": apt, "id": "#!/bin/bash\necho 1000\n"}, 3, "sudo apt-get install -y default-jre-headless maven", ""},
		"apt, root":               {map[string]string{"apt-get": apt, "id": "#!/bin/bash\necho 0\n"}, 0, "installing java mvn", "update -qq\ninstall -y -qq --no-install-recommends default-jre-headless maven"},
		"Homebrew":                {map[string]string{"brew": "#!/bin/bash\n"}, 3, "brew install openjdk maven", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			for file, text := range tt.files {
				if err := os.WriteFile(filepath.Join(bin, file), []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, tool := range []string{"bash", "dirname", "id", "cat", "mkdir", "mktemp", "chmod", "mv", "rm", "env"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil && !errors.Is(err, os.ErrExist) {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(within(t, time.Minute), "bash", "rocketmq.sh", "fetch", "9.9.9")
			cmd.Env = []string{"PATH=" + bin, "BIN=" + bin, "HOME=" + t.TempDir()}
			out, _ := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != tt.code || !strings.Contains(string(out), tt.says) {
				t.Errorf("exit status %d, want %d and %q:\n%s", cmd.ProcessState.ExitCode(), tt.code, tt.says, out)
			}
			ran, _ := os.ReadFile(filepath.Join(bin, "apt.log"))
			if strings.TrimSpace(string(ran)) != tt.aptRuns {
				t.Errorf("apt-get ran %q, want %q", ran, tt.aptRuns)
			}
		})
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
