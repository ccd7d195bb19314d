// Package yamlnode reads rules.yaml as a tree of nodes that know where they stand, and collects everything that is wrong
// with them: every finding has a place, a stable code, a sentence in English and in Chinese and, where there is one, a
// suggestion.
//
// Parse checks the text as a whole: its encoding, size and syntax, and the parts of YAML that the file may not use
// (several documents, anchors, aliases, merge keys, tags). A Reader then turns nodes into values for the owner of a
// section. Finish gives the findings their order and their ends.
//
// The owners of the sections of rules.yaml may not import each other; this package is what they share. It imports dlq,
// YAML, and the tables of other encodings, which it recognises to name them.
package yamlnode
