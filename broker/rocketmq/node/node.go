// Package node starts real RocketMQ nodes for tests and tools: a name server and a broker of one version in a
// folder of their own, on free loopback ports, by the script rocketmq.sh that lies beside it. It needs bash and
// Java (and Maven once, to fetch the jars); the script installs them where it may, or says how.
//
// A node dies with the process that started it, whatever ends that process: the script watches it.
package node

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The versions that tests run on: the newest of 5.x and of 4.x whose brokers are published.
const (
	V4 = "4.9.7"
	V5 = "5.5.0"
)

// GRPCClient is the set of jars of the Java gRPC client, for Jars.
const GRPCClient = "5.2.0-client"

// Versions lists V4 and V5, for tests that run on both.
func Versions() []string { return []string{V4, V5} }

// ShortDelays keeps the 18 delay levels but makes them 1 s to 4 s, so that retries do not take hours.
const ShortDelays = "short"

//go:embed rocketmq.sh processes.sh jars.sh loopback.c.txt pom.xml
var scripts embed.FS

// Options says what node to start. The zero value is a 5.5.0 in a temporary folder.
type Options struct {
	Version string // default V5
	// Dir holds configuration, store and logs; a stopped node's Dir starts that node again. Empty: a temporary
	// folder, deleted by Stop.
	Dir string
	// Conf is added to broker.conf.
	Conf map[string]string
	// DelayLevels is messageDelayLevel, for instance ShortDelays; empty: RocketMQ's own, 1 s to 2 h.
	DelayLevels string
	// AccessKey and SecretKey, each longer than 6 characters, switch ACL on, with this account as administrator.
	AccessKey, SecretKey string
	// PlainACL is a plain_acl.yml for 4.9.7 in place of one with that account alone.
	PlainACL string
	// Proxy puts the gRPC proxy into the broker's process ("local mode"), from 5.x on.
	Proxy bool
	// Join is the name server of a node whose cluster a further broker shall join; BrokerName must differ.
	Join       string
	BrokerName string // default "broker-a"
	// NameServerPort and BrokerPort are chosen if 0. A broker takes its port -2 and +1 too.
	NameServerPort, BrokerPort int
	JavaOptions                []string // of the broker's JVM; those that begin with -Dtls. also of the name server's
}

// Node is a started node. Its methods are not safe for concurrent use, save Admin and the plain getters.
type Node struct {
	dir       string
	temporary bool
	env       map[string]string
}

// Start starts a node and waits until its broker is registered at its name server, typically 3 to 6 s; the first
// start of a version also downloads it.
func Start(ctx context.Context, opt Options) (*Node, error) {
	n := &Node{dir: opt.Dir, temporary: opt.Dir == ""}
	args := []string{"--watch", strconv.Itoa(os.Getpid())}
	if n.temporary {
		dir, err := os.MkdirTemp("", "rocketmq-")
		if err != nil {
			return nil, fmt.Errorf("start RocketMQ: %w", err)
		}
		n.dir = dir
		args = append(args, "--remove")
	}
	err := n.prepare(opt, &args)
	if err == nil {
		err = n.change(ctx, "start", args...)
	}
	if err == nil {
		return n, nil
	}
	// What a cancelled start left; without an environment file there is nothing, and this says so.
	_, _ = n.run(context.WithoutCancel(ctx), "kill")
	if n.temporary {
		err = errors.Join(err, os.RemoveAll(n.dir))
	}
	return nil, fmt.Errorf("start RocketMQ: %w", err)
}

// prepare writes the scripts into the node's folder and adds to args what opt says.
func (n *Node) prepare(opt Options, args *[]string) error {
	files, err := scripts.ReadDir(".")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		text, err := scripts.ReadFile(f.Name())
		if err != nil {
			return err
		}
		// A new file, never a changed one: bash may be running the old one.
		path := filepath.Join(n.dir, f.Name())
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.WriteFile(path, text, 0o755); err != nil {
			return err
		}
	}
	add := func(name, value string) {
		if value != "" {
			*args = append(*args, name, value)
		}
	}
	add("--version", opt.Version)
	add("--delay-levels", opt.DelayLevels)
	add("--namesrv", opt.Join)
	add("--broker-name", opt.BrokerName)
	for name, port := range map[string]int{"--namesrv-port": opt.NameServerPort, "--broker-port": opt.BrokerPort} {
		if port != 0 {
			add(name, strconv.Itoa(port))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(opt.Conf)) {
		add("--conf", key+"="+opt.Conf[key])
	}
	for _, o := range opt.JavaOptions {
		add("--java-opt", o)
	}
	if opt.Proxy {
		*args = append(*args, "--proxy")
	}
	if opt.AccessKey != "" {
		add("--acl", opt.AccessKey+":"+opt.SecretKey)
	}
	if opt.PlainACL != "" {
		file := filepath.Join(n.dir, "plain_acl.given.yml")
		if err := os.WriteFile(file, []byte(opt.PlainACL), 0o600); err != nil {
			return err
		}
		add("--acl-file", file)
	}
	return nil
}

// NameServer returns the name server's address, "127.0.0.1:port".
func (n *Node) NameServer() string { return n.env["NAMESRV"] }

// BrokerAddr returns the broker's address, "127.0.0.1:port".
func (n *Node) BrokerAddr() string { return n.env["BROKER"] }

// ProxyAddr returns the address of the gRPC proxy, "127.0.0.1:port"; "" of a node without one.
func (n *Node) ProxyAddr() string { return n.env["PROXY"] }

// BrokerName returns the broker's name, as routes have it.
func (n *Node) BrokerName() string { return n.env["BROKER_NAME"] }

// Cluster returns the cluster's name.
func (n *Node) Cluster() string { return n.env["CLUSTER"] }

// Version returns the node's RocketMQ version, for instance "5.5.0".
func (n *Node) Version() string { return n.env["VERSION"] }

// Dir returns the node's folder; logs are in it.
func (n *Node) Dir() string { return n.dir }

// Stop ends the node at once (kill -9, since an orderly stop takes up to 20 s and the store survives either) and
// deletes a temporary folder.
func (n *Node) Stop() error {
	_, err := n.run(context.Background(), "kill")
	if n.temporary {
		err = errors.Join(err, os.RemoveAll(n.dir))
	}
	return err
}

// KillBroker ends the broker with kill -9.
func (n *Node) KillBroker(ctx context.Context) error { return n.change(ctx, "kill", "broker") }

// KillNameServer ends the name server with kill -9.
func (n *Node) KillNameServer(ctx context.Context) error { return n.change(ctx, "kill", "namesrv") }

// StartBroker starts a killed broker at its old address and waits until it is registered.
func (n *Node) StartBroker(ctx context.Context) error { return n.change(ctx, "restart-broker") }

// StartNameServer starts a killed name server at its old address. Brokers register within 30 s.
func (n *Node) StartNameServer(ctx context.Context) error { return n.change(ctx, "restart-namesrv") }

// PauseBroker stops the broker's process with SIGSTOP: connections stay open and nothing answers.
func (n *Node) PauseBroker(ctx context.Context) error { return n.change(ctx, "pause", "broker") }

// ResumeBroker lets a paused broker go on.
func (n *Node) ResumeBroker(ctx context.Context) error { return n.change(ctx, "resume", "broker") }

// PauseNameServer stops the name server's process with SIGSTOP.
func (n *Node) PauseNameServer(ctx context.Context) error { return n.change(ctx, "pause", "namesrv") }

// ResumeNameServer lets a paused name server go on.
func (n *Node) ResumeNameServer(ctx context.Context) error { return n.change(ctx, "resume", "namesrv") }

// Admin runs a command of mqadmin, RocketMQ's own tool and so a referee of what the broker holds, against this
// node and returns what it printed, 1 to 3 s later. Unlike mqadmin itself it fails when the command failed. mqadmin waits for
// one to five seconds, which a broker on a busy machine may exceed; what it waited for in vain is asked three times, so the
// command must be one that may be done twice.
func (n *Node) Admin(ctx context.Context, args ...string) (out string, err error) {
	for range 3 {
		if out, err = n.run(ctx, "admin", args...); err == nil || !strings.Contains(err.Error(), "RemotingTimeoutException") {
			return out, err
		}
	}
	return out, err
}

// Jars returns a class path with the jars of a set, which is a version of RocketMQ or GRPCClient. It downloads them when
// they are not there yet.
func (n *Node) Jars(ctx context.Context, set string) (string, error) {
	out, err := n.script(ctx, "fetch", set)
	return filepath.Join(strings.TrimSpace(out), "*"), err
}

// change runs a command that changes the node and reads its environment file again.
func (n *Node) change(ctx context.Context, command string, args ...string) error {
	if _, err := n.run(ctx, command, args...); err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(n.dir, "env"))
	if err != nil {
		return fmt.Errorf("%s RocketMQ: %w", command, err)
	}
	n.env = map[string]string{}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		n.env[key] = value
	}
	return nil
}

func (n *Node) run(ctx context.Context, command string, args ...string) (string, error) {
	return n.script(ctx, command, append([]string{"--dir", n.dir}, args...)...)
}

func (n *Node) script(ctx context.Context, command string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", append([]string{filepath.Join(n.dir, "rocketmq.sh"), command}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("rocketmq.sh %s: %w\n%s%s", command, err, errs.String(), out.String())
	}
	return out.String(), nil
}
