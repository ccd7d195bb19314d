package rulebook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// Why a file cannot be written. They are the codes of Writable.Why.
const (
	WhyReadOnlyFile   = "read_only_file"
	WhyReadOnlySystem = "read_only_file_system"
	WhyNoPermission   = "no_permission"
	WhyOwner          = "owner"   // it belongs to somebody else, and only root could keep that
	WhyMounted        = "mounted" // it is a mount point itself, as in a container that mounts one file, and cannot be replaced
	WhyNotAFile       = "not_a_file"
)

// Writable says whether the file can be written.
type Writable struct {
	OK      bool      `json:"ok"`
	Why     string    `json:"why,omitempty"`
	Message *dlq.Text `json:"message,omitempty"`
}

var whySentences = map[string]dlq.Text{
	WhyReadOnlyFile:   {English: "the file is marked as read-only", Chinese: "文件被设为只读"},
	WhyReadOnlySystem: {English: "the file lies on a read-only file system", Chinese: "文件所在的文件系统是只读的"},
	WhyNoPermission:   {English: "the console may not write the file or make files in its folder", Chinese: "控制台没有写入该文件或在其目录中新建文件的权限"},
	WhyOwner:          {English: "the file belongs to another user, and a console that is not root cannot keep it so", Chinese: "文件属于其他用户，非 root 的控制台写入后无法保持属主不变"},
	WhyMounted:        {English: "the file itself is mounted and cannot be replaced: mount its folder instead", Chinese: "该文件是单独挂载的，无法替换：请改为挂载它所在的目录"},
	WhyNotAFile:       {English: "it is not a file, or a link that leads nowhere", Chinese: "它不是普通文件，或是失效的链接"},
}

func unwritable(why string) Writable {
	say := whySentences[why]
	return Writable{Why: why, Message: &say}
}

// refusal is the error of a save that cannot write the file.
func (w Writable) refusal(path string, cause error) error {
	err := dlq.Errorf(dlq.CodeRefused, "the rules file %s cannot be written: %s", path, w.Message.English).
		WithHint("nothing was changed; copy the text, and put it where the file comes from")
	err.Params, err.Err = map[string]string{"why": w.Why, "path": path}, cause
	return err
}

// place is where a file really lies, and what is to stay as it is when its content is replaced.
type place struct {
	target string
	mode   fs.FileMode
	owner  *syscall.Stat_t // nil for a file that is not there yet
}

// newFileMode is the mode of a file that a save makes: it may hold secrets.
const newFileMode = 0o640

// find follows symbolic links to the file and looks whether it can be replaced.
func find(path string) (place, Writable) {
	path, err := filepath.Abs(path) // mount points are absolute
	if err != nil {
		return place{}, unwritable(WhyNoPermission)
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil { // a link that leads nowhere
			return place{}, unwritable(WhyNotAFile)
		}
		return place{target: path, mode: newFileMode}, mayMake(filepath.Dir(path))
	}
	if err != nil {
		return place{}, unwritable(WhyNoPermission)
	}
	info, err := os.Stat(target)
	if err != nil {
		return place{}, unwritable(WhyNoPermission)
	}
	if !info.Mode().IsRegular() {
		return place{}, unwritable(WhyNotAFile)
	}
	p := place{target: target, mode: info.Mode().Perm()}
	p.owner, _ = info.Sys().(*syscall.Stat_t)
	if w := mayAccess(target); !w.OK {
		return p, w
	}
	switch user := os.Geteuid(); {
	case p.mode&0o222 == 0: // root could write it all the same, but somebody said that it shall not be
		return p, unwritable(WhyReadOnlyFile)
	case isMountPoint(target):
		return p, unwritable(WhyMounted)
	case p.owner != nil && user != 0 && int(p.owner.Uid) != user:
		return p, unwritable(WhyOwner)
	}
	return p, mayMake(filepath.Dir(target))
}

const mayWrite = 2 // W_OK of access(2)

func mayAccess(path string) Writable {
	switch err := syscall.Access(path, mayWrite); {
	case err == nil:
		return Writable{OK: true}
	case errors.Is(err, syscall.EROFS):
		return unwritable(WhyReadOnlySystem)
	default:
		return unwritable(WhyNoPermission)
	}
}

func mayMake(dir string) Writable {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return unwritable(WhyNoPermission)
	}
	return mayAccess(dir)
}

// isMountPoint reports whether a file is mounted by itself. Elsewhere than on Linux nobody can tell; then the rename fails.
func isMountPoint(path string) bool {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	return err == nil && mounted(string(mounts), path)
}

// mounted looks a path up in Linux's list of mounts, whose fifth field is the mount point with blanks in octal.
func mounted(mounts, path string) bool {
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) > 4 && unescapeOctal(fields[4]) == path {
			return true
		}
	}
	return false
}

func unescapeOctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// replace puts a text in the place of a file, whole or not at all: readers and a crash see the old one or the new one.
func (p place) replace(text []byte) (err error) {
	dir, name := filepath.Split(p.target)
	pattern := "." + name + ".*.tmp"
	if left, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil { // of a process that was killed while it wrote
		for _, old := range left {
			_ = os.Remove(old) // one that stays does no harm
		}
	}
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if p.owner != nil {
		if err := f.Chown(int(p.owner.Uid), int(p.owner.Gid)); err != nil {
			return err
		}
	}
	if err := f.Chmod(p.mode); err != nil { // after the owner, whose change may take bits away
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), p.target); err != nil {
		return err
	}
	if folder, err := os.Open(dir); err == nil { // one may be written but not read
		_ = folder.Sync() // makes the rename last; not every file system can
		_ = folder.Close()
	}
	return nil
}

// explainWrite puts what went wrong while writing into words.
func explainWrite(path string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return unwritable(WhyReadOnlySystem).refusal(path, err)
	case errors.Is(err, syscall.EBUSY):
		return unwritable(WhyMounted).refusal(path, err)
	case errors.Is(err, fs.ErrPermission):
		return unwritable(WhyNoPermission).refusal(path, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return dlq.Errorf(dlq.CodeUnavailable, "the disk with the rules file %s is full: %w", path, err).WithHint("nothing was changed; make room, then save again")
	default:
		return fmt.Errorf("write the rules file: %w", err)
	}
}

// dress gives a text the byte-order mark and the line ends of the file that it replaces: editors do not show them.
func dress(text string, old []byte) string {
	if len(yamlnode.WithoutBOM(old)) < len(old) && !strings.HasPrefix(text, "\ufeff") {
		text = "\ufeff" + text
	}
	if breaks := strings.Count(string(old), "\n"); breaks > 0 && strings.Count(string(old), "\r\n") == breaks && !strings.Contains(text, "\r") {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}
