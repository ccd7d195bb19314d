// Package transform changes the messages of an operation: fields of JSON bodies and user properties.
//
// It changes the bytes of the named fields and no others. Large integers, the order of members, duplicate members and
// white space elsewhere stay as the producer wrote them, which decoding and encoding the body would not promise.
package transform

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

const (
	maxSteps = 100
	maxPath  = 1 << 10 // bytes of a path
	maxText  = 1 << 20 // bytes of a name or a value
)

// Program is a checked list of steps. Its methods may be called at the same time.
type Program struct {
	steps []step
	body  bool // a step looks at the body
}

type step struct {
	dlq.TransformStep
	path, to []string
}

// Compile checks steps and makes them ready to be applied. The error is CodeInvalid, and CodeRefused for a property that
// is locked; it names the step, the first being 1.
//
// A path is a JSON Pointer (RFC 6901). The whole document cannot be named, for a transform that sends every consumer the
// same body is a mistake.
func Compile(steps []dlq.TransformStep) (*Program, error) {
	if len(steps) > maxSteps {
		return nil, dlq.Errorf(dlq.CodeInvalid, "a transform has at most %d steps, this one has %d", maxSteps, len(steps))
	}
	p := &Program{}
	for i, s := range steps {
		c, err := compile(s)
		if err != nil {
			err.Message = fmt.Sprintf("step %d of the transform: %s", i+1, err.Message)
			return nil, err
		}
		p.steps = append(p.steps, c)
		p.body = p.body || s.Do == dlq.TransformSet || s.Do == dlq.TransformRemove || s.Do == dlq.TransformRename
	}
	return p, nil
}

func compile(s dlq.TransformStep) (c step, fault *dlq.Error) {
	c.TransformStep = s
	if len(s.Path) > maxPath || len(s.To) > maxPath {
		return c, dlq.Errorf(dlq.CodeInvalid, "a path has at most %d bytes", maxPath)
	}
	for _, text := range []string{s.Path, s.To, s.Value, s.Name} {
		if len(text) > maxText || !utf8.ValidString(text) {
			return c, dlq.Errorf(dlq.CodeInvalid, "paths, names and values are UTF-8 of at most 1 MiB")
		}
	}
	switch s.Do {
	case dlq.TransformSet:
		if !json.Valid([]byte(s.Value)) {
			return c, dlq.Errorf(dlq.CodeInvalid, "the value for %s is not JSON", s.Path).WithHint(`text stands in quotes: "paid"`)
		}
		c.Value = strings.TrimSpace(s.Value)
		c.path, fault = pointer(s.Path)
	case dlq.TransformRemove:
		c.path, fault = pointer(s.Path)
	case dlq.TransformRename:
		if c.path, fault = pointer(s.Path); fault != nil {
			return c, fault
		}
		if c.to, fault = pointer(s.To); fault != nil {
			return c, fault
		}
		if n := len(c.path); len(c.to) >= n && slices.Equal(c.to[:n], c.path) {
			fault = dlq.Errorf(dlq.CodeInvalid, "%s cannot become %s, which is itself or inside it", s.Path, s.To)
		}
	case dlq.TransformSetProperty, dlq.TransformRemoveProperty:
		fault = checkProperty(s)
	default:
		fault = dlq.Errorf(dlq.CodeInvalid, "there is no step called %q", s.Do)
	}
	return c, fault
}

// pointer reads a JSON Pointer to something inside a document.
func pointer(s string) ([]string, *dlq.Error) {
	if !strings.HasPrefix(s, "/") {
		return nil, dlq.Errorf(dlq.CodeInvalid, "%q is not a path into a body", s).WithHint("write it as /order/items/0/price")
	}
	tokens := strings.Split(s[1:], "/")
	for i, t := range tokens {
		for rest := t; ; {
			_, after, escape := strings.Cut(rest, "~")
			if !escape {
				break
			}
			if after == "" || after[0] != '0' && after[0] != '1' {
				return nil, dlq.Errorf(dlq.CodeInvalid, "the path %q has a ~ that is neither ~0 (a tilde) nor ~1 (a slash)", s)
			}
			rest = after[1:]
		}
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return tokens, nil
}

func checkProperty(s dlq.TransformStep) *dlq.Error {
	switch {
	case s.Name == "":
		return dlq.Errorf(dlq.CodeInvalid, "which property? its name is empty")
	case Locked(s.Name):
		return dlq.Errorf(dlq.CodeRefused, "the property %s belongs to RocketMQ or to this console and is locked", s.Name)
	case strings.ContainsAny(s.Name+s.Value, "\x01\x02"):
		// They part the properties of a stored message (apache/rocketmq MessageDecoder.NAME_VALUE_SEPARATOR).
		return dlq.Errorf(dlq.CodeInvalid, "a property cannot hold the bytes 1 and 2")
	case s.Do == dlq.TransformSetProperty && s.Value == "":
		return dlq.Errorf(dlq.CodeInvalid, "RocketMQ clients refuse a property without a value").WithHint("remove the property %s instead", s.Name)
	}
	return nil
}

// Apply returns the message as the program changes it; what it was given stays as it is. Removing or renaming what is
// not there changes nothing.
//
// JSON in another charset than UTF-8 stays in that charset.
//
// The errors are CodeRefused and concern this one message: its body is not JSON, or a path leads nowhere or to two
// members of one name, of which consumers differ in which they read, or its charset lacks a character that is to be written.
func (p *Program) Apply(body []byte, props map[string]string) ([]byte, map[string]string, error) {
	original, charset := body, bodytext.UTF8
	if p.body {
		if c := bodytext.Detect(body); c != bodytext.Binary && c != bodytext.UTF8 {
			text, wrong := bodytext.Decode(body, c)
			if wrong == 0 {
				body, charset = []byte(text), c
			}
		}
		if !json.Valid(body) {
			return nil, nil, dlq.Errorf(dlq.CodeRefused, "the body is not JSON")
		}
	}
	props = maps.Clone(props)
	if props == nil {
		props = map[string]string{}
	}
	for _, s := range p.steps {
		var err error
		switch s.Do {
		case dlq.TransformSet:
			body, err = set(body, s.path, s.Value)
		case dlq.TransformRemove:
			body, err = remove(body, s.path)
		case dlq.TransformRename:
			body, err = rename(body, s.path, s.to)
		case dlq.TransformSetProperty:
			props[s.Name] = s.Value
		case dlq.TransformRemoveProperty:
			delete(props, s.Name)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if charset != bodytext.UTF8 {
		var err error
		if body, err = bodytext.Encode(string(body), charset, original); err != nil {
			return nil, nil, dlq.Errorf(dlq.CodeRefused, "the body is written in another charset, and %v", err)
		}
	}
	return body, props, nil
}
