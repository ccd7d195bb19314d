package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "deadletteroffice"

// edges are the imports between our own packages, each with its reason. Everything may import dlq; cmd/dlq wires all.
var edges = map[[2]string]string{
	{"ui", "classifier"}:                            "diagnostics and explanations are shown as they are",
	{"ui", "rulebook"}:                              "the file in force with its versions",
	{"handlers", "webhook"}:                         "compensations are webhook calls",
	{"alerts", "webhook"}:                           "alerts are told by webhook calls, whose outbox asks for their format",
	{"alerts", "alerts/notify"}:                     "what a receiver is told in its own format",
	{"alerts/notify", "webhook"}:                    "the signature, and how an answer is ruled on",
	{"broker/rocketmq", "broker/rocketmq/remoting"}: "what the published client does not offer",
	{"demo", "broker/rocketmq"}:                     "the client library finds name servers, and is kept quiet, in one way",
	{"demo", "broker/rocketmq/remoting"}:            "the shop prepares its topics",
	{"replay", "replay/transform"}:                  "what an operation changes in each message before it is sent",
	{"replay/operation", "replay/transform"}:        "a transform that makes no sense is refused before an operation starts",
	{"classifier", "rulebook/yamlnode"}:             "one reader of YAML nodes with positions for every section of rules.yaml",
	{"handlers", "rulebook/yamlnode"}:               "the same, for compensations",
	{"alerts", "rulebook/yamlnode"}:                 "the same, for alerts and receivers",
	{"handlers", "rulebook/outside"}:                "one reader of env: and file: references",
	{"alerts", "rulebook/outside"}:                  "the same, for receivers",
	{"rulebook/outside", "rulebook/yamlnode"}:       "what a reference is",
	{"store", "bodytext"}:                           "full text finds bodies in other charsets, and texts in binary ones",
	{"classifier", "bodytext"}:                      "reasons stand in bodies of other charsets too",
	{"replay", "bodytext"}:                          "a body is edited as text and written in its own charset",
	{"replay/transform", "bodytext"}:                "fields of a body are changed in its own charset",
	{"ui", "bodytext"}:                              "a body is shown as text in the charset that a person chooses",
	{"rulebook", "rulebook/yamlnode"}:               "the same, for the document itself",
}

// libraries are the only packages that may import a library directly. The benchmark measures the bare libraries too.
var libraries = map[string][]string{
	"github.com/apache/rocketmq-client-go/v2": {"broker/rocketmq", "demo", "cmd/bench"},
	"github.com/mattn/go-sqlite3":             {"store", "cmd/bench"},
	"github.com/labstack/echo/v4":             {"ui"},
}

// forbidden are imports that would take a room out of its purpose.
var forbidden = map[string][]string{
	"classifier": {"os", "net/http", "database/sql", "net"}, // pure, no I/O
	"replay":     {"database/sql", "net/http"},
	"handlers":   {"database/sql"},
}

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "sqlite_fts5", "-json=ImportPath,Standard,Imports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	used := map[[2]string]bool{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, path := range p.Imports {
			if slices.Contains(forbidden[from], path) {
				t.Errorf("%s must not import %s", from, path)
			}
			if from == "dlq" && strings.Contains(path, ".") {
				t.Errorf("dlq imports %s: it must need the standard library only", path)
			}
			for library, rooms := range libraries {
				if (path == library || strings.HasPrefix(path, library+"/")) && !slices.Contains(rooms, from) {
					t.Errorf("%s imports %s, which belongs to %v", from, library, rooms)
				}
			}
			to, ours := strings.CutPrefix(path, module+"/")
			edge := [2]string{from, to}
			if !ours || to == "dlq" || strings.HasPrefix(from, "cmd/") || strings.HasPrefix(from, "broker/rocketmq/node") {
				continue
			}
			if edges[edge] == "" {
				t.Errorf("%s imports %s: siblings do not know each other; wire them in cmd/dlq, or add the edge with its reason", from, to)
			}
			used[edge] = true
		}
	}
	for edge := range edges {
		if !used[edge] {
			t.Errorf("the edge %s -> %s is not used any more", edge[0], edge[1])
		}
	}
}
