package rulebook

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// read reads the file. problem says why it could not be read, with no more than the path and the system's own words.
func read(path string) (text []byte, problem *dlq.Diagnostic) {
	text, err := readFile(path)
	if err == nil {
		return text, nil
	}
	d := dlq.Diagnostic{Severity: dlq.DiagnosticError, Code: CodeFileUnreadable, Line: 1, Column: 1, EndLine: 1, EndColumn: 1}
	var cause *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Code = CodeFileMissing
		d.Message = yamlnode.Say("there is no rules file at %s", "找不到规则文件 %s", path)
		d.Suggestion = "--rules FILE"
	case errors.As(err, &cause):
		d.Message = yamlnode.Say("the rules file %s cannot be read: %v", "无法读取规则文件 %s：%v", path, cause.Err)
	default:
		d.Message = yamlnode.Say("the rules file %s cannot be read: %v", "无法读取规则文件 %s：%v", path, err)
	}
	return nil, &d
}

var errNotAFile = errors.New("it is not a file")

// readFile reads one byte more than a rules file may have at most: enough to see that it is too large.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		return nil, errNotAFile
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, yamlnode.MaxSize+1))
}
