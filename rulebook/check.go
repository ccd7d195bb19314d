package rulebook

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"deadletteroffice/dlq"
	"deadletteroffice/rulebook/yamlnode"
)

// Codes of findings about the file as a document, beside those of yamlnode and of the sections' owners.
const (
	CodeMissingVersion = "missing-version"
	CodeUnknownVersion = "unknown-version"
	CodeFileMissing    = "file-missing"
	CodeFileUnreadable = "file-unreadable"
)

// Owner compiles some top-level sections of the file. Compile must not have effects; apply puts what it compiled in
// force and cannot fail. apply is nil if a finding is an error. While sealed, Compile looks at nothing outside the text:
// no variable, no file.
type Owner struct {
	Keys    []string // the top-level keys that it owns
	Compile func(root *yaml.Node, sealed bool) (apply func(version int64), found []dlq.Diagnostic)
}

// Check returns everything that is wrong with a rules file, in the order of the text. The file is good if none is an
// error. References are followed: it is for people who may read what the program reads.
func Check(text []byte, owners []Owner) []dlq.Diagnostic {
	_, found := compile(text, owners, false)
	return found
}

// compile returns what puts the file in force, nil if there is an error, and all findings.
func compile(text []byte, owners []Owner, sealed bool) (apply func(version int64), found []dlq.Diagnostic) {
	root, found := yamlnode.Parse(text)
	var applies []func(int64)
	if root != nil {
		found = append(found, checkTop(root, owners)...)
		for _, o := range owners {
			apply, more := o.Compile(root, sealed)
			applies = append(applies, apply)
			found = append(found, more...)
		}
	}
	found = yamlnode.Finish(text, found)
	if root == nil || yamlnode.HasErrors(found) {
		return nil, found
	}
	return func(version int64) {
		for _, apply := range applies {
			if apply != nil {
				apply(version)
			}
		}
	}, found
}

// checkTop checks the top-level keys and the version of the grammar.
func checkTop(root *yaml.Node, owners []Owner) []dlq.Diagnostic {
	known := []string{"version"}
	for _, o := range owners {
		known = append(known, o.Keys...)
	}
	var r yamlnode.Reader
	top, ok := r.Map(root, "rules.yaml", known)
	if !ok {
		return r.Diagnostics()
	}
	switch version := top.Get("version"); {
	case version == nil:
		first := root
		if len(root.Content) > 0 {
			first = root.Content[0]
		}
		r.Error(first, CodeMissingVersion, yamlnode.Say("the file does not say which version of the grammar it is written in", "文件没有写明语法版本"), "version: 1")
	case version.Value != "1":
		r.Error(version, CodeUnknownVersion, yamlnode.Say("this program reads version 1 of the grammar only", "本程序只支持语法版本 1"), "1")
	}
	return r.Diagnostics()
}

// Summary puts findings into one line for the log: how many, and the first error.
func Summary(found []dlq.Diagnostic) string {
	errors := 0
	var first dlq.Diagnostic
	for _, d := range found {
		if d.Severity == dlq.DiagnosticError {
			if errors == 0 {
				first = d
			}
			errors++
		}
	}
	if errors == 0 {
		return "no errors"
	}
	return fmt.Sprintf("%d errors, the first at %d:%d: %s", errors, first.Line, first.Column, first.Message.English)
}
