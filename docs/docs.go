// Package docs carries the documents of this folder that the program itself serves.
package docs

import _ "embed"

// OpenAPI is the description of the REST API, openapi.yaml, as it is served.
//
//go:embed openapi.yaml
var OpenAPI []byte

// RulesSchema is the JSON Schema of rules.yaml, rules.schema.json, for editors.
//
//go:embed rules.schema.json
var RulesSchema []byte
