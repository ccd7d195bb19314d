// Package rulebook looks after rules.yaml as a document: it watches the file, checks it whole, hands each section to its
// owner, and remembers the last good version.
//
// All owners compile before any of them applies: a file with an error anywhere changes nothing. What is refused shows in
// Current until a good file takes its place.
package rulebook
