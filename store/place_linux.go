package store

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// identify reads what tells a file from a copy of it. A move within a file system, another name, a restart, another mount
// and another host name in a container leave it as it is. The time at which the inode was made belongs to it because a
// fresh file system numbers inodes alike; the number of the device does not, because it may change with every start.
func identify(f *os.File) (identity, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return identity{}, err
	}
	id := identity{inode: strconv.FormatUint(st.Ino, 10), machine: machineID("/etc/machine-id")}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return id, nil
}

// machineID reads the id of the installation (man 5 machine-id): 32 hex digits, "" for none, as in most containers.
func machineID(path string) string {
	text, err := os.ReadFile(path)
	id := strings.TrimSpace(string(text))
	if _, bad := strconv.ParseUint(id[:min(16, len(id))], 16, 64); err != nil || bad != nil || len(id) != 32 {
		return ""
	}
	return id
}
