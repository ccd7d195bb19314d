package classifier

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"deadletteroffice/bodytext"
	"deadletteroffice/dlq"
)

// Limits of what is looked at for one list of names.
const (
	seenDepth = 4
	seenBody  = 64 << 10 // a larger body is passed over
	seenNames = 100      // of one body
)

// BodyPaths returns the paths of the fields of a JSON body that a rule may ask for, as it writes them behind body., in the
// order of the body: those that hold a text, a number or a truth value, at most four steps deep and a hundred of them. Of
// a list its first member stands for all.
func BodyPaths(m *dlq.DeadMessage) []string {
	if len(m.Body) > seenBody || m.BodyState == dlq.BodyUndecoded || m.BodyState == dlq.BodyOverLimit {
		return nil
	}
	body, _, _ := bodytext.AsUTF8(m.Body)
	if !validJSON(body) {
		return nil
	}
	var out []string
	var walk func(v gjson.Result, path string, depth int)
	walk = func(v gjson.Result, path string, depth int) {
		switch {
		case v.IsObject() && depth < seenDepth:
			v.ForEach(func(key, value gjson.Result) bool {
				walk(value, strings.TrimPrefix(path+"."+step(key.Str), "."), depth+1)
				return len(out) < seenNames
			})
		case v.IsArray() && depth < seenDepth:
			v.ForEach(func(_, value gjson.Result) bool {
				walk(value, strings.TrimPrefix(path+"."+strconv.Itoa(0), "."), depth+1)
				return false
			})
		case v.Type != gjson.Null && v.Type != gjson.JSON && path != "" && len(path) <= 200:
			out = append(out, path)
		}
	}
	walk(gjson.ParseBytes(body), "", 0)
	return out
}

// step writes one name of a path.
func step(name string) string {
	if name == "" || strings.ContainsAny(name, `."\`) || strings.TrimSpace(name) != name {
		return quoteName(name)
	}
	return name
}
