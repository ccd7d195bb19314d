// Package outside reads what rules.yaml and the program's flags name instead of holding it: env:NAME and file:PATH. It is
// the only reader of such references, so that its limits hold for every one of them.
package outside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// MaxFile is how many bytes a file that a reference names may hold.
const MaxFile = 64 << 10

// Lookup finds the text that a reference stands for, without blanks at its ends; a literal stands for itself. What leads
// to nothing is an error of CodeRefused whose sentence is that of Nothing. ErrSealed is the error of a reference that was
// not followed.
type Lookup func(ref yamlnode.Reference) (string, error)

// ErrSealed says that a reference was not followed: whoever wrote it may not find out what it leads to.
var ErrSealed = errors.New("what stands outside the text is not looked at")

// Sealed is the Lookup that follows no reference.
func Sealed(ref yamlnode.Reference) (string, error) {
	if ref.Source == "" {
		return ref.Value, nil
	}
	return "", ErrSealed
}

// From returns the Lookup that asks env for variables (os.Getenv), and the system for files, each time anew.
func From(env func(string) string) Lookup {
	return func(ref yamlnode.Reference) (string, error) {
		var text string
		var err error
		switch ref.Source {
		case "":
			return ref.Value, nil
		case yamlnode.SourceHidden:
		case "env":
			text = env(ref.Value)
		default:
			text, err = read(ref.Value)
		}
		if text = strings.TrimSpace(text); text != "" && err == nil {
			return text, nil
		}
		if err != nil {
			return "", dlq.Errorf(dlq.CodeRefused, "%s: %w", Nothing(ref).English, err)
		}
		return "", dlq.Errorf(dlq.CodeRefused, "%s", Nothing(ref).English)
	}
}

// Nothing says of a reference that it leads to nothing. For files it is one sentence, so that it does not tell which
// files there are on the machine.
func Nothing(ref yamlnode.Reference) dlq.Text {
	switch ref.Source {
	case yamlnode.SourceHidden:
		return yamlnode.Say("it was a literal secret, which is not kept with the versions of the rules: put the file right", "它是直接写在文件里的密钥，规则版本中不保存密钥：请修正规则文件")
	case "env":
		return yamlnode.Say("the variable %s is not set", "环境变量 %s 未设置", ref.Value)
	}
	return yamlnode.Say("the file %s does not exist, is empty or cannot be read as a file of at most 64 KiB", "文件 %s 不存在、为空，或无法作为不超过 64 KiB 的普通文件读取", ref.Value)
}

// read reads a regular file. Anything else is not even opened: opening a device can do something, and opening a pipe
// waits for its other end. What takes the file's place meanwhile is opened without waiting and looked at once more. Reads
// are the system's own: those of package os wait for a file of which the system says that more will come.
func read(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errNotAFile
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", path, err)
	}
	defer syscall.Close(fd)
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return "", fmt.Errorf("look at %s: %w", path, err)
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return "", errNotAFile
	}
	text, err := io.ReadAll(io.LimitReader(descriptor(fd), MaxFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read %s: %w", path, err)
	case len(text) > MaxFile:
		return "", errTooLarge
	}
	return string(text), nil
}

var (
	errNotAFile = errors.New("it is not a regular file")
	errTooLarge = errors.New("it is larger than 64 KiB")
)

// descriptor is an open file that is read without waiting.
type descriptor int

func (d descriptor) Read(p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(d), p)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
