package alerts

import (
	"fmt"
	"path/filepath"
	"syscall"
)

// DiskUsed returns how much of the file system that holds a file is used, as a part of one, counted as df does: what is
// reserved for root is not there for anybody else. The file itself need not exist, its folder must.
func DiskUsed(file string) (float64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(file), &s); err != nil {
		return 0, fmt.Errorf("ask the file system of %s: %w", filepath.Dir(file), err)
	}
	used := float64(s.Blocks - s.Bfree)
	if total := used + float64(s.Bavail); total > 0 {
		return used / total, nil
	}
	return 0, nil
}
