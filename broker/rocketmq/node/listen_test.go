package node

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Nothing of a node listens beyond loopback: neither a broker that has no setting for it nor the port of replication nor
// the proxy.
func TestNodesListenOnLoopbackOnly(t *testing.T) {
	for _, o := range []Options{{Version: V4}, {Version: V5}, {Version: V5, Proxy: true}} {
		t.Run(fmt.Sprint(o.Version, o.Proxy), func(t *testing.T) {
			n := Own(t, o)
			env, err := n.run(within(t, time.Minute), "env")
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, line := range strings.Split(env, "\n") {
				name, pid, _ := strings.Cut(line, "=")
				if name != "NAMESRV_PID" && name != "BROKER_PID" {
					continue
				}
				for _, addr := range listening(t, pid) {
					found++
					if !strings.HasPrefix(addr, "0100007F:") && !strings.HasPrefix(addr, "0000000000000000FFFF00000100007F:") &&
						!strings.HasPrefix(addr, "00000000000000000000000001000000:") {
						t.Errorf("%s listens at %s", line, addr)
					}
				}
			}
			if found < 3 { // name server, broker, replication
				t.Errorf("only %d listening sockets were found", found)
			}
		})
	}
}

// listening returns the addresses at which a process listens, in the hexadecimal of /proc/net/tcp.
func listening(t *testing.T, pid string) (addrs []string) {
	t.Helper()
	if _, err := strconv.Atoi(pid); err != nil {
		t.Fatalf("no process id: %q", pid)
	}
	sockets := map[string]bool{}
	fds, err := filepath.Glob("/proc/" + pid + "/fd/*")
	if err != nil || len(fds) == 0 {
		t.Fatalf("no open files of %s: %v", pid, err)
	}
	for _, fd := range fds {
		to, err := os.Readlink(fd) // one that was closed meanwhile is none
		if inode, ok := strings.CutPrefix(to, "socket:["); ok && err == nil {
			sockets[strings.TrimSuffix(inode, "]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open("/proc/" + pid + "/net/" + table)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			const listen = "0A"
			if v := strings.Fields(lines.Text()); len(v) > 9 && v[3] == listen && sockets[v[9]] {
				addrs = append(addrs, v[1])
			}
		}
	}
	return addrs
}
