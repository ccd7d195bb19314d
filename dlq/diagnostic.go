package dlq

import "time"

// DiagnosticSeverity is how bad a finding in rules.yaml is. An error anywhere leaves the version in force untouched.
type DiagnosticSeverity string

// Severities of findings.
const (
	DiagnosticError   DiagnosticSeverity = "error"
	DiagnosticWarning DiagnosticSeverity = "warning"
	DiagnosticHint    DiagnosticSeverity = "hint"
)

// Diagnostic is one finding in rules.yaml. Lines and columns count from 1, columns in characters; the end is the first
// place after the marked text.
type Diagnostic struct {
	Severity   DiagnosticSeverity `json:"severity"`
	Code       string             `json:"code"` // stable, kebab-case
	Line       int                `json:"line"`
	Column     int                `json:"column"`
	EndLine    int                `json:"end_line"`
	EndColumn  int                `json:"end_column"`
	Message    Text               `json:"message"`
	Suggestion string             `json:"suggestion,omitempty"` // what to write instead
	Rule       string             `json:"rule,omitempty"`       // name of the rule that it concerns
}

// Text is a sentence in both languages of the console.
type Text struct {
	English string `json:"en"`
	Chinese string `json:"zh"`
}

// RuleVersion is one immutable version of rules.yaml that was in force.
type RuleVersion struct {
	Version int64     `json:"version"`
	SHA256  string    `json:"sha256"` // of the text, lower-case hex; the ETag
	Text    string    `json:"text,omitempty"`
	Author  string    `json:"author"`
	Note    string    `json:"note,omitempty"`
	At      time.Time `json:"at"`
	Reverts int64     `json:"reverts,omitempty"` // the newest earlier version with the same text; 0 for none
}
