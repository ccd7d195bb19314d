//go:build !linux

package store

import (
	"os"
	"strconv"
	"syscall"
)

// identify reads what tells a file from a copy of it.
func identify(f *os.File) (identity, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	id := identity{}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.inode = strconv.FormatUint(uint64(st.Ino), 10)
	}
	return id, nil
}
